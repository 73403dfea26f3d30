package scim_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// TestPanicLeaksNothing: a panic ends one request with 500, and its value stays out of the log,
// because it may be personal data.
func TestPanicLeaksNothing(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "scim.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var what any
	var log bytes.Buffer
	h := (&scim.Server{Store: s, PublicURL: "https://scim.example.com/scim/v2", Log: slog.New(slog.NewJSONHandler(&log, nil)),
		Auth:  auth.Verifier{Credentials: []auth.Credential{{IdP: "acme", Hash: sha256.Sum256([]byte(acmeToken))}}},
		Rules: testRules{targets: func(store.Group) []mapping.Target { panic(what) }}}).Handler()
	for _, what = range []any{"canary ada@example.com", fmt.Errorf("canary: %s", "ada@example.com"), struct{ Name string }{"canary ada@example.com"}} {
		r := httptest.NewRequest("POST", "/scim/v2/Groups", strings.NewReader(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins","members":[{"value":"x"}]}`))
		r.Header.Set("Authorization", "Bearer "+acmeToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"500"`) {
			t.Errorf("%T: %d %s", what, w.Code, w.Body)
		}
		canary.Clean(t, "the answer", w.Body.String())
	}
	canary.Clean(t, "the log", log.String())
	if !strings.Contains(log.String(), `"panic":"a string"`) || !strings.Contains(log.String(), "panic_test.go") {
		t.Errorf("the log does not say where: %s", log.String())
	}
}
