package auth

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzAuthorization sends any header. Only a known token in one of the accepted forms is let in.
func FuzzAuthorization(f *testing.F) {
	credential, err := Parse("okta", secret)
	if err != nil {
		f.Fatal(err)
	}
	ended, err := Parse("okta", secret+"-ended")
	if err != nil {
		f.Fatal(err)
	}
	ended.Expires = now
	v := Verifier{Credentials: []Credential{credential, ended}, Now: func() time.Time { return now }}
	for _, header := range []string{"", "Bearer " + secret, "bearer\t" + secret, secret, "Bearer " + secret + "-ended", "Basic " + basic("okta", secret), "Basic " + basic("", secret), "Basic " + basic("x", secret), "BASIC " + basic("okta", ""),
		"Basic " + basic(secret, secret), "Bearer Bearer " + secret, "Bearer a.b.c", "Negotiate " + secret, "Basic Bearer " + secret} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/scim/v2/Users", nil)
		r.Header["Authorization"] = []string{header}
		who, err := v.Identify(r)
		if shown := shownSecret(header); shown != (err == nil) {
			t.Errorf("%q: %+v, %v", header, who, err)
		}
		if err == nil && who != (Identity{"okta", credential.Name()}) || err != nil && !errors.Is(err, ErrUnknown) || err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %+v, %v", header, who, err)
		}
	})
}

// shownSecret says independently whether a header shows the secret as okta.
func shownSecret(header string) bool {
	header = strings.TrimSpace(header)
	if header == secret || len(header) > 6 && strings.EqualFold(header[:7], "bearer ") && strings.TrimSpace(header[7:]) == secret {
		return true
	}
	if len(header) < 6 || !strings.EqualFold(header[:6], "basic ") {
		return false
	}
	plain, err := base64.StdEncoding.DecodeString(header[6:])
	return err == nil && (string(plain) == "okta:"+secret || string(plain) == ":"+secret)
}

// FuzzSigned signs any header and any claims with the issuer's key, and may flip a bit. An accepted
// token has exactly the configured claims and is the signed one.
func FuzzSigned(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	s := &Signed{IdP: "entra", Issuer: "https://idp.example/", Audience: []string{"scim"}, Algorithms: []string{"EdDSA"}, Claims: map[string]string{"tid": "tenant"}, App: "app", Now: func() time.Time { return now }}
	s.key = func(context.Context, *jwt.Token) (any, error) { return key.Public(), nil }
	s.defaults()
	header, claims := `{"alg":"EdDSA","kid":"k","typ":"JWT"}`, `{"iss":"https://idp.example/","aud":"scim","sub":"job","tid":"tenant","appid":"app","exp":1795694400,"nbf":1764000000}`
	f.Add(header, claims, uint16(0))
	f.Add(header, claims, uint16(9))
	for _, h := range []string{`{"alg":"none","kid":"k"}`, `{"alg":"HS256","kid":"k"}`, `{"alg":"EdDSA"}`, `{"alg":"EdDSA","kid":"k","crit":["exp"]}`, `{"alg":"EdDSA","kid":"k","b64":false}`, `{"alg":"none","alg":"EdDSA","kid":"k"}`,
		`{"alg":"EdDSA","kid":"k","typ":"logout+jwt"}`, `{"alg":"EdDSA","kid":["k"]}`, `{"alg":"EdDSA","kid":"k","jwk":{"kty":"OKP"},"jku":"https://evil.example","x5u":"https://evil.example"}`, `null`, `[]`, `{"alg":"EdDSA","kid":"k"}{}`} {
		f.Add(h, claims, uint16(0))
	}
	for _, change := range [][2]string{{`"aud":"scim"`, `"aud":["scim"]`}, {`"aud":"scim"`, `"aud":["scim","x"]`}, {`"tid":"tenant"`, `"tid":["tenant"]`}, {`"tid":"tenant"`, `"tid":"x","tid":"tenant"`}, {`"appid":"app"`, `"azp":"app"`},
		{`"appid":"app"`, `"appid":"app","azp":"x"`}, {`1795694400`, `1`}, {`1795694400`, `"1795694400"`}, {`1795694400`, `1e400`}, {`1795694400`, `1795694400.5`}, {`"nbf":1764000000`, `"nbf":1795694400`}, {`"sub":"job"`, `"sub":7`}, {`"iss":`, `"ISS":`},
		{`"sub":"job"`, `"x":{"a":1,"a":2}`}, {`"sub":"job"`, `"x":[{"a":[1]},{"a":[1]}]`}} {
		f.Add(header, strings.Replace(claims, change[0], change[1], 1), uint16(0))
	}
	f.Fuzz(func(t *testing.T, header, claims string, flip uint16) {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		genuine := text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(text)))
		token := []byte(genuine)
		if flip > 0 {
			token[int(flip/8)%len(token)] ^= 1 << (flip % 8)
		}
		who, err := s.identify(t.Context(), string(token))
		if err == nil && (string(token) != genuine || !meets(header, claims)) {
			t.Errorf("%s %s: %+v", header, claims, who)
		}
		if err != nil && who != (Identity{}) {
			t.Errorf("refused, and yet %+v", who)
		}
	})
}

// meets says independently whether a token has what it must.
func meets(header, claims string) bool {
	var h, c map[string]any
	if json.Unmarshal([]byte(header), &h) != nil || json.Unmarshal([]byte(claims), &c) != nil {
		return false
	}
	exp, hasEnd := c["exp"].(float64)
	nbf, begins := c["nbf"].(float64)
	_, isText := c["sub"].(string)
	list, isList := c["aud"].([]any)
	forUs := c["aud"] == "scim" || isList && slices.Equal(list, []any{"scim"})
	typ, _ := h["typ"].(string)
	return h["alg"] == "EdDSA" && h["kid"] != "" && h["crit"] == nil && h["b64"] == nil && (h["typ"] == nil || slices.Contains([]string{"jwt", "at+jwt", "application/at+jwt", ""}, strings.ToLower(typ))) &&
		c["iss"] == "https://idp.example/" && forUs && c["tid"] == "tenant" && (c["appid"] == "app" || c["azp"] == "app") && (c["appid"] == nil || c["azp"] == nil || c["appid"] == c["azp"]) &&
		hasEnd && exp > float64(now.Add(-leeway).Unix()) && (!begins || nbf <= float64(now.Add(leeway).Unix())+1) && (isText || c["sub"] == nil) &&
		strings.Count(claims, `"tid"`) == 1 && strings.Count(header, `"alg"`) == 1
}

// FuzzTokenRequest sends any header and any body to the token endpoint. Only the secret gets a
// token, and no answer repeats the request.
func FuzzTokenRequest(f *testing.F) {
	credential, err := Parse("okta", secret1)
	if err != nil {
		f.Fatal(err)
	}
	shelf := &shelf{} // the same input takes the same way: or every token would look like something new
	ring := shelf.ring(func() time.Time { return now })
	ring.Random = same{}
	i := &Issuer{URL: public, Now: func() time.Time { return now }, Keys: ring, Random: same{}, Clients: []Client{{ID: "job", IdP: "okta", Secrets: []Credential{credential}, Lifetime: time.Hour}}}
	f.Add("", "grant_type=client_credentials&client_id=job&client_secret="+secret1)
	f.Add("Basic "+basic("job", secret1), "grant_type=client_credentials")
	f.Add("Basic "+basic("j%6fb", secret1), "grant_type=client_credentials&client_id=job")
	f.Add("Basic "+basic("job", secret1), "grant_type=client_credentials&client_secret="+secret1)
	f.Add("Bearer "+secret1, "grant_type=client_credentials")
	f.Add("", "grant_type=client_credentials&client_id=job&client_id=job&client_secret="+secret1)
	f.Add("", "grant_type=client_credentials&client_assertion_type="+url.QueryEscape(assertionType)+"&client_assertion=a.b.c")
	f.Add("", "grant_type=password&client_id=job&client_secret="+secret1)
	f.Add("", "%zz")
	f.Add("", "grant_type=client_credentials;client_id=job&client_secret="+secret1)
	f.Fuzz(func(t *testing.T, header, body string) {
		r := httptest.NewRequest("POST", TokenPath, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if header != "" {
			r.Header["Authorization"] = []string{header}
		}
		rec := httptest.NewRecorder()
		i.ServeHTTP(rec, r)
		var a struct {
			Token  string `json:"access_token"`
			Error  string `json:"error"`
			Detail string `json:"error_description"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
			t.Fatalf("%s", rec.Body)
		}
		form, _ := url.ParseQuery(body)
		_, password, _ := r.BasicAuth()
		proven := form.Get("client_secret") == secret1 && form.Get("client_id") == "job" || password == secret1
		if plain, err := url.QueryUnescape(password); err == nil && plain == secret1 {
			proven = true
		}
		switch rec.Code {
		case http.StatusOK:
			if !proven || form.Get("grant_type") != "client_credentials" || a.Token == "" {
				t.Errorf("%q %q: %s", header, body, rec.Body)
			}
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge:
			if a.Token != "" || !slices.Contains([]string{"invalid_request", "invalid_client", "unsupported_grant_type"}, a.Error) || strings.Contains(a.Detail, secret1) {
				t.Errorf("%q %q: %s", header, body, rec.Body)
			}
		default:
			t.Errorf("%q %q: %d", header, body, rec.Code)
		}
	})
}

// same is randomness without any.
type same struct{}

func (same) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}
