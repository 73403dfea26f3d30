package console

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/scimbridge/scimbridge/backend"
)

// TestOtherOriginsAreRefused: a page of another origin cannot change anything through the
// operator's browser, even with the key.
func TestOtherOriginsAreRefused(t *testing.T) {
	const key = "the-key-of-the-operator-in-the-tests"
	c := &Console{Key: backend.NewSecret(key), Metrics: NewMetrics(nil, nil)}
	for name, header := range map[string]http.Header{"by its site": {"Sec-Fetch-Site": {"cross-site"}}, "by its origin": {"Origin": {"https://evil.example"}}, "none": {}} {
		r, rec := httptest.NewRequest("POST", "http://127.0.0.1:8081/api/nothing", nil), httptest.NewRecorder()
		for k, v := range header {
			r.Header[k] = v
		}
		r.Header.Set("Authorization", "Bearer "+key)
		c.Handler().ServeHTTP(rec, r)
		if refused := rec.Code == http.StatusForbidden; refused != (name != "none") {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
}
