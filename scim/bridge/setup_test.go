package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rcsimulator "github.com/scimbridge/scimbridge/backend/riskcloud/simulator"
	vtsimulator "github.com/scimbridge/scimbridge/backend/virustotal/simulator"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
)

const (
	oktaToken  = "canary-okta-token-of-the-tests"
	entraToken = "canary-entra-token-of-the-tests"
)

// patience is how long a test waits for an event that must happen; it is no claim about speed.
const patience = 60 * time.Second

// setup is a bridge with two simulated vendors, all over HTTP, configured by a file.
type setup struct {
	t        *testing.T
	vt       *vtsimulator.Server
	rc       *rcsimulator.Server
	path     string // of the configuration
	bridge   *bridge.Bridge
	console  string
	scim     string
	vendorID map[string][2]string // e-mail -> account at each vendor
	running  bool
	given    store.Store   // one that several share; nil: its own
	skew     time.Duration // of the clock of a process
	ahead    atomic.Int64  // how far the clock of VirusTotal is: its reads lag by seconds
}

// newSetup starts the vendors in a profile and configures the bridge; extra goes into both backends.
func newSetup(t *testing.T, profile, extra string) *setup {
	t.Helper()
	s := &setup{t: t, rc: rcsimulator.New(rcsimulator.Options{Profile: profile}), vendorID: map[string][2]string{}}
	s.vt = vtsimulator.New(vtsimulator.Options{Profile: profile, Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }})
	vt, rc := httptest.NewServer(s.vt), httptest.NewServer(s.rc)
	t.Cleanup(vt.Close)
	t.Cleanup(rc.Close)
	for _, role := range []string{"approver", "reviewer"} {
		s.rc.AddRole(role, "Role "+role)
	}
	s.vt.Grant("acme", s.vt.AddPerson("credential@example.com"), "USER_ROLE_GROUP_ADMIN") // the account of the key
	dir := t.TempDir()
	s.path = filepath.Join(dir, "config.yaml")
	configFile := fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
console: {listen: 127.0.0.1:0}
store: {path: %s}
identity_providers:
  okta: {tokens: [%s]}
  entra: {tokens: [%s]}
backends:
  vt: {kind: virustotal, url: %s, api_key: canary-key-of-the-tests, mode: sync, rate_limit: 1000/s, call_timeout: 2s, straggler_window: 3s, max_removals: {count: 1000, percent: 100, window: 1h}, %s}
  rc: {kind: riskcloud, url: %s, client_id: id, client_secret: canary-secret-of-the-tests, mode: sync, rate_limit: 1000/s, call_timeout: 2s, straggler_window: 3s, max_removals: {count: 1000, percent: 100, window: 1h}, %s}
mappings:
  - {group: VT Admins, backend: vt, target: acme, roles: [USER_ROLE_GROUP_ADMIN]}
  - {group: VT Owners, backend: vt, target: acme, roles: [USER_ROLE_GROUP_ADMIN, USER_ROLE_INTELLIGENCE]}
  - {match: 'team-\d+', backend: vt, target: acme, roles: [USER_ROLE_INTELLIGENCE]}
  - {match: 'risk-(?P<role>[a-z]+)', backend: rc, target: '${role}'}
`, filepath.Join(dir, "scimbridge.db"), oktaToken, entraToken, vt.URL, extra, rc.URL, extra)
	if err := os.WriteFile(s.path, []byte(configFile), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// person makes an account at both vendors.
func (s *setup) person(email string) {
	id := s.vt.AddPerson(email)
	s.vt.Join("acme", id)
	s.vendorID[email] = [2]string{id, s.rc.AddPerson(email)}
}

// start starts the bridge; the test stops it.
func (s *setup) start() {
	s.t.Helper()
	c, _, err := config.Load(s.path, bridge.Kinds())
	if err != nil {
		s.t.Fatal(err)
	}
	s.bridge = &bridge.Bridge{Config: c, Log: canary.Log(s.t), Path: s.path}
	if s.given != nil {
		s.bridge.Use(s.given)
	}
	if err := s.bridge.Start(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	s.scim, s.console, s.running = s.bridge.URL(), s.bridge.ConsoleURL(), true
	s.t.Cleanup(s.stop)
}

func (s *setup) stop() {
	s.t.Helper()
	if s.running {
		s.watch()
	}
	s.running = false
	if err := s.bridge.Stop(); err != nil {
		s.t.Error(err)
	}
}

// send makes a request and returns the status and the body.
func (s *setup) send(token, method, path, body string) (int, []byte) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.scim+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
		return 0, nil
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Error(err)
	}
	if res.StatusCode >= 400 {
		canary.Clean(s.t, method+" "+path, string(got))
	}
	return res.StatusCode, got
}

// watch checks the answers of a running bridge to a client without a credential.
func (s *setup) watch() {
	s.t.Helper()
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/api/status", "/nothing"} {
		res, err := http.Get(s.console + path)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			s.t.Fatal(err)
		}
		canary.Clean(s.t, path, fmt.Sprint(string(body), res.Header))
	}
}

// must sends a request as Entra and returns the id in the answer, if it has one.
func (s *setup) must(want int, method, path, body string) string {
	s.t.Helper()
	status, got := s.send(entraToken, method, path, body)
	if status != want {
		s.t.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, got)
	}
	var resource struct{ ID string }
	_ = json.Unmarshal(got, &resource) // not every answer is a resource
	return resource.ID
}

func (s *setup) user(email string) string {
	s.t.Helper()
	return s.must(201, "POST", "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"emails":[{"value":%q,"primary":true,"type":"work"}],"active":true}`, email, email))
}

func (s *setup) group(name string, members ...string) string {
	s.t.Helper()
	list := []string{}
	for _, m := range members {
		list = append(list, fmt.Sprintf(`{"value":%q}`, m))
	}
	return s.must(201, "POST", "/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":[%s]}`, name, strings.Join(list, ",")))
}

func (s *setup) patch(path, operations string) {
	s.t.Helper()
	want := 204
	if strings.HasPrefix(path, "/Users") {
		want = 200
	}
	s.must(want, "PATCH", path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operations+`]}`)
}

// roles returns the roles of an address at both vendors.
func (s *setup) roles(email string) string {
	all := []string{}
	for _, r := range s.vt.Roles(email) {
		all = append(all, strings.Replace(r, "USER_ROLE_", "", 1))
	}
	all = append(all, s.rc.Roles(email)...)
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// metric reads a gauge of the console.
func (s *setup) metric(name string) string {
	s.t.Helper()
	res, err := http.Get(s.console + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "absent"
}

// eventually waits until the vendors show the roles and the bridge has converged.
func (s *setup) eventually(step string, want map[string]string) {
	s.t.Helper()
	wrong := ""
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		wrong = ""
		for email, roles := range want {
			if got := s.roles(email); got != roles {
				wrong += fmt.Sprintf("%s has %q, want %q\n", email, got, roles)
			}
		}
		for _, b := range []string{"vt", "rc"} {
			if n := s.metric(`scimbridge_pending_changes{backend="` + b + `"}`); n != "0" {
				wrong += fmt.Sprintf("%s: %s pending\n", b, n)
			}
		}
		if wrong == "" {
			return
		}
	}
	s.t.Fatalf("%s:\n%s\nvirustotal: %d calls\nriskcloud: %d calls", step, wrong, len(s.vt.Calls()), len(s.rc.Calls()))
}

// newcomer adds a user and waits until both vendors show the role: the bridge has then finished all
// earlier work.
func (s *setup) newcomer() {
	s.t.Helper()
	const email = "newcomer@example.com"
	s.person(email)
	id := s.user(email)
	s.group("team-1", id)
	s.group("risk-reviewer", id)
	s.eventually("a newcomer", map[string]string{email: "acme INTELLIGENCE, reviewer"})
}

// lastPort is the last port that a test was given. The kernel gives others to clients, so that none of them takes a port
// between a test's choice and its listener.
var lastPort atomic.Uint32

// findAddress returns a loopback address that no listener has.
func findAddress() (string, error) {
	const first, many = 20_000, 10_000 // below those of clients
	for range many {
		address := fmt.Sprintf("127.0.0.1:%d", first+(uint32(os.Getpid())*97+lastPort.Add(1))%many)
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

// freeAddress is findAddress for a test.
func freeAddress(t testing.TB) string {
	t.Helper()
	address, err := findAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
