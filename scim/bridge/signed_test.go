package bridge_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// An identity provider that signs its tokens can call only as itself.
func TestSignedTokens(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		b64 := base64.RawURLEncoding.EncodeToString
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{"kty": "RSA", "kid": "k", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}}) // the client may be gone
	}))
	defer keys.Close()
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.edit("  okta: {", "  signing: {jwt: {issuer: 'https://idp.example/', audience: scim, jwks_url: '"+keys.URL+"', claims: {tid: t1}}}\n  okta: {")
	s.start()
	sign := func(tenant string) string {
		j := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": "https://idp.example/", "aud": "scim", "sub": "job", "tid": tenant, "exp": time.Now().Add(time.Minute).Unix()})
		j.Header["kid"] = "k"
		signed, err := j.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	if status, body := s.send(sign("t1"), "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com"}`); status != 201 {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := s.send(sign("t2"), "GET", "/Users", ""); status != 401 {
		t.Errorf("another tenant: %d", status)
	}
	if status, body := s.send(oktaToken, "GET", "/Users", ""); status != 200 || !json.Valid(body) || string(body) == "" {
		t.Errorf("%d %s", status, body)
	}
	if status, header := s.challenge(); status != 401 || len(header) != 2 || !strings.HasPrefix(header[0], "Bearer ") || !strings.HasPrefix(header[1], "Basic ") {
		t.Errorf("without a credential: %d %q", status, header)
	}
	var list struct{ TotalResults int }
	if _, body := s.send(oktaToken, "GET", "/Users", ""); json.Unmarshal(body, &list) != nil || list.TotalResults != 0 {
		t.Errorf("okta sees %d users of another provider", list.TotalResults)
	}
}

// challenge returns the WWW-Authenticate header of an answer without a credential.
func (s *setup) challenge() (int, []string) {
	s.t.Helper()
	res, err := http.Get(s.scim + "/Users")
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode, res.Header.Values("WWW-Authenticate")
}
