package backend_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/backend"
)

// A secret is hidden in every form of printing, at any depth.
func TestSecretIsHidden(t *testing.T) {
	const value = "canary-in-the-coal-mine"
	s := backend.NewSecret(value)
	type outer struct {
		Shown  backend.Secret
		inner  backend.Secret // fmt reads it past its methods
		Key    map[backend.Secret]int
		Header map[string]backend.Secret
		Any    any
		Point  *backend.Secret
	}
	o := outer{s, s, map[backend.Secret]int{s: 1}, map[string]backend.Secret{"x-apikey": s}, s, &s}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%10.3s"} {
		for _, what := range []any{s, &s, o, &o, []backend.Secret{s}, [1]backend.Secret{s}, o.inner} {
			shown = append(shown, fmt.Sprintf(verb, what))
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s); got != strings.TrimSpace(strings.Repeat("<secret> ", 5)) {
		t.Errorf("fmt: %s", got)
	}
	asJSON, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(map[string]any{"a": s, "b": []backend.Secret{s}, "c": map[string]backend.Secret{"k": s}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).With("with", s).Info("said", "secret", s, "pointer", &s, "struct", o, "group", slog.GroupValue(slog.Any("in", s)), "error", fmt.Errorf("with %v", s))
	}
	shown = append(shown, string(asJSON), string(asYAML), log.String())
	for _, text := range shown {
		if strings.Contains(strings.ToLower(text), value) || strings.Contains(text, fmt.Sprintf("%x", value)) || strings.Contains(text, fmt.Sprintf("%X", value)) {
			t.Errorf("shows: %s", text)
		}
	}
	for _, text := range shown[len(shown)-3:] {
		if !strings.Contains(strings.ReplaceAll(text, `\u003c`, "<"), "<secret") {
			t.Errorf("shows no sign of the secret: %s", text)
		}
	}
	if s.Reveal() != value || s.IsZero() || !(backend.Secret{}).IsZero() || !backend.NewSecret("").IsZero() || (backend.Secret{}).Reveal() != "" {
		t.Error("the secret is not kept as it was")
	}
}
