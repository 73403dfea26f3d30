package bridge_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	rcsimulator "github.com/scimbridge/scimbridge/backend/riskcloud/simulator"
	vtsimulator "github.com/scimbridge/scimbridge/backend/virustotal/simulator"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
)

// captured is a log for concurrent writers.
type captured struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *captured) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *captured) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// TestCanaries runs a bridge in which everything fails once, with a mark in every secret and in
// every answer of the vendors. No output holds a secret, and only what an operator asked for about
// users holds an address.
func TestCanaries(t *testing.T) {
	var log captured
	s := newSetup(t, "lenient", "batch: {size: 5, wait: 10ms}, retry: {initial: 10ms, max: 20ms}, on_deactivate: remove_roles")
	s.edit("max_removals: {count: 1000, percent: 100, window: 1h}", "max_removals: {count: 1, percent: 1, window: 1h}")
	s.edit("server: {listen: 127.0.0.1:0}", "server: {listen: 127.0.0.1:0, public_url: 'https://scim.example.com/scim/v2'}")
	s.edit("  okta: {", "  secretive: {oauth: {clients: [{id: job, secrets: [canary-secret-of-the-client]}]}}\n  okta: {")
	s.fixConsole()
	for _, p := range []string{"ada", "grace", "linus", "margaret"} {
		s.person(p + "@example.com")
	}
	c, warnings, err := config.Load(s.path, bridge.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	canary.Clean(t, "the warnings of the configuration", strings.Join(warnings, "\n"))
	s.bridge = &bridge.Bridge{Config: c, Log: slog.New(slog.NewJSONHandler(&log, nil)), Path: s.path}
	if err := s.bridge.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.scim, s.console, s.running = s.bridge.URL(), s.bridge.ConsoleURL(), true
	t.Cleanup(s.stop)

	// Keys of our own tokens are replaced, and a client is removed: free pages of the file hold old values.
	for _, form := range []string{"client_secret=canary-secret-of-the-client", "client_secret=canary-wrong", "client_assertion=canary.of.a-jwt"} {
		if status, _ := s.askToken("grant_type=client_credentials&client_id=job&" + form); status == 503 {
			t.Errorf("%s: %d", form, status)
		}
	}
	keys := []string{s.seed()}
	for n := range 3 {
		err := s.bridge.Store().Update(t.Context(), func(tx store.Tx) error {
			return errors.Join(tx.SetSetting(bridge.SigningKeys, nil), tx.SetSetting(store.Private+"another", fmt.Appendf(nil, "canary-%d", n)))
		})
		if err == nil {
			err = s.bridge.Keyring().Init(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, s.seed())
	}

	// Vendors fail in every way, with texts that no output may repeat.
	for _, f := range []vtsimulator.Fault{{Status: 503, HTML: true}, {Status: 500}, {Status: 429, RetryAfter: "0"}, {Status: 400, Code: "BadRequestError"}, {Status: 404, Code: "NotFoundError"}, {Status: 200, HTML: true}} {
		s.vt.Fail(f)
	}
	for _, f := range []rcsimulator.Fault{{Status: 503, HTML: true}, {Status: 500}, {Status: 400}, {Status: 200, HTML: true}} {
		s.rc.Fail(f)
	}
	ada, grace, linus := s.user("ada@example.com"), s.user("grace@example.com"), s.user("linus@example.com")
	unknown := s.user("unknown@example.com")
	admins := s.group("VT Admins", ada, grace, linus, unknown)
	s.group("risk-approver", ada, grace)
	s.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN, approver"})

	// Clients without a credential, with a wrong one, and with a good one and an unreadable body.
	for _, token := range []string{"canary-wrong", "canary.of.a-jwt", ""} {
		for _, path := range []string{"/Users?token=canary-in-the-address", "/Users?filter=userName+eq+%22ada@example.com%22", "/canary/ada@example.com", "/Users/ada@example.com"} {
			if status, _ := s.send(token, "GET", path, ""); status != 401 {
				t.Errorf("%s with %q: %d", path, token, status)
			}
		}
	}
	if status, _ := s.send("wrong", "CANARY", "/Users", ""); status != 401 {
		t.Errorf("a method that is none: %d", status)
	}
	for method, path := range map[string]string{
		"GET /Users?filter=userName+eq+ada@example.com+canary":                  "",
		"GET /Users?filter=password+eq+%22canary%22+and":                        "",
		"GET /Users?filter=emails%5Bnothing+eq+%22canary-ada@example.com%22%5D": "",
		"GET /Users?sortBy=ada@example.com":                                     "",
		"GET /Users?count=3&cursor=canary":                                      "",
		"GET /Users/ada@example.com":                                            "",
		"GET /canary/ada@example.com":                                           "",
		"POST /Users":                                                           `{"userName":"ada@example.com","password":"canary-password"}`,
		"POST /Users/":                                                          `{"userName":{"ada@example.com":"canary"}}`,
		"POST /Groups":                                                          `{"displayName":"ada@example.com","members":[{"value":["canary","ada@example.com"]}]}`,
		"POST /Groups/":                                                         `{"displayName":"x","displayname":"ada@example.com canary"`,
		"PUT /Users/" + ada:                                                     `{"userName":"grace@example.com","password":"canary"}`,
		"PATCH /Users/" + ada:                                                   `{"Operations":[{"op":"canary","path":"ada@example.com","value":"canary"}]}`,
		"PATCH /Groups/" + admins:                                               `{"Operations":[{"op":"remove","path":"members[value eq \"ada@example.com\" canary]"}]}`,
		"POST /Bulk":                                                            `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"canary","path":"/ada@example.com"}]`,
	} {
		verb, at, _ := strings.Cut(method, " ")
		if status, body := s.send(entraToken, verb, strings.TrimSuffix(at, "/"), path); status < 400 || status >= 500 {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}

	// A hold, drift, an inactive user, and an unreadable file.
	s.patch("/Groups/"+admins, `{"op":"remove","path":"members","value":[{"value":"`+ada+`"},{"value":"`+grace+`"},{"value":"`+linus+`"}]}`)
	s.patch("/Users/"+linus, `{"op":"replace","value":{"active":false}}`)
	s.vt.Grant("acme", s.vendorID["margaret@example.com"][0], "USER_ROLE_GROUP_ADMIN")
	s.rc.Grant("approver", s.vendorID["margaret@example.com"][1])
	for command, exit := range map[string]int{"resync": 0, "retry": 0, "status": 0, "status --json": 0, "hold list": 0, "plan": 0, "explain ada@example.com": 0, "explain unknown@example.com --json": 0, "explain other@example.com": 1,
		"reload": 0, "doctor": -1, "check": 0, "hold approve nothing": 1, "audit verify": 0} {
		code, out := s.command(strings.Fields(command)...)
		if exit >= 0 && code != exit {
			t.Errorf("%s: %d %s", command, code, out)
		}
		if found := canary.Secrets(out); len(found) > 0 {
			t.Errorf("%s shows a secret: %q", command, found)
		}
		if people := canary.People(out); len(people) > 0 && !strings.HasPrefix(command, "explain") && command != "hold list" && command != "plan" && command != "reload" {
			t.Errorf("%s shows other users: %q", command, people)
		}
	}
	for limit := time.Now().Add(patience); s.metric(`scimbridge_drift_total{backend="vt",kind="foreign"}`) == "0" && time.Now().Before(limit); {
		time.Sleep(10 * time.Millisecond) // until the resync has seen it
	}
	raw, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.NewReplacer("mode: sync", "mode: [ada@example.com], protect: canary-broken", "api_key: canary-key-of-the-tests", "api_key: [canary-key-of-the-tests]", "match: '", "match: '[canary ada@example.com").Replace(string(raw))
	if err := os.WriteFile(s.path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"check", "reload"} {
		code, out := s.command(command)
		if code != 1 {
			t.Errorf("%s of a broken file: %d", command, code)
		}
		canary.Clean(t, command+" of a broken file", out)
	}
	if err := os.WriteFile(s.path, raw, 0o600); err != nil {
		t.Fatal(err)
	}

	// Copies hold users and no secret.
	dir := t.TempDir()
	copies := map[string]string{}
	for _, command := range []string{"backup", "export", "audit export"} {
		args := strings.Fields(command)
		if command != "audit export" { // which is printed
			args = append(args, filepath.Join(dir, command))
		}
		code, out := s.command(args...)
		if code != 0 {
			t.Fatalf("%s: %d %s", command, code, out)
		}
		if copies[command] = out; command != "audit export" {
			data, err := os.ReadFile(filepath.Join(dir, command))
			if err != nil {
				t.Fatal(err)
			}
			copies[command] = string(data)
		}
	}
	for command, text := range copies {
		if found := canary.Secrets(text); len(found) > 0 {
			t.Errorf("%s holds a secret: %q", command, found)
		}
		for n, key := range keys {
			bits, err := base64.StdEncoding.DecodeString(key)
			if err != nil || len(bits) != ed25519.SeedSize {
				t.Fatalf("%d: no key, %v", n, err)
			}
			if strings.Contains(text, key) || strings.Contains(text, string(bits)) || strings.Contains(text, hex.EncodeToString(bits)) {
				t.Errorf("%s holds the %dth key that signs our tokens", command, n)
			}
		}
		if !strings.Contains(text, "ada@example.com") {
			t.Errorf("%s holds no users: it cannot show a leak", command)
		}
	}

	// Profiles show code, and no data.
	for _, p := range pprof.Profiles() {
		var b bytes.Buffer
		if err := p.WriteTo(&b, 2); err != nil {
			t.Fatal(err)
		}
		if text := strings.ReplaceAll(b.String(), "/canary", ""); len(canary.People(text)) > 0 {
			t.Errorf("the profile %s shows %q", p.Name(), canary.People(text))
		}
	}
	s.watch()
	key, err := os.ReadFile(c.Store.OperatorKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	text := log.String()
	canary.Clean(t, "the log", text)
	for _, kept := range []string{strings.TrimSpace(string(key)), "filter="} {
		if strings.Contains(text, kept) {
			t.Errorf("the log shows %q", kept)
		}
	}
	for _, line := range []string{"backend call failed", `"status":401`, `"method":"other"`, "has a role that no group gives"} {
		if !strings.Contains(text, line) {
			t.Errorf("the log does not have %q", line)
		}
	}
	var record map[string]any
	for line := range strings.Lines(text) {
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Errorf("a line that is no JSON: %s", line)
		}
	}
}
