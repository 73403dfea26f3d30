package canary

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"regexp"
	"strings"
	"testing"
)

// Mark is part of every secret of the tests. said begins the texts of simulated vendors that must
// not be repeated.
const (
	Mark = "canary"
	said = "SECRET-"
)

// marked lists the forms in which a mark may show: as it is, and encoded at any offset.
var marked = func() []string {
	forms := []string{Mark, hex.EncodeToString([]byte(Mark))}
	for before := range 3 {
		text := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("-", before) + Mark + "--"))
		first, last := (before*4+2)/3, (before+len(Mark))*4/3 // only the characters that depend on the mark alone
		forms = append(forms, text[first:last])
	}
	return forms
}()

var address = regexp.MustCompile(`[\w.%+-]+(@|%40|\\u0040)[\w-]+(\.[\w-]+)*\.[A-Za-z]{2,}`)

// Secrets lists the places of a text at which a secret shows.
func Secrets(text string) (found []string) {
	if at := strings.Index(text, said); at >= 0 {
		found = append(found, around(text, at))
	}
	for i, form := range marked {
		at := strings.Index(text, form)
		if i < 2 { // a form that is not base64 counts in any letter case
			at = strings.Index(strings.ToLower(text), form)
		}
		if at >= 0 {
			found = append(found, around(text, at))
		}
	}
	return found
}

// People lists the places of a text at which an e-mail address shows.
func People(text string) (found []string) {
	for _, at := range address.FindAllStringIndex(text, 3) {
		found = append(found, around(text, at[0]))
	}
	return found
}

func around(text string, at int) string { return text[max(0, at-80):min(len(text), at+120)] }

// Clean fails a test if a text shows a secret or an e-mail address.
func Clean(t testing.TB, where, text string) {
	t.Helper()
	for _, found := range append(Secrets(text), People(text)...) {
		t.Errorf("%s shows a secret or an address: …%s…", where, found)
	}
}

// Log returns a log that fails the test for a record that shows a secret or, at info or above, an
// e-mail address.
func Log(t testing.TB) *slog.Logger {
	return slog.New(&handler{t: t})
}

// handler writes each record by itself.
type handler struct {
	t     testing.TB
	wraps []func(slog.Handler) slog.Handler
}

func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle checks a record as the server would write it.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var b bytes.Buffer
	var to slog.Handler = slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})
	for _, wrap := range h.wraps {
		to = wrap(to)
	}
	if err := to.Handle(ctx, r); err != nil {
		return err
	}
	found := Secrets(b.String())
	if r.Level >= slog.LevelInfo {
		found = append(found, People(b.String())...)
	}
	for _, f := range found {
		h.t.Errorf("the log shows a secret or an address: …%s…", f)
	}
	return nil
}

func (h *handler) with(wrap func(slog.Handler) slog.Handler) slog.Handler {
	return &handler{t: h.t, wraps: append(h.wraps[:len(h.wraps):len(h.wraps)], wrap)}
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return h.with(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}
