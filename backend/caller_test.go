package backend_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// answered returns the error of a call with this answer.
func answered(t *testing.T, answer http.HandlerFunc) error {
	t.Helper()
	vendor := httptest.NewServer(answer)
	defer vendor.Close()
	c := &backend.Caller{URL: vendor.URL, Throttle: func(string, time.Time) time.Time { return time.Now().Add(5 * time.Hour) }}
	c.Init()
	_, err := c.Do(t.Context(), backend.Call{Operation: "change", Doing: "changing", Method: http.MethodPatch, Path: "/x", Changes: true})
	return err
}

// Only a status of a finished call is a success; one that promises a later effect, or a part, is none.
func TestStatusesOfASuccess(t *testing.T) {
	for status := 200; status < 300; status++ {
		err := answered(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		good := status == http.StatusOK || status == http.StatusCreated || status == http.StatusNoContent
		var e *backend.Error
		if good != (err == nil) || !good && (!errors.As(err, &e) || e.Kind != backend.Transient || e.Status != status || e.Unsent) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// The code of a refusal is a word: a sentence may name a user, and a text with digits may be a key.
func TestCodeIsAWord(t *testing.T) {
	for _, said := range []string{"user ada@example.com is unknown", "8f6f0fea1b", "not-a-word", strings.Repeat("a", 65)} {
		for _, body := range []string{`{"error":"` + said + `"}`, `{"error":{"code":"` + said + `","message":"m"}}`} {
			err := answered(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(body)) // the client reports it
			})
			var e *backend.Error
			if !errors.As(err, &e) || e.Code != "" {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}

// A Retry-After in the past is ignored, because clocks may differ. A daily quota lasts all the same.
func TestRetryAfterInThePast(t *testing.T) {
	err := answered(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	var e *backend.Error
	if !errors.As(err, &e) || time.Until(e.Until) < 4*time.Hour {
		t.Errorf("until %v: %v", e.Until, err)
	}
}

// Letters that only look alike are different: such an address belongs to another user.
func TestFold(t *testing.T) {
	for _, same := range [][2]string{{" Ada@Example.COM\t", "ada@example.com"}, {"ÄRGER@example.com", "ärger@example.com"}} {
		if backend.Fold(same[0]) != backend.Fold(same[1]) {
			t.Errorf("%q and %q differ", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"\u212Aate@example.com", "kate@example.com"}, {"\u0130van@example.com", "ivan@example.com"}} {
		if backend.Fold(other[0]) == backend.Fold(other[1]) {
			t.Errorf("%q and %q fold alike", other[0], other[1])
		}
	}
}
