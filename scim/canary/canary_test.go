package canary_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim/canary"
)

// TestSecretsAndPeople finds a canary in every form.
func TestSecretsAndPeople(t *testing.T) {
	const secret = "id:canary-key"
	for _, text := range []string{secret, "SECRET-token-1", strings.ToUpper(secret), hex.EncodeToString([]byte(secret)), url.QueryEscape(secret), fmt.Sprintf("%X", secret),
		"Basic " + base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte("x" + secret)), base64.RawURLEncoding.EncodeToString([]byte("xx" + secret + "y"))} {
		if len(canary.Secrets(text)) == 0 {
			t.Errorf("not found in %s", text)
		}
	}
	for _, text := range []string{"ada@example.com", "mailto:Ada+x@mail.example.org.", "filter=userName+eq+ada%40example.com", `{"a":"ada\u0040example.com"}`} {
		if len(canary.People(text)) == 0 {
			t.Errorf("no address is found in %s", text)
		}
	}
	for _, text := range []string{"", "github.com/gorilla/mux@v1.8.1/mux.go:210", "a @ b.com", "Y2FuYXI", "scimbridge_pending_changes{backend=\"vt\"} 0"} {
		if found := append(canary.Secrets(text), canary.People(text)...); len(found) > 0 {
			t.Errorf("%q is found in %s", found, text)
		}
	}
}

// failing notes what a test would have failed of.
type failing struct {
	testing.TB
	failures int
}

func (f *failing) Errorf(string, ...any) { f.failures++ }

func (f *failing) Helper() {}

func TestLog(t *testing.T) {
	for name, c := range map[string]struct {
		say      func(*slog.Logger)
		failures int
	}{
		"nothing":           {func(l *slog.Logger) { l.Error("fine", "error", errors.New("no such role")) }, 0},
		"a secret":          {func(l *slog.Logger) { l.Info("x", "header", "canary-1") }, 1},
		"a secret at debug": {func(l *slog.Logger) { l.Debug("canary") }, 1},
		"an address":        {func(l *slog.Logger) { l.Warn("x", "error", fmt.Errorf("no account: %s", "ada@example.com")) }, 1},
		"one at debug":      {func(l *slog.Logger) { l.Debug("ada@example.com") }, 0},
		"with it":           {func(l *slog.Logger) { l.With("who", "ada@example.com").WithGroup("g").Info("x", "a", 1) }, 1},
		"in a group":        {func(l *slog.Logger) { l.WithGroup("g").Info("x", slog.Group("h", "who", "ada@example.com")) }, 1},
	} {
		f := &failing{TB: t}
		c.say(canary.Log(f))
		if f.failures != c.failures {
			t.Errorf("%s: %d failures, want %d", name, f.failures, c.failures)
		}
	}
}
