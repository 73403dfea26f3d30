package scim_test

import (
	"context"
	"crypto/sha256"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// aboutStore records which resource the last Update was about.
type aboutStore struct {
	store.Store
	about string
}

func (s *aboutStore) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	s.about = store.IsAbout(ctx)
	return s.Store.Update(ctx, fn)
}

// TestUpdateNamesItsResource holds that a transaction names the resource that its request changes,
// for every method, so that concurrent changes of one can wait for each other. A request that
// creates a resource names none.
func TestUpdateNamesItsResource(t *testing.T) {
	b, err := bolt.Open(filepath.Join(t.TempDir(), "scim.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	s, id := &aboutStore{Store: b}, ""
	h := (&scim.Server{Store: s, PublicURL: "https://scim.example.com/scim/v2", Log: canary.Log(t), Now: time.Now, NewID: func() string { return id },
		Auth: auth.Verifier{Credentials: []auth.Credential{{IdP: "acme", Hash: sha256.Sum256([]byte(acmeToken))}}}}).Handler()
	about := func(method, path, body string) string {
		t.Helper()
		r := httptest.NewRequest(method, "/scim/v2"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+acmeToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 300 || strings.Contains(w.Body.String(), `"status":"4`) {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return s.about
	}
	const group = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"VT Admins"}`
	const patch = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"x"}]}]}`
	id = "one"
	if got := about("POST", "/Groups", group); got != "" {
		t.Errorf("a new group: about %q", got)
	}
	one := about("PATCH", "/Groups/one", patch)
	if one == "" {
		t.Error("a PATCH is about nothing")
	}
	if got := about("PUT", "/Groups/one", group); got != one {
		t.Errorf("a PUT: about %q, a PATCH %q", got, one)
	}
	bulk := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Groups/one","data":` + patch + `}]}`
	if got := about("POST", "/Bulk", bulk); got != one {
		t.Errorf("a PATCH in a bulk request: about %q, alone %q", got, one)
	}
	if got := about("DELETE", "/Groups/one", ""); got != one {
		t.Errorf("a DELETE: about %q, a PATCH %q", got, one)
	}
	id = "two"
	about("POST", "/Groups", strings.Replace(group, "VT Admins", "Others", 1))
	if got := about("PATCH", "/Groups/two", patch); got == one {
		t.Errorf("two groups: both about %q", got)
	}
}
