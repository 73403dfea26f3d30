// Package backendtest is the contract of every backend: the treatment of each status of a vendor, and
// errors without secrets. It does not own the form of a vendor's answers; each client brings a Harness.
package backendtest

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// Secret is the value of every credential of the harness; it must appear in no error.
const Secret = "canary-SECRET-credential"

// Harness makes a client of the vendor at url. Prepare answers calls other than the one under test, and
// reports whether it did.
type Harness struct {
	New     func(t *testing.T, url string) backend.Backend
	Prepare func(w http.ResponseWriter, r *http.Request) bool
}

// Run checks a client against the contract.
func Run(t *testing.T, h Harness) {
	t.Run("every status", func(t *testing.T) { everyStatus(t, h) })
	t.Run("every status of a read", func(t *testing.T) { everyRead(t, h) })
	t.Run("retry after", func(t *testing.T) { retryAfter(t, h) })
	t.Run("a success that is none", func(t *testing.T) { noSuccess(t, h) })
	t.Run("no redirect is followed", func(t *testing.T) { redirect(t, h) })
	t.Run("no connection", func(t *testing.T) { noConnection(t, h) })
}

// apply makes a change at a vendor with this answer.
func apply(t *testing.T, h Harness, answer http.HandlerFunc) *backend.Error {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.Prepare(w, r) {
			answer(w, r)
		}
	}))
	defer srv.Close()
	return change(t, h.New(t, srv.URL))
}

func change(t *testing.T, b backend.Backend) *backend.Error {
	t.Helper()
	_, err := b.Apply(t.Context(), backend.Delta{Target: "t1", Changes: []backend.Change{
		{Account: backend.Account{ID: "a1", Key: "a@example.com", Status: "Active"}, Op: backend.Add, Roles: []string{"USER_ROLE_X"}}}})
	if err == nil {
		return nil
	}
	var e *backend.Error
	if !errors.As(err, &e) {
		t.Fatalf("not a *backend.Error: %v", err)
	}
	for _, hidden := range []string{Secret, "SECRET", "a@example.com"} {
		if strings.Contains(e.Error(), hidden) || strings.Contains(fmt.Sprintf("%+v", *e), hidden) {
			t.Errorf("the error shows %q: %v", hidden, e)
		}
	}
	return e
}

func everyStatus(t *testing.T, h Harness) {
	for status := 300; status < 600; status++ {
		e := apply(t, h, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":{"code":"Some<Error>","message":"SECRET-message"}}`)) // the client reports it
		})
		want := backend.Transient
		switch {
		case status == 401, status == 403:
			want = backend.Unauthorized
		case status == 429:
			want = backend.Throttled
		case status == 408, status == 424, status == 425:
		case status >= 400 && status < 500:
			want = backend.Rejected
		}
		if e == nil || e.Kind != want || e.Unsent {
			t.Errorf("status %d gives %+v, want %v, maybe applied", status, e, want)
		}
	}
}

// everyRead checks reads: a read rejects no account, and a target is missing only if the read named it.
func everyRead(t *testing.T, h Harness) {
	for status := 300; status < 600; status++ {
		named := false
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet && h.Prepare(w, r) {
				return
			}
			named = strings.Contains(r.URL.Path, "/t1/")
			w.WriteHeader(status)
		}))
		b := h.New(t, srv.URL)
		_, resolving := b.Resolve(t.Context(), "t1", []string{"a@example.com"})
		_, observing := b.Observe(t.Context(), "t1")
		changing := error(change(t, b))
		if named { // no read came before the change
			changing = resolving
		}
		srv.Close()
		want := backend.Transient
		switch {
		case status == 401, status == 403:
			want = backend.Unauthorized
		case status == 429:
			want = backend.Throttled
		case status == 404 && named:
			want = backend.Missing
		}
		for what, err := range map[string]error{"resolving": resolving, "observing": observing, "reading before a change": changing} {
			var e *backend.Error
			if !errors.As(err, &e) || e.Kind != want || e.Status != status {
				t.Errorf("%s, status %d: %v, want %v", what, status, err, want)
			}
		}
	}
}

func retryAfter(t *testing.T, h Harness) {
	date := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	for value, want := range map[string]time.Time{"3600": date, date.Format(http.TimeFormat): date, "soon": {}, "-5": {}} {
		e := apply(t, h, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		if e == nil || e.Kind != backend.Throttled {
			t.Fatalf("429 gives %v", e)
		}
		if d := e.Until.Sub(want); want.IsZero() != e.Until.IsZero() || d.Abs() > time.Minute {
			t.Errorf("Retry-After %q is until %v, want about %v", value, e.Until, want)
		}
	}
}

func noSuccess(t *testing.T, h Harness) {
	for name, body := range map[string]string{"HTML": "<html>SECRET</html>", "a list": "[]", "broken": `{"id":`, "an error": `{"error":{"code":"X"}}`, "large": `{"x":"` + strings.Repeat("x", 5<<20) + `"}`} {
		e := apply(t, h, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(body)) // the client reports it
		})
		if e == nil || e.Kind != backend.Transient || e.Unsent {
			t.Errorf("200 with %s gives %v, want doubt", name, e)
		}
	}
}

func redirect(t *testing.T, h Harness) {
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer other.Close()
	e := apply(t, h, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	if e == nil || reached {
		t.Errorf("a redirect was followed, or taken for a success: %v", e)
	}
}

func noConnection(t *testing.T, h Harness) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close()
	if e := change(t, h.New(t, url)); e == nil || e.Kind != backend.Transient || !e.Unsent {
		t.Errorf("no connection gives %+v, want transient and unsent", e)
	}
}
