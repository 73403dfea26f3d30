package scim_test

import (
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// sender sends a request to a server.
type sender func(ctx context.Context, token, method, path string, body io.Reader) *httptest.ResponseRecorder

// within runs a test of a server in a bubble, whose clock stands still while anything is done. wrap
// changes the store; nil: it is as it is.
func within(t *testing.T, srv scim.Server, wrap func(store.Store) store.Store, test func(*testing.T, store.Store, sender)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scim.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := bolt.Open(path, bolt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		srv.Store = s
		if wrap != nil {
			srv.Store = wrap(s)
		}
		srv.Auth = auth.Verifier{Credentials: []auth.Credential{
			{IdP: "acme", Hash: sha256.Sum256([]byte(acmeToken))}, {IdP: "other", Hash: sha256.Sum256([]byte(otherToken))}}}
		h := srv.Handler()
		test(t, s, func(ctx context.Context, token, method, path string, body io.Reader) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(ctx, method, "/scim/v2"+path, body)
			r.Header.Set("Authorization", "Bearer "+token)
			if body != nil {
				r.Header.Set("Content-Type", "application/scim+json")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// groupOf is the body of a group of so many bytes.
func groupOf(name string, size int) string {
	head, tail := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`+name+`","members":[`, `{"value":"last"}]}`
	member := `{"value":"a0a0a0a0-0000-4000-8000-000000000001"},`
	return head + strings.Repeat(member, (size-len(head)-len(tail))/len(member)) + tail
}

func TestBodyMemory(t *testing.T) {
	within(t, scim.Server{BodyMemory: 64 << 20}, nil, func(t *testing.T, _ store.Store, send sender) {
		// An upload that does not end, and whose length is not known, holds all of what its
		// provider has.
		body, upload := io.Pipe()
		answered := make(chan int)
		go func() { answered <- send(t.Context(), acmeToken, "POST", "/Groups", body).Code }()
		if _, err := io.WriteString(upload, groupOf("slow", 2<<20)[:100<<10]); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		begun := time.Now()
		got := send(t.Context(), acmeToken, "POST", "/Groups", strings.NewReader(groupOf("big", 2<<20)))
		if waited := time.Since(begun); got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") != "10" || waited != 10*time.Second {
			t.Errorf("one more large body: %d, Retry-After %q after %s: %s", got.Code, got.Header().Get("Retry-After"), waited, got.Body)
		}
		if got := send(t.Context(), acmeToken, "POST", "/Groups", strings.NewReader(groupOf("small", 32<<10))); got.Code != http.StatusCreated {
			t.Errorf("a small body: %d %s", got.Code, got.Body)
		}
		if got := send(t.Context(), otherToken, "POST", "/Groups", strings.NewReader(groupOf("big", 2<<20))); got.Code != http.StatusCreated {
			t.Errorf("a large body of another identity provider: %d", got.Code)
		}
		_ = upload.CloseWithError(io.ErrUnexpectedEOF)
		if code := <-answered; code != http.StatusBadRequest {
			t.Errorf("an upload that ends early: %d", code)
		}
		if got := send(t.Context(), acmeToken, "POST", "/Groups", strings.NewReader(groupOf("big", 2<<20))); got.Code != http.StatusCreated {
			t.Errorf("when there is room again: %d", got.Code)
		}
		if got := send(t.Context(), acmeToken, "GET", "/Groups?filter=displayName%20eq%20%22big%22", nil); strings.Count(got.Body.String(), `"displayName":"big"`) != 1 {
			t.Errorf("what was turned away is stored: %.200s", got.Body)
		}
	})
}
