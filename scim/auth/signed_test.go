package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer is an identity provider with keys that it may change.
type issuer struct {
	*httptest.Server
	mu   sync.Mutex
	keys map[string]crypto.PublicKey
	down bool
	read int
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{keys: map[string]crypto.PublicKey{}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.read++
	if i.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	list := []map[string]string{}
	b64 := base64.RawURLEncoding.EncodeToString
	for id, key := range i.keys {
		switch k := key.(type) {
		case *rsa.PublicKey:
			list = append(list, map[string]string{"kty": "RSA", "use": "sig", "kid": id, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())})
		case *ecdsa.PublicKey:
			point, err := k.Bytes() // 4, and both coordinates
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			list = append(list, map[string]string{"kty": "EC", "crv": "P-256", "kid": id, "x": b64(point[1:33]), "y": b64(point[33:])})
		case ed25519.PublicKey:
			list = append(list, map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": id, "x": b64(k)})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": list}) // it fails only if the client has gone
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// token signs claims; header is added to that of the method.
func token(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	j := jwt.NewWithClaims(method, claims)
	maps.Copy(j.Header, header)
	s, err := j.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func good() jwt.MapClaims {
	return jwt.MapClaims{"iss": "https://idp.example/", "aud": "scim", "sub": "job", "tid": "tenant", "exp": now.Add(time.Hour).Unix(), "nbf": now.Add(-time.Minute).Unix()}
}

func with(change func(jwt.MapClaims)) jwt.MapClaims {
	c := good()
	change(c)
	return c
}

func verifier(t *testing.T, i *issuer, clock func() time.Time, algorithms ...string) *Signed {
	t.Helper()
	s := &Signed{IdP: "entra", Issuer: "https://idp.example/", Audience: []string{"scim"}, JWKSURL: i.URL, Algorithms: algorithms, Claims: map[string]string{"tid": "tenant"}, Now: clock}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s.Init(ctx)
	return s
}

func ask(s *Signed, credential string) (Identity, error) {
	r := httptest.NewRequest("GET", "/scim/v2/Users", nil)
	r.Header.Set("Authorization", "Bearer "+credential)
	return Verifier{Signed: []*Signed{s}, Credentials: []Credential{{IdP: "okta"}}}.Identify(r)
}

func TestSignedIdentity(t *testing.T) {
	i, key := newIssuer(t), rsaKey(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.keys = map[string]crypto.PublicKey{"r": &key.PublicKey, "e": &ec.PublicKey, "d": edPublic}
	s := verifier(t, i, func() time.Time { return now }, "RS256", "PS256", "ES256", "EdDSA")
	for name, signed := range map[string]string{
		"RS256":                        token(t, jwt.SigningMethodRS256, key, good(), map[string]any{"kid": "r"}),
		"PS256":                        token(t, jwt.SigningMethodPS256, key, good(), map[string]any{"kid": "r"}),
		"ES256":                        token(t, jwt.SigningMethodES256, ec, good(), map[string]any{"kid": "e"}),
		"EdDSA":                        token(t, jwt.SigningMethodEdDSA, ed, good(), map[string]any{"kid": "d"}),
		"late by less than the leeway": token(t, jwt.SigningMethodRS256, key, with(func(c jwt.MapClaims) { c["exp"] = now.Add(-20 * time.Second).Unix() }), map[string]any{"kid": "r"}),
	} {
		who, err := ask(s, signed)
		if err != nil || who.IdP != "entra" || !strings.HasPrefix(who.Token, "jwt-") || len(who.Token) != 12 {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

// TestForgedTokensAreRefused: a token that is forged, expired or for another audience is refused,
// always in the same words.
func TestForgedTokensAreRefused(t *testing.T) {
	i, key, other := newIssuer(t), rsaKey(t), rsaKey(t)
	i.keys = map[string]crypto.PublicKey{"r": &key.PublicKey}
	s := verifier(t, i, func() time.Time { return now })
	kid := map[string]any{"kid": "r"}
	rs := func(c jwt.MapClaims, header map[string]any) string {
		return token(t, jwt.SigningMethodRS256, key, c, header)
	}
	genuine := rs(good(), kid)
	if _, err := ask(s, genuine); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(genuine, ".")
	forged := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"https://idp.example/","aud":"scim","tid":"tenant","exp":4102444800,"admin":true}`))
	again := func(part, begin string) string { // signed all the same
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		signed := base64.RawURLEncoding.EncodeToString([]byte(begin+string(raw[1:]))) + "." + parts[1]
		sig, err := jwt.SigningMethodRS256.Sign(signed, key)
		if err != nil {
			t.Fatal(err)
		}
		return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	doubled := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"tid":"tenant2",`+string(raw[1:])))
	sig, err := jwt.SigningMethodRS256.Sign(doubled, key)
	if err != nil {
		t.Fatal(err)
	}
	twice := doubled + "." + base64.RawURLEncoding.EncodeToString(sig)
	without := func(name string) string { return rs(with(func(c jwt.MapClaims) { delete(c, name) }), kid) }
	set := func(name string, v any) string { return rs(with(func(c jwt.MapClaims) { c[name] = v }), kid) }
	for name, bad := range map[string]string{
		"none":                         token(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good(), kid),
		"the public key as a secret":   token(t, jwt.SigningMethodHS256, public, good(), kid),
		"an algorithm not configured":  token(t, jwt.SigningMethodRS512, key, good(), kid),
		"another's key":                token(t, jwt.SigningMethodRS256, other, good(), kid),
		"an unknown key":               rs(good(), map[string]any{"kid": "x"}),
		"no key named":                 rs(good(), nil),
		"a key in the token":           token(t, jwt.SigningMethodRS256, other, good(), map[string]any{"kid": "r", "jwk": map[string]string{"kty": "RSA"}, "jku": i.URL}),
		"a critical extension":         rs(good(), map[string]any{"kid": "r", "crit": []string{"exp"}}),
		"expired":                      set("exp", now.Add(-time.Minute).Unix()),
		"not yet":                      set("nbf", now.Add(time.Minute).Unix()),
		"without an end":               without("exp"),
		"without an issuer":            without("iss"),
		"without an audience":          without("aud"),
		"of another issuer":            set("iss", "https://idp.example"),
		"for another":                  set("aud", "scim2"),
		"for several":                  set("aud", []string{"scim", "other"}),
		"of another tenant":            set("tid", "tenant2"),
		"of no tenant":                 without("tid"),
		"of a tenant that is no text":  set("tid", []string{"tenant"}),
		"another payload":              parts[0] + "." + forged + "." + parts[2],
		"no signature":                 parts[0] + "." + parts[1] + ".",
		"a signature cut":              genuine[:len(genuine)-4],
		"two dots and nothing":         "..",
		"a name twice in the header":   again(parts[0], `{"alg":"none",`),
		"a name twice in the claims":   twice,
		"a payload that is not signed": rs(good(), map[string]any{"kid": "r", "b64": false}),
		"a logout token":               rs(good(), map[string]any{"kid": "r", "typ": "logout+jwt"}),
		"a type that is no text":       rs(good(), map[string]any{"kid": "r", "typ": []string{"JWT"}}),
		"a key name that is a path":    rs(good(), map[string]any{"kid": "../r"}),
		"a key name that is no text":   rs(good(), map[string]any{"kid": []string{"r"}}),
		"a key's address":              token(t, jwt.SigningMethodRS256, other, good(), map[string]any{"kid": "x", "jku": i.URL, "x5u": i.URL}),
		"a time that is a text":        set("exp", "4102444800"),
		"a subject that is no text":    set("sub", 7),
		"far too long":                 set("more", strings.Repeat("x", 8<<10)),
		"padding":                      parts[0] + "=." + parts[1] + "." + parts[2],
	} {
		if who, err := ask(s, bad); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

// TestKeysAreReplacedAndExpire: a reading replaces all keys; without one they are trusted for a
// day.
func TestKeysAreReplacedAndExpire(t *testing.T) {
	i, first, second := newIssuer(t), rsaKey(t), rsaKey(t)
	i.keys = map[string]crypto.PublicKey{"1": &first.PublicKey}
	clock := now
	s := verifier(t, i, func() time.Time { return clock })
	claims := with(func(c jwt.MapClaims) { c["exp"] = now.Add(72 * time.Hour).Unix() })
	one := token(t, jwt.SigningMethodRS256, first, claims, map[string]any{"kid": "1"})
	two := token(t, jwt.SigningMethodRS256, second, claims, map[string]any{"kid": "2"})
	if _, err := ask(s, one); err != nil {
		t.Error(err)
	}
	i.mu.Lock()
	i.keys = map[string]crypto.PublicKey{"2": &second.PublicKey}
	i.mu.Unlock()
	clock = now.Add(unknownKey)
	if _, err := ask(s, two); err != nil { // a key that is not known makes them be read again
		t.Error(err)
	}
	if _, err := ask(s, one); !errors.Is(err, ErrUnknown) {
		t.Errorf("the key that was replaced: %v", err)
	}
	i.mu.Lock()
	read := i.read
	i.mu.Unlock()
	for range 50 {
		_, _ = ask(s, one) // refused each time
	}
	i.mu.Lock()
	if i.read > read+1 {
		t.Errorf("the keys were read %d times for one forger", i.read-read)
	}
	i.down = true
	i.mu.Unlock()
	clock = now.Add(23 * time.Hour)
	if _, err := ask(s, two); err != nil {
		t.Errorf("within a day: %v", err)
	}
	clock = now.Add(25 * time.Hour)
	if _, err := ask(s, two); !errors.Is(err, ErrUnknown) {
		t.Errorf("after a day: %v", err)
	}
}

// No change of a single byte verifies; what is unchanged verifies here as with the library alone.
func TestChangedTokensNeverVerify(t *testing.T) {
	i, key := newIssuer(t), rsaKey(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.keys = map[string]crypto.PublicKey{"r": &key.PublicKey, "e": &ec.PublicKey, "d": edPublic}
	s := verifier(t, i, func() time.Time { return now }, "RS256", "ES256", "EdDSA")
	for kid, k := range map[string]struct {
		method  jwt.SigningMethod
		private any
	}{"r": {jwt.SigningMethodRS256, key}, "e": {jwt.SigningMethodES256, ec}, "d": {jwt.SigningMethodEdDSA, ed}} {
		genuine := token(t, k.method, k.private, good(), map[string]any{"kid": kid})
		if _, err := ask(s, genuine); err != nil {
			t.Errorf("%s: %v", kid, err)
		}
		if _, err := jwt.Parse(genuine, func(*jwt.Token) (any, error) { return i.keys[kid], nil }, jwt.WithTimeFunc(func() time.Time { return now })); err != nil {
			t.Errorf("the library refuses %s: %v", kid, err)
		}
		for at := range genuine {
			for _, c := range []byte{'A', '.', '-', ' ', '=', 0, genuine[at] + 1, genuine[at] ^ 1, genuine[at] ^ 0x20, genuine[at] ^ 0x80} {
				changed := []byte(genuine)
				changed[at] = c
				if who, err := s.identify(t.Context(), string(changed)); err == nil && string(changed) != genuine {
					t.Errorf("%s, byte %d: %+v", kid, at, who)
				}
			}
		}
	}
}

// What a provider says about a refused token is for the operator; it holds nothing of the token.
func TestRefusalReasons(t *testing.T) {
	i, key := newIssuer(t), rsaKey(t)
	i.keys = map[string]crypto.PublicKey{"r": &key.PublicKey}
	s := verifier(t, i, func() time.Time { return now })
	sign := func(name string, v any) string {
		return token(t, jwt.SigningMethodRS256, key, with(func(c jwt.MapClaims) { c[name] = v }), map[string]any{"kid": "r"})
	}
	for why, bad := range map[string]string{
		"a token that has expired":              sign("exp", now.Add(-time.Hour).Unix()),
		"a token that is not valid yet":         sign("nbf", now.Add(time.Hour).Unix()),
		"a token for another audience":          sign("aud", "canary-audience"),
		"a token with another value of a claim": sign("tid", "canary-tenant"),
		"a token of an unknown issuer":          sign("iss", "https://canary.example"),
	} {
		_, err := ask(s, bad)
		var r *Refusal
		if !errors.As(err, &r) || r.Why != why || strings.Contains(err.Error(), "canary") || r.IdP != map[bool]string{true: "entra"}[why != "a token of an unknown issuer"] {
			t.Errorf("%s: %+v, %v", why, r, err)
		}
	}
}
