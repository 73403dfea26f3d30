package bridge_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/virustotal"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/scim/config"
)

func TestKinds(t *testing.T) {
	const text = `
server: {listen: 127.0.0.1:0}
console: {listen: 127.0.0.1:0}
store: {path: DIR/scimbridge.db}
identity_providers: {entra: {tokens: [` + entraToken + `]}}
backends: {third: {kind: third, url: simulated, mode: sync, rate_limit: 1000/s, batch: {size: 5, wait: 10ms}}}
mappings: [{group: Staff, backend: third, target: acme, roles: [USER_ROLE_PRIVATE_SCANNING]}]
`
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(text, "DIR", t.TempDir(), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("an unknown kind is an error", func(t *testing.T) {
		_, _, err := config.Load(path, bridge.Kinds())
		if err == nil || !strings.Contains(err.Error(), `backends.third.kind: "third" is not one of riskcloud, virustotal`) {
			t.Errorf("loaded: %v", err)
		}
		c := config.Default()
		c.Kinds, c.Backends = bridge.Kinds(), map[string]*config.Backend{"x": {Kind: "third", RateLimit: "1/s"}}
		if _, err := bridge.Connect(c, "x"); err == nil || !strings.Contains(err.Error(), `"third" is not a kind of vendor`) {
			t.Errorf("made a client: %v", err)
		}
	})
	t.Run("a third kind is an entry of the map", func(t *testing.T) {
		kinds := bridge.Kinds()
		kinds["third"] = backend.Kind{Name: "third", Title: "Third", Traits: virustotal.Kind().Traits, Credentials: [][]string{{"token"}},
			Simulate: virustotal.Kind().Simulate, New: func(s backend.Settings) (backend.Backend, error) {
				return virustotal.New(virustotal.Config{Caller: s.Caller, APIKey: s.Secrets["token"]})
			}}
		c, warnings, err := config.Load(path, kinds)
		if err != nil || len(warnings) != 2 { // about the token in the file and the simulated vendor
			t.Fatal(warnings, err)
		}
		s := &setup{t: t, path: path, bridge: &bridge.Bridge{Config: c, Log: canary.Log(t), Path: path}}
		if err := s.bridge.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.scim, s.console, s.running = s.bridge.URL(), s.bridge.ConsoleURL(), true
		t.Cleanup(s.stop)
		s.group("Staff", s.user("ada@example.com"))
		s.until("the role", func() bool {
			return strings.Join(s.bridge.SimulatedRoles("ada@example.com"), ", ") == "third acme USER_ROLE_PRIVATE_SCANNING"
		})
	})
}
