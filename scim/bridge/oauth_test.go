package bridge_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/store"
)

const (
	tenantID = "ce5f061f-abe6-4e40-9615-301f87bcb7f0"
	appID    = "b5ba7a93-4452-4522-aeb4-a2b5da870c16"
	objectID = "d2f8ee76-c549-45b8-a143-f5b640669704"
	hashed   = "bf178c068e486db30b287d3b99a875cdeff27f1b74661e096c85aed161f9fa3d" // of trusted-token-of-the-tests
)

// signer signs assertions with its own key set.
type signer struct {
	*httptest.Server
	key *rsa.PrivateKey
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	s := &signer{key: key, Server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{"kty": "RSA", "use": "sig", "kid": "k", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}}}) // the client may be gone
	}))}
	t.Cleanup(s.Close)
	return s
}

func (s *signer) sign(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	j := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	j.Header["kid"] = "k"
	signed, err := j.SignedString(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// withOAuth configures two clients of the token endpoint: one with secrets, one by federation.
func withOAuth(t *testing.T, by *signer) *setup {
	t.Helper()
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.edit("server: {listen: 127.0.0.1:0}", "server: {listen: 127.0.0.1:0, public_url: 'https://scim.example.com/scim/v2/'}")
	s.edit("  okta: {", "  federated: {oauth: {lifetime: 2h, clients: [{id: wif, federation: {tenant: "+tenantID+", app_id: "+appID+", subject: "+objectID+", jwks_url: '"+by.URL+"'}}]}}\n"+
		"  secretive: {oauth: {clients: [{id: job, secrets: ['sha256:"+hashed+"', {value: another-secret-of-the-tests, expires: 2099-01-31}]}]}}\n  okta: {")
	return s
}

type issued struct {
	Token   string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Error   string
}

func (s *setup) askToken(form string) (int, issued) {
	s.t.Helper()
	res, err := http.Post(strings.TrimSuffix(s.scim, "/scim/v2")+"/oauth/token", "application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var i issued
	if err := json.Unmarshal(body, &i); err != nil {
		s.t.Fatalf("%d %s", res.StatusCode, body)
	}
	return res.StatusCode, i
}

// TestFederation is request E46 and what follows: Entra presents an assertion of its tenant, gets a token
// and provisions with it, also after a restart and at another process.
func TestFederation(t *testing.T) {
	by := newSigner(t)
	s := withOAuth(t, by)
	s.start()
	form := func(change func(jwt.MapClaims)) string {
		at := time.Now()
		claims := jwt.MapClaims{"aud": "api://" + appID, "iss": "https://login.microsoftonline.com/" + tenantID + "/v2.0", "iat": at.Unix(), "nbf": at.Unix(), "exp": at.Add(65 * time.Minute).Unix(),
			"appid": appID, "appidacr": "2", "oid": objectID, "sub": objectID, "tid": tenantID, "ver": "2.0"}
		if change != nil {
			change(claims)
		}
		return url.Values{"grant_type": {"client_credentials"}, "client_id": {"wif"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion": {by.sign(t, claims)}, "scope": {"scim"}}.Encode()
	}
	status, got := s.askToken(form(nil))
	if status != 200 || got.Type != "Bearer" || got.Expires != 7200 {
		t.Fatalf("%d %+v", status, got)
	}
	if status, body := s.send(got.Token, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com"}`); status != 201 {
		t.Errorf("%d %s", status, body)
	}
	for name, bad := range map[string]func(jwt.MapClaims){"tenant": func(c jwt.MapClaims) { c["tid"] = appID }, "subject": func(c jwt.MapClaims) { c["sub"] = appID }, "application": func(c jwt.MapClaims) { c["appid"] = objectID }} {
		if status, got := s.askToken(form(bad)); status != 401 || got.Error != "invalid_client" {
			t.Errorf("another %s: %d %+v", name, status, got)
		}
	}
	if status, _ := s.send(by.sign(t, jwt.MapClaims{"aud": "api://" + appID, "iss": "https://login.microsoftonline.com/" + tenantID + "/v2.0", "exp": time.Now().Add(time.Hour).Unix(), "appid": appID, "sub": objectID, "tid": tenantID}), "GET", "/Users", ""); status != 401 {
		t.Errorf("an assertion is no token: %d", status)
	}
	if status, second := s.askToken("grant_type=client_credentials&client_id=job&client_secret=another-secret-of-the-tests"); status != 200 || second.Expires != 3600 {
		t.Errorf("%d %+v", status, second)
	} else if status, body := s.send(second.Token, "GET", "/Users", ""); status != 200 || strings.Contains(string(body), "ada@") {
		t.Errorf("another provider's users: %d %s", status, body)
	}
	s.stop()
	s.start()
	if status, body := s.send(got.Token, "GET", "/Users", ""); status != 200 || !strings.Contains(string(body), "ada@") {
		t.Errorf("after a restart: %d %s", status, body)
	}
	s.stop()
	s.edit("{id: wif,", "{id: wif2,")
	s.start()
	if status, _ := s.send(got.Token, "GET", "/Users", ""); status != 401 {
		t.Errorf("the token of a removed client: %d", status)
	}
}

// Without a client there is no token endpoint: its path is answered like every other path.
func TestTokenEndpointAbsent(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.start()
	root := strings.TrimSuffix(s.scim, "/scim/v2")
	for _, path := range []string{"/oauth/token", "/oauth/token/", "//oauth/token"} {
		res, err := http.Post(root+path, "application/x-www-form-urlencoded", strings.NewReader("grant_type=client_credentials"))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 401 || res.Header.Get("Content-Type") != "application/scim+json" {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
}

// Other spellings of the path do not reach the token endpoint, nor anything else without a credential.
func TestTokenEndpointPaths(t *testing.T) {
	s := withOAuth(t, newSigner(t))
	s.start()
	root := strings.TrimSuffix(s.scim, "/scim/v2")
	for _, path := range []string{"/oauth/token/", "//oauth/token", "/oauth%2Ftoken", "/%6fauth/token", "/OAuth/token", "/scim/v2/oauth/token", "/oauth/token/../../scim/v2/Users", "/oauth/token/scim/v2/Users", "/oauth"} {
		req, err := http.NewRequest("POST", root+"/", strings.NewReader("grant_type=client_credentials&client_id=job&client_secret=another-secret-of-the-tests"))
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = path
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 401 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// kept returns the keys that sign our tokens, as the store has them.
func (s *setup) kept() []byte {
	s.t.Helper()
	var kept []byte
	if err := s.bridge.Store().View(context.Background(), func(tx store.Tx) error { kept = tx.Setting(bridge.SigningKeys); return nil }); err != nil {
		s.t.Fatal(err)
	}
	return kept
}

// seed returns the only one of these keys.
func (s *setup) seed() string {
	s.t.Helper()
	var keys []struct{ Seed string }
	if err := json.Unmarshal(s.kept(), &keys); err != nil || len(keys) != 1 || len(keys[0].Seed) != 44 {
		s.t.Fatalf("%d keys, %v", len(keys), err)
	}
	return keys[0].Seed
}

// Copies do not hold the keys, and a restored store has new ones: a copy signs nothing.
func TestSigningKeys(t *testing.T) {
	s := withOAuth(t, newSigner(t))
	s.fixConsole()
	s.start()
	seed := s.seed()
	_, got := s.askToken("grant_type=client_credentials&client_id=job&client_secret=another-secret-of-the-tests")
	dir := t.TempDir()
	export, copied := filepath.Join(dir, "all.jsonl"), filepath.Join(dir, "copy.db")
	for _, args := range [][]string{{"export", export}, {"backup", copied}} {
		if code, out := s.command(args...); code != 0 {
			t.Fatalf("%d %s", code, out)
		} else if !strings.Contains(out, "keys that sign") {
			t.Errorf("%s does not say what is left out: %s", args[0], out)
		}
	}
	for _, file := range []string{export, copied} {
		raw, err := os.ReadFile(file)
		if err != nil || file == export && bytes.Contains(raw, []byte("signing-keys")) || bytes.Contains(raw, []byte(seed)) {
			t.Errorf("%s has the keys (%v)", file, err)
		}
	}
	for _, back := range [][]string{{"restore", copied}, {"import", export}, nil} {
		s.stop()
		old, err := filepath.Glob(filepath.Join(filepath.Dir(s.path), "scimbridge.db"))
		if err != nil || len(old) != 1 {
			t.Fatalf("%v %v", old, err)
		}
		if err := os.Remove(old[0]); err != nil {
			t.Fatal(err)
		}
		if back == nil { // the backup, by hand
			if err := os.Rename(copied, old[0]); err != nil {
				t.Fatal(err)
			}
		} else if code, out := s.command(back...); code != 0 {
			t.Fatalf("%d %s", code, out)
		}
		s.start()
		if s.seed() == seed {
			t.Errorf("%s: the keys are those of the copy", back)
		}
		if status, _ := s.send(got.Token, "GET", "/Users", ""); status != 401 {
			t.Errorf("%s: a token from before: %d", back, status)
		}
		if status, got := s.askToken("grant_type=client_credentials&client_id=job&client_secret=trusted-token-of-the-tests"); status != 200 || got.Token == "" {
			t.Errorf("%s: %d %+v", back, status, got)
		}
	}
}
