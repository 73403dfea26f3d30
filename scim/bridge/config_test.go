package bridge_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	vtsimulator "github.com/scimbridge/scimbridge/backend/virustotal/simulator"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
)

// TestExampleStarts starts config.example.yaml with other addresses and another store, and calls it with
// the token that it names.
func TestExampleStarts(t *testing.T) {
	raw, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:0", "127.0.0.1:8081", "127.0.0.1:0",
		"data/scimbridge.db", filepath.Join(t.TempDir(), "data", "scimbridge.db"), "wait: 1s", "wait: 10ms").Replace(string(raw))
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := config.Load(path, bridge.Kinds())
	if err != nil || len(warnings) != 3 || !strings.Contains(strings.Join(warnings, "\n"), "is the published example token") {
		t.Fatalf("%v %v", warnings, err) // besides two simulated vendors
	}
	b := &bridge.Bridge{Config: c, Log: slog.New(slog.DiscardHandler)}
	if err := b.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	}()
	s := &setup{t: t, bridge: b, scim: b.URL(), console: b.ConsoleURL()}
	const token = "example-token-for-trying-out-only"
	if !strings.Contains(string(raw), token) {
		t.Error("the file does not name its token")
	}
	for path, body := range map[string]string{
		"/Users":  `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada@example.com"}`,
		"/Groups": `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"vt admins"}`,
	} {
		if status, answer := s.send(token, "POST", path, body); status != 201 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if n := s.metric(`scimbridge_pending_changes{backend="virustotal"}`); n == "absent" {
		t.Error("no metrics")
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics"} {
		res, err := http.Get(b.ConsoleURL() + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// Every user has an account at a simulated vendor, so that the example grants roles.
func TestAutoProvision(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 5, wait: 10ms}")
	raw, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	for i, l := range lines {
		if strings.Contains(l, "url: http") {
			before, rest, _ := strings.Cut(l, "url: http")
			_, after, _ := strings.Cut(rest, ",")
			lines[i] = before + "url: simulated," + after
		}
	}
	if err := os.WriteFile(s.path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.group("VT Admins", s.user("ada@example.com"))
	s.group("risk-approver", s.user("grace@example.com"))
	s.eventually("", nil)
	for person, want := range map[string]string{"ada@example.com": "vt acme USER_ROLE_GROUP_ADMIN", "grace@example.com": "rc approver"} {
		if got := strings.Join(s.bridge.SimulatedRoles(person), ", "); got != want {
			t.Errorf("%s has %q", person, got)
		}
	}
}

// No secret, no e-mail address and no vendor's answer is in the log of a run that succeeds and fails.
func TestSecretsInLog(t *testing.T) {
	var log bytes.Buffer
	s := newSetup(t, "strict", "batch: {size: 5, wait: 10ms}, retry: {initial: 10ms, max: 20ms}")
	s.person("ada@example.com")
	c, _, err := config.Load(s.path, bridge.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	s.bridge = &bridge.Bridge{Config: c, Log: slog.New(slog.NewJSONHandler(&log, nil))}
	if err := s.bridge.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.scim, s.console = s.bridge.URL(), s.bridge.ConsoleURL()
	s.vt.Fail(vtsimulator.Fault{Status: 503, HTML: true}, vtsimulator.Fault{Status: 429, RetryAfter: "0"}, vtsimulator.Fault{Status: 400, Code: "BadRequestError"})
	group := s.group("VT Admins", s.user("ada@example.com"), s.user("unknown@example.com"))
	s.eventually("", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	s.must(400, "PATCH", "/Groups/"+group, `{"Operations":[{"op":"add","path":"members","value":[{"value":{},"display":"ada@example.com"}]}]}`)
	if status, _ := s.send("wrong", "GET", "/Users?token="+oktaToken, ""); status != 401 {
		t.Errorf("a token in the address: %d", status)
	}
	s.stop()
	text := log.String()
	for _, secret := range []string{oktaToken, entraToken, "canary-key-of-the-tests", "SECRET", "example.com", "USER_ROLE_"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q:\n%s", secret, text)
		}
	}
	if !strings.Contains(text, `"request"`) || !strings.Contains(text, "backend call failed") {
		t.Errorf("the log has no lines of requests and calls:\n%s", text)
	}
}
