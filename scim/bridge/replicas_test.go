package bridge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
	"github.com/scimbridge/scimbridge/store/storetest"
)

var _ store.Shared = shared{}

// shared is a store that stays open when a replica closes it.
type shared struct{ *storetest.Shared }

func (shared) Close() error { return nil }

// stores returns the stores that replicas can share: a file, only in tests, and a database.
var stores = map[string]func(t *testing.T, all []*setup){
	"file": aFile,
	"database": func(t *testing.T, all []*setup) {
		dsn := postgrestest.Database(t)
		for _, s := range all {
			s.edit("lease: 2s, path: "+filepath.Join(filepath.Dir(s.path), "scimbridge.db"), fmt.Sprintf("lease: 2s, driver: postgres, dsn: '%s', key_file: %s", dsn, filepath.Join(filepath.Dir(s.path), "key")))
		}
	},
}

func aFile(t *testing.T, all []*setup) {
	one, err := bolt.Open(filepath.Join(t.TempDir(), "shared.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		storetest.Check(t, one)
		if err := one.Close(); err != nil {
			t.Error(err)
		}
	})
	// The clock of the store differs from those of the replicas.
	leases := shared{&storetest.Shared{Store: one, Now: func() time.Time { return time.Now().Add(-7 * time.Minute) }}}
	for _, s := range all {
		s.given = leases
	}
}

// fleet starts replicas over one store with the same vendors.
func fleet(t *testing.T, n int, share func(*testing.T, []*setup)) []*setup {
	t.Helper()
	all := replicasOf(t, n)
	share(t, all)
	for _, s := range all {
		s.fixConsole()
		s.start()
	}
	return all
}

// replicasOf configures replicas.
func replicasOf(t *testing.T, n int) []*setup {
	t.Helper()
	first := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	first.edit("store: {path:", "store: {lease: 2s, path:")
	all := []*setup{first}
	raw, err := os.ReadFile(first.path)
	if err != nil {
		t.Fatal(err)
	}
	for range n - 1 {
		dir := t.TempDir()
		s := &setup{t: t, vt: first.vt, rc: first.rc, vendorID: first.vendorID, path: filepath.Join(dir, "config.yaml")}
		configFile := strings.ReplaceAll(string(raw), filepath.Dir(first.path), dir)
		if err := os.WriteFile(s.path, []byte(configFile), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// status returns the status of a replica.
func (s *setup) status() (out console.Status) {
	s.t.Helper()
	code, text := s.command("status", "--json")
	if err := json.Unmarshal([]byte(text), &out); err != nil || code != 0 {
		s.t.Fatalf("%d %v %s", code, err, text)
	}
	return out
}

// until waits for something that happens within seconds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// leader returns the replica that delivers to a backend, and another one.
func leader(t *testing.T, all []*setup, backend string) (leads, follows *setup) {
	t.Helper()
	until(t, "a replica delivers to "+backend, func() bool {
		leads, follows = nil, nil
		for _, s := range all {
			if state, _ := s.bridge.Health(backend); state == "ok" {
				leads = s
			} else {
				follows = s
			}
		}
		return leads != nil
	})
	return leads, follows
}

// TestReplicas runs three bridges over one store: each serves SCIM and takes commands. One delivers to
// each backend, and when it stops another goes on.
func TestReplicas(t *testing.T) {
	for name, share := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testReplicas(t, fleet(t, 3, share))
		})
	}
}

func testReplicas(t *testing.T, all []*setup) {
	first, follower := leader(t, all, "vt")
	first.person("ada@example.com")
	ada := follower.user("ada@example.com")
	admins := follower.group("VT Admins", ada)
	follower.eventually("granted through a replica that does not deliver", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})

	for _, s := range all {
		st := s.status()
		if len(st.Replicas) != 3 || st.Backends[1].Leader == nil || st.Backends[1].Leader.Term != 1 || st.Backends[1].State != "ok" || st.Backends[1].Pending != 0 {
			t.Errorf("status %+v", st)
		}
		for _, r := range st.Replicas {
			if !r.Alive || r.Address == "" || r.This != (r.ID == s.bridge.Self().ID) {
				t.Errorf("replica %+v", r)
			}
		}
		code, text := s.command("status")
		if code != 0 || strings.Count(text, "vt (term 1)") != 1 || strings.Count(text, "(this one)") != 1 {
			t.Errorf("%d %s", code, text)
		}
	}
	res, err := http.Get(follower.console + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var ready struct {
		Backends map[string]struct{ State, Reason string }
		Replicas []console.ReplicaStatus
	}
	if err := json.NewDecoder(res.Body).Decode(&ready); err != nil || res.StatusCode != 200 {
		t.Fatalf("%d %v", res.StatusCode, err)
	}
	address := first.bridge.Self().Address
	if vt := ready.Backends["vt"]; vt.State != "follower" || !strings.Contains(vt.Reason, address) || len(ready.Replicas) != 3 {
		t.Errorf("readyz of a replica that does not deliver: %+v, want that %s does", ready, address)
	}

	first.stop()
	rest := []*setup{}
	for _, s := range all {
		if s != first {
			rest = append(rest, s)
		}
	}
	second, follower := leader(t, rest, "vt")
	if e := second.status().Backends[1].Leader; e == nil || e.Term != 2 {
		t.Errorf("after the hand-over: %+v", e)
	}
	follower.patch("/Groups/"+admins, `{"op":"remove","path":"members[value eq \"`+ada+`\"]"}`)
	follower.eventually("revoked after a hand-over", map[string]string{"ada@example.com": ""})
}

// TestReplicasWithOtherRules gives one replica other rules. Requests to a replica with the old rules are
// delivered under the new ones, and a reload reaches every replica.
func TestReplicasWithOtherRules(t *testing.T) {
	for name, share := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testOtherRules(t, fleet(t, 2, share))
		})
	}
}

func testOtherRules(t *testing.T, all []*setup) {
	leads, follows := leader(t, all, "vt")
	leads.person("ada@example.com")
	ada := leads.user("ada@example.com")
	rule := "- {group: VT Admins, backend: vt, target: acme, roles: [USER_ROLE_GROUP_ADMIN]}"
	leads.edit(rule, rule+"\n  - {group: New, backend: vt, target: acme, roles: [USER_ROLE_GROUP_ADMIN]}")
	if code, out := leads.command("reload"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	group := follows.group("New", ada) // its rules do not select the group
	leads.eventually("granted by the rules in force", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	follows.patch("/Groups/"+group, `{"op":"remove","path":"members","value":[{"value":"`+ada+`"}]}`)
	leads.eventually("revoked by the rules in force", map[string]string{"ada@example.com": ""})

	leads.edit("{group: New, ", "{group: Newer, ")
	if code, out := follows.command("reload"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	follows.group("Newer", ada)
	leads.eventually("granted after a reload by way of another replica", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
}

// TestReplicaProcesses runs three processes over a database. It kills the leader, then stops it for
// longer than the lease; each time another replica takes over, and the roles stay those of the
// groups.
func TestReplicaProcesses(t *testing.T) {
	t.Parallel()
	all := replicasOf(t, 3)
	stores["database"](t, all)
	running := map[*setup]*process{}
	for _, s := range all {
		s.fixConsole()
		running[s] = s.launch()
	}
	first := all[0]
	first.person("ada@example.com")
	ada := first.user("ada@example.com")
	group := first.group("VT Admins")
	add := `{"op":"add","path":"members","value":[{"value":"` + ada + `"}]}`
	remove := `{"op":"remove","path":"members[value eq \"` + ada + `\"]"}`
	delivers := func() (leads, other *setup) {
		until(t, "a living replica delivers", func() bool {
			leads, other = nil, nil
			for s := range running {
				for _, r := range s.status().Replicas {
					switch {
					case r.This && slices.Contains(r.DeliversTo, "vt"):
						leads = s
					case r.This:
						other = s
					}
				}
			}
			return leads != nil && other != nil
		})
		return leads, other
	}

	leads, other := delivers()
	other.patch("/Groups/"+group, add)
	other.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	_ = running[leads].cmd.Process.Kill()
	<-running[leads].done
	delete(running, leads)
	other.patch("/Groups/"+group, remove)
	other.eventually("revoked after a kill", map[string]string{"ada@example.com": ""})

	leads, other = delivers()
	stopped := running[leads]
	signal := func(sig syscall.Signal) {
		t.Helper()
		if err := stopped.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	delete(running, leads)
	other.patch("/Groups/"+group, add)
	other.eventually("granted while one stands still", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	other.patch("/Groups/"+group, remove)
	other.eventually("revoked while one stands still", map[string]string{"ada@example.com": ""})
	signal(syscall.SIGCONT)
	until(t, "the one that stood still knows who delivers", func() bool {
		b := leads.status().Backends
		return b[1].Leader != nil && b[1].Leader.Term == 3
	})
	other.eventually("nothing comes late", map[string]string{"ada@example.com": ""})
}
