package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// patient is a recorder without deadlines, as a connection may be.
type patient struct{ *httptest.ResponseRecorder }

func (patient) SetWriteDeadline(time.Time) error { return nil }

// FuzzOperator sends any request to the operator API. Without the key nothing happens, and every
// answer is JSON: the result or a clear refusal.
func FuzzOperator(f *testing.F) {
	for _, path := range []string{"/api/status", "/api/holds", "/api/holds/vt-7/approve", "/api/holds/%2e%2e/reject", "/api/plan", "/api/reload", "/api/explain?user=ada&role=x", "/api/explain?user=%00&role=%ff",
		"/api/resume", "/api/resync?backend=vt", "/api/retry", "/api//status", "/api/nonsense", "/api/../api/status"} {
		for _, method := range []string{"GET", "POST", "DELETE", "get", "X-Y"} {
			f.Add(method, path, "mappings: []", true)
		}
		f.Add("POST", path, strings.Repeat("x", maxProposal+1), false)
	}
	s, err := bolt.Open(filepath.Join(f.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	vt := &engine{state: "ok", hold: "vt-7"}
	const key = "key-of-the-operator"
	proposed := 0
	c := &Console{Store: s, Metrics: NewMetrics(s, []string{"vt"}), Key: backend.NewSecret(key), Backends: []Backend{{Name: "vt", Kind: "virustotal", Mode: func() string { return "sync" }, Engine: vt}},
		Plan: func(_ context.Context, asked PlanRequest) ([]desk.Preview, error) {
			file := asked.Proposed
			if proposed = len(file); proposed%2 == 1 {
				return nil, errors.New("a mistake")
			}
			return []desk.Preview{}, nil
		},
		Reload: func(context.Context, ReloadRequest) (Reloaded, error) { return Reloaded{}, nil },
		Resume: func(context.Context, Decision) (bool, error) { vt.asked = append(vt.asked, "resume"); return true, nil },
	}
	handler := c.Handler()
	f.Fuzz(func(t *testing.T, method, path, body string, known bool) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || !strings.HasPrefix(u.Path, "/api/") || strings.HasPrefix(u.Path, "/api/backup") || strings.HasPrefix(u.Path, "/api/export") || u.Path == "/api/audit" {
			return // not for the operator API, or a stream
		}
		r := httptest.NewRequest("GET", "/api/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, path
		if known {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		vt.asked, proposed = nil, 0
		w := httptest.NewRecorder()
		handler.ServeHTTP(patient{w}, r)
		text := w.Body.String()
		switch {
		case w.Code >= 500, w.Code < 200:
			t.Errorf("%s %q: %d %s", method, path, w.Code, text)
		case !known && (w.Code < 300 || len(vt.asked) > 0 || proposed > 0):
			t.Errorf("%s %q without the key: %d %v", method, path, w.Code, vt.asked)
		case proposed > maxProposal:
			t.Errorf("a file of %d bytes was taken", proposed)
		case w.Code < 300 && !json.Valid([]byte(text)):
			t.Errorf("%s %q: %q", method, path, text)
		case method == http.MethodGet && len(vt.asked) > 0:
			t.Errorf("GET %q has done %v", path, vt.asked)
		}
	})
}
