package auth

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// shelf is where several processes keep the keys, and which assertions were used.
type shelf struct {
	mu    sync.Mutex
	kept  []byte
	lists map[string][]byte
	fails bool
	read  int
}

func (s *shelf) spent() *Spent {
	return &Spent{Load: func(_ context.Context, name string) ([]byte, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fails {
			return nil, errors.New("the store is away")
		}
		return s.lists[name], nil
	}, Change: func(_ context.Context, name string, change func([]byte) ([]byte, error)) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fails {
			return errors.New("the store is away")
		}
		if _, err := change(s.lists[name]); err != nil { // it may run more than once
			return err
		}
		made, err := change(s.lists[name])
		if made != nil {
			s.lists[name] = made
		}
		return err
	}}
}

func (s *shelf) ring(now func() time.Time) *Keyring {
	return &Keyring{Now: now, Load: func(context.Context) ([]byte, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.read++; s.fails {
			return nil, errors.New("the store is away")
		}
		return s.kept, nil
	}, Change: func(_ context.Context, change func([]byte) ([]byte, error)) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, err := change(s.kept); err != nil { // it may run more than once
			return err
		}
		made, err := change(s.kept)
		if made != nil {
			s.kept = made
		}
		return err
	}}
}

const (
	public  = "https://scim.example.com/scim/v2"
	tenant  = "ce5f061f-abe6-4e40-9615-301f87bcb7f0"
	app     = "b5ba7a93-4452-4522-aeb4-a2b5da870c16"
	object  = "d2f8ee76-c549-45b8-a143-f5b640669704"
	secret1 = "the-first-secret-of-the-client"
	secret2 = "a second: secret+with %odd letters"
)

// world is a token endpoint with one client that has secrets and one with signed assertions.
type world struct {
	*Issuer
	idp   *issuer
	key   *rsa.PrivateKey
	clock atomic.Pointer[time.Time] // goroutines that read keys look at it, too
	shelf *shelf
	why   []string
}

func newWorld(t *testing.T) *world {
	w := &world{idp: newIssuer(t), key: rsaKey(t), shelf: &shelf{lists: map[string][]byte{}}}
	w.set(now)
	w.idp.keys = map[string]crypto.PublicKey{"k": &w.key.PublicKey}
	w.Issuer = w.issuerAt(t, w.shelf)
	return w
}

func (w *world) at() time.Time { return *w.clock.Load() }

func (w *world) set(t time.Time) { w.clock.Store(&t) }

// issuerAt is another process with the same configuration.
func (w *world) issuerAt(t *testing.T, s *shelf) *Issuer {
	t.Helper()
	clock := w.at
	var secrets []Credential
	for text, end := range map[string]time.Time{secret1: now.Add(48 * time.Hour), secret2: {}, "a-secret-that-has-ended": now} {
		c, err := Parse("okta", text)
		if err != nil {
			t.Fatal(err)
		}
		c.Expires = end
		secrets = append(secrets, c)
	}
	federation := &Signed{IdP: "entra", Issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0", Audience: []string{"api://" + app, app}, JWKSURL: w.idp.URL,
		Claims: map[string]string{"tid": tenant, "sub": object}, App: app, Now: clock}
	federation.Init(t.Context())
	return &Issuer{URL: public, Now: clock, Keys: s.ring(clock), Spent: s.spent(), Rejected: func(_ *http.Request, r *Refusal) { w.why = append(w.why, r.Why) }, Clients: []Client{
		{ID: "okta-job", IdP: "okta", Secrets: secrets, Lifetime: time.Hour},
		{ID: "entra-job", IdP: "entra", Assertions: federation, Lifetime: 2 * time.Hour},
	}}
}

type answered struct {
	Status  int
	Header  http.Header
	Token   string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Error   string `json:"error"`
}

func post(t *testing.T, h http.Handler, form url.Values, change ...func(*http.Request)) answered {
	t.Helper()
	return send(t, h, form.Encode(), change...)
}

func send(t *testing.T, h http.Handler, body string, change ...func(*http.Request)) answered {
	t.Helper()
	r := httptest.NewRequest("POST", TokenPath, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range change {
		c(r)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	a := answered{Status: rec.Code, Header: rec.Header()}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("an answer that may be kept: %v", rec.Header())
	}
	if a.Status == 401 && a.Header.Get("WWW-Authenticate") == "" {
		t.Error("401 does not say how one may call")
	}
	return a
}

func (a answered) who(t *testing.T, i *Issuer) (Identity, error) {
	t.Helper()
	return ask(i.Verifier(), a.Token)
}

func form(pairs ...string) url.Values {
	v := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func (w *world) claims(change func(jwt.MapClaims)) jwt.MapClaims {
	c := jwt.MapClaims{"aud": "api://" + app, "iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "iat": w.at().Unix(), "nbf": w.at().Unix(), "exp": w.at().Add(65 * time.Minute).Unix(),
		"appid": app, "appidacr": "2", "oid": object, "sub": object, "tid": tenant, "ver": "2.0"}
	if change != nil {
		change(c)
	}
	return c
}

// assertion is a form as Entra sends it (E46).
func (w *world) assertion(t *testing.T, change func(jwt.MapClaims)) url.Values {
	return form("client_id", "entra-job", "client_assertion_type", assertionType, "scope", "scim",
		"client_assertion", token(t, jwt.SigningMethodRS256, w.key, w.claims(change), map[string]any{"kid": "k", "typ": "JWT"}))
}

func basicAuth(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(id, secret) }
}

// TestTokenRequests: every proof of a client gets a token of its identity provider.
func TestTokenRequests(t *testing.T) {
	w := newWorld(t)
	v2 := func(c jwt.MapClaims) { c["azp"], c["aud"] = app, app; delete(c, "appid") }
	for name, c := range map[string]struct {
		form   url.Values
		change []func(*http.Request)
		who    Identity
		life   int
	}{
		"secret in the body":         {form("client_id", "okta-job", "client_secret", secret1), nil, Identity{"okta", "oauth-okta-job"}, 3600},
		"the other secret":           {form("client_id", "okta-job", "client_secret", secret2), nil, Identity{"okta", "oauth-okta-job"}, 3600},
		"secret in the header":       {form(), []func(*http.Request){basicAuth("okta-job", secret1)}, Identity{"okta", "oauth-okta-job"}, 3600},
		"escaped, as the RFC says":   {form(), []func(*http.Request){basicAuth("okta%2Djob", url.QueryEscape(secret2))}, Identity{"okta", "oauth-okta-job"}, 3600},
		"not escaped, as many send":  {form("client_id", "okta-job"), []func(*http.Request){basicAuth("okta-job", secret2)}, Identity{"okta", "oauth-okta-job"}, 3600},
		"E46":                        {w.assertion(t, nil), nil, Identity{"entra", "oauth-entra-job"}, 7200},
		"version 2, for the bare id": {w.assertion(t, v2), nil, Identity{"entra", "oauth-entra-job"}, 7200},
		"an assertion with a jti":    {w.assertion(t, func(c jwt.MapClaims) { c["jti"] = "1" }), nil, Identity{"entra", "oauth-entra-job"}, 7200},
		"a resource besides a scope": {form("client_id", "okta-job", "client_secret", secret1, "resource", public), nil, Identity{"okta", "oauth-okta-job"}, 3600},
	} {
		a := post(t, w.Issuer, c.form, c.change...)
		if a.Status != 200 || a.Type != "Bearer" || a.Expires != c.life {
			t.Errorf("%s: %+v %q", name, a, w.why)
			continue
		}
		if who, err := a.who(t, w.Issuer); err != nil || who != c.who {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

// TestTokenRequestsRefused: a client without a proof gets invalid_client for any reason; a
// malformed request gets its reason.
func TestTokenRequestsRefused(t *testing.T) {
	w := newWorld(t)
	other := rsaKey(t)
	forged := form("client_id", "entra-job", "client_assertion_type", assertionType, "client_assertion", token(t, jwt.SigningMethodRS256, other, w.claims(nil), map[string]any{"kid": "k"}))
	with := func(v url.Values, name, value string) url.Values { v.Set(name, value); return v }
	as := func(name string, value any) url.Values {
		return w.assertion(t, func(c jwt.MapClaims) { c[name] = value })
	}
	for name, c := range map[string]struct {
		form   url.Values
		change []func(*http.Request)
		status int
		code   string
	}{
		"a wrong secret":               {form("client_id", "okta-job", "client_secret", secret1+"x"), nil, 401, "invalid_client"},
		"another client's secret":      {form("client_id", "entra-job", "client_secret", secret1), nil, 401, "invalid_client"},
		"an unknown client":            {form("client_id", "unknown", "client_secret", secret1), nil, 401, "invalid_client"},
		"a secret without a client":    {form("client_secret", secret1), nil, 401, "invalid_client"},
		"an empty secret":              {form("client_id", "okta-job", "client_secret", ""), nil, 401, "invalid_client"},
		"a secret that has ended":      {form("client_id", "okta-job", "client_secret", "a-secret-that-has-ended"), nil, 401, "invalid_client"},
		"a wrong secret in the header": {form(), []func(*http.Request){basicAuth("okta-job", "wrong")}, 401, "invalid_client"},
		"no proof":                     {form("client_id", "okta-job"), nil, 401, "invalid_client"},
		"a bearer token":               {form(), []func(*http.Request){func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret1) }}, 401, "invalid_client"},
		"a secret in the address": {form("client_id", "okta-job"), []func(*http.Request){func(r *http.Request) {
			r.URL.RawQuery = form("client_id", "okta-job", "client_secret", secret1).Encode()
		}},
			401, "invalid_client"},
		"a forged assertion":           {forged, nil, 401, "invalid_client"},
		"of another tenant":            {as("tid", app), nil, 401, "invalid_client"},
		"of another issuer":            {as("iss", "https://login.microsoftonline.com/"+app+"/v2.0"), nil, 401, "invalid_client"},
		"of another subject":           {as("sub", app), nil, 401, "invalid_client"},
		"of another application":       {as("appid", object), nil, 401, "invalid_client"},
		"of two applications":          {as("azp", object), nil, 401, "invalid_client"},
		"of no application":            {w.assertion(t, func(c jwt.MapClaims) { delete(c, "appid") }), nil, 401, "invalid_client"},
		"for another audience":         {as("aud", "api://"+object), nil, 401, "invalid_client"},
		"for two audiences":            {as("aud", []string{app, "api://" + app}), nil, 401, "invalid_client"},
		"far too long":                 {as("more", strings.Repeat("x", 7<<10)), nil, 401, "invalid_client"},
		"expired":                      {as("exp", now.Add(-time.Minute).Unix()), nil, 401, "invalid_client"},
		"not yet":                      {as("nbf", now.Add(time.Minute).Unix()), nil, 401, "invalid_client"},
		"for another client":           {with(w.assertion(t, nil), "client_id", "okta-job"), nil, 401, "invalid_client"},
		"an assertion of another kind": {with(w.assertion(t, nil), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), nil, 400, "invalid_request"},
		"two proofs":                   {with(w.assertion(t, nil), "client_secret", secret1), nil, 400, "invalid_request"},
		"a header and a body":          {form("client_id", "okta-job", "client_secret", secret1), []func(*http.Request){basicAuth("okta-job", secret1)}, 400, "invalid_request"},
		"two clients":                  {form("client_id", "entra-job"), []func(*http.Request){basicAuth("okta-job", secret1)}, 400, "invalid_request"},
		"a parameter twice":            {url.Values{"grant_type": {"client_credentials", "client_credentials"}, "client_id": {"okta-job"}, "client_secret": {secret1}}, nil, 400, "invalid_request"},
		"a password":                   {with(form("client_id", "okta-job", "client_secret", secret1), "grant_type", "password"), nil, 400, "unsupported_grant_type"},
		"no grant":                     {url.Values{"client_id": {"okta-job"}, "client_secret": {secret1}}, nil, 400, "unsupported_grant_type"},
		"too much":                     {form("client_id", "okta-job", "client_secret", secret1, "scope", strings.Repeat("x", maxForm)), nil, 413, "invalid_request"},
		"compressed":                   {form("client_id", "okta-job", "client_secret", secret1), []func(*http.Request){func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }}, 400, "invalid_request"},
		"a header that is too long":    {form(), []func(*http.Request){basicAuth("okta-job", strings.Repeat("x", maxHeader))}, 401, "invalid_client"},
		"JSON":                         {form("client_id", "okta-job", "client_secret", secret1), []func(*http.Request){func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }}, 400, "invalid_request"},
		"GET":                          {form("client_id", "okta-job", "client_secret", secret1), []func(*http.Request){func(r *http.Request) { r.Method = "GET" }}, 405, "invalid_request"},
	} {
		w.why = nil
		a := post(t, w.Issuer, c.form, c.change...)
		if a.Status != c.status || a.Error != c.code || a.Token != "" || (a.Header.Get("Allow") == "POST") != (a.Status == 405) {
			t.Errorf("%s: %+v", name, a)
		}
		if told := len(w.why) == 1; told != (c.status == 401) {
			t.Errorf("%s: the operator sees %q", name, w.why)
		}
	}
	if a := send(t, w.Issuer, "grant_type=client_credentials&client_id=%zz"); a.Status != 400 {
		t.Errorf("half an escape: %+v", a)
	}
}

// TestIssuedTokens: an issued token expires, has one audience, and needs a configured client.
func TestIssuedTokens(t *testing.T) {
	w := newWorld(t)
	a := post(t, w.Issuer, form("client_id", "okta-job", "client_secret", secret1))
	signer, err := w.Keys.signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sign := func(method jwt.SigningMethod, key any, header map[string]any, change func(jwt.MapClaims)) string {
		c := jwt.MapClaims{"iss": public, "aud": public, "sub": "okta-job", "client_id": "okta-job", "idp": "okta", "exp": now.Add(time.Hour).Unix()}
		if change != nil {
			change(c)
		}
		h := map[string]any{"kid": signer.ID, "typ": "at+jwt"}
		for k, v := range header {
			h[k] = v
		}
		return token(t, method, key, c, h)
	}
	if who, err := ask(w.Verifier(), sign(jwt.SigningMethodEdDSA, signer.private, nil, nil)); err != nil || who.IdP != "okta" {
		t.Fatalf("%+v %v", who, err)
	}
	stranger, err := newKey(nil, now)
	if err != nil {
		t.Fatal(err)
	}
	seed := signer.Seed
	for name, bad := range map[string]string{
		"another key":           sign(jwt.SigningMethodEdDSA, stranger.private, nil, nil),
		"an unknown key":        sign(jwt.SigningMethodEdDSA, signer.private, map[string]any{"kid": stranger.ID}, nil),
		"the key as a secret":   sign(jwt.SigningMethodHS256, []byte(signer.private[32:]), nil, nil),
		"the seed as a secret":  sign(jwt.SigningMethodHS256, seed, nil, nil),
		"another type":          sign(jwt.SigningMethodEdDSA, signer.private, map[string]any{"typ": "JWT"}, nil),
		"another provider":      sign(jwt.SigningMethodEdDSA, signer.private, nil, func(c jwt.MapClaims) { c["idp"] = "entra" }),
		"a removed client":      sign(jwt.SigningMethodEdDSA, signer.private, nil, func(c jwt.MapClaims) { c["sub"], c["client_id"] = "gone", "gone" }),
		"another client's name": sign(jwt.SigningMethodEdDSA, signer.private, nil, func(c jwt.MapClaims) { c["client_id"] = "entra-job" }),
		"another subject":       sign(jwt.SigningMethodEdDSA, signer.private, nil, func(c jwt.MapClaims) { c["sub"] = "entra-job" }),
		"another audience":      sign(jwt.SigningMethodEdDSA, signer.private, nil, func(c jwt.MapClaims) { c["aud"] = public + "/" }),
		"another issuer":        sign(jwt.SigningMethodEdDSA, signer.private, nil, func(c jwt.MapClaims) { c["iss"] = "https://other.example" }),
		"no end":                sign(jwt.SigningMethodEdDSA, signer.private, nil, func(c jwt.MapClaims) { delete(c, "exp") }),
	} {
		if who, err := ask(w.Verifier(), bad); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	again := post(t, w.Issuer, form("client_id", "okta-job", "client_secret", secret1))
	if again.Token == a.Token {
		t.Error("the same token twice")
	}
	w.set(now.Add(time.Hour + leeway + time.Second))
	if _, err := a.who(t, w.Issuer); !errors.Is(err, ErrUnknown) {
		t.Errorf("after its end: %v", err)
	}
}
