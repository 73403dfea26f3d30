package bridge_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/cli"
)

// fixConsole gives the console an address that commands can find.
func (s *setup) fixConsole() { s.fix("console") }

// fix gives a listener an address that is known before the start.
func (s *setup) fix(listener string) string {
	s.t.Helper()
	address := freeAddress(s.t)
	s.edit(listener+": {listen: 127.0.0.1:0}", listener+": {listen: "+address+"}")
	return address
}

// edit changes the configuration.
func (s *setup) edit(old, now string) {
	s.t.Helper()
	raw, err := os.ReadFile(s.path)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(raw), old) {
		s.t.Fatalf("the configuration has no %q", old)
	}
	if err := os.WriteFile(s.path, []byte(strings.ReplaceAll(string(raw), old, now)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// command runs a command as an operator would and returns its exit code and output.
func (s *setup) command(args ...string) (int, string) {
	var out, errs bytes.Buffer
	code := cli.Main(append(args, "--config", s.path), &out, &errs)
	return code, out.String() + errs.String()
}

const limits = "max_removals: {count: 1000, percent: 100, window: 1h}"

// TestHoldsByCommand empties a group of 50 at both vendors, and decides by commands.
func TestHoldsByCommand(t *testing.T) {
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, profile, "batch: {size: 25, wait: 20ms}")
			s.edit(limits, "max_removals: {count: 10, percent: 20, window: 1h}")
			s.fixConsole()
			s.start()
			var people []string
			granted, gone := map[string]string{}, map[string]string{}
			for i := range 50 {
				email := fmt.Sprintf("p%02d@example.com", i)
				s.person(email)
				people = append(people, s.user(email))
				granted[email], gone[email] = "acme GROUP_ADMIN, approver", "approver"
			}
			admins, approvers := s.group("VT Admins", people...), s.group("risk-approver", people...)
			s.eventually("granted", granted)
			if code, out := s.command("status", "--exit-code"); code != 0 || !strings.Contains(out, "virustotal") && !strings.Contains(out, "vt") {
				t.Errorf("%d %s", code, out)
			}
			for _, g := range []string{admins, approvers} {
				s.must(204, "PATCH", "/Groups/"+g, `{"Operations":[{"op":"replace","path":"members","value":[]}]}`)
			}
			s.eventually("held", granted)
			for _, b := range []string{"vt", "rc"} {
				if n := s.metric(`scimbridge_held_changes{backend="` + b + `"}`); n != "50" {
					t.Errorf("%s: %s held", b, n)
				}
			}
			s.stop() // a hold survives a restart
			s.start()
			s.newcomer()
			s.eventually("held after a restart", granted)
			if code, out := s.command("status", "--exit-code"); code != 3 || !strings.Contains(out, "scimbridge hold list") {
				t.Errorf("%d %s", code, out)
			}
			code, out := s.command("hold", "list")
			if code != 0 || !strings.Contains(out, "revoked from all users") || !strings.Contains(out, "and 40 more") ||
				!strings.Contains(out, "would revoke:\n  member from p00@example.com\n  member from p01@example.com\n") {
				t.Errorf("%d %s", code, out)
			}
			code, out = s.command("hold", "list", "--json")
			var holds []desk.Hold
			if err := json.Unmarshal([]byte(out), &holds); err != nil || code != 0 || len(holds) != 2 {
				t.Fatalf("%d %v %s", code, err, out)
			}
			for _, h := range holds {
				word := map[string]string{"vt": "approve", "rc": "reject"}[h.Backend]
				if code, out := s.command("hold", word, h.ID); code != 0 {
					t.Errorf("%d %s", code, out)
				}
			}
			s.eventually("decided", gone)
			if code, out := s.command("hold", "list"); code != 0 || !strings.Contains(out, "nothing is held") {
				t.Errorf("%d %s", code, out)
			}
			if code, out := s.command("hold", "approve", "vt-1"); code != 1 || !strings.Contains(out, "no such hold") {
				t.Errorf("%d %s", code, out)
			}
		})
	}
}

// TestDriftIsRepaired revokes roles by hand; they come back, at the next resync and by command.
func TestDriftIsRepaired(t *testing.T) {
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, profile, "batch: {size: 25, wait: 20ms}, resync_every: 1h")
			s.fixConsole()
			s.start()
			for _, p := range []string{"ada@example.com", "grace@example.com", "root@example.com"} {
				s.person(p)
			}
			ada, grace := s.user("ada@example.com"), s.user("grace@example.com")
			s.group("VT Admins", ada, grace)
			s.group("risk-approver", ada, grace)
			want := map[string]string{"ada@example.com": "acme GROUP_ADMIN, approver", "grace@example.com": "acme GROUP_ADMIN, approver"}
			s.eventually("granted", want)
			account := s.vendorID["ada@example.com"]
			s.vt.Revoke("acme", account[0], "USER_ROLE_GROUP_ADMIN")
			s.rc.Revoke("approver", account[1])
			s.rc.Grant("approver", s.vendorID["root@example.com"][1])
			if code, out := s.command("resync"); code != 0 || !strings.Contains(out, "rc, vt") {
				t.Errorf("%d %s", code, out)
			}
			want["root@example.com"] = "approver"
			s.eventually("repaired", want)
			for metric, n := range map[string]string{`vt",kind="missing`: "1", `rc",kind="missing`: "1", `rc",kind="foreign`: "1"} {
				if got := s.metric(`scimbridge_drift_total{backend="` + metric + `"}`); got != n {
					t.Errorf("%s: %s, want %s", metric, got, n)
				}
			}
		})
	}
}

// TestOperatorKey: the key is a file of mode 0600 next to the store and stays over restarts;
// without a server the commands say what to do.
func TestOperatorKey(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	if code, out := s.command("status"); code != 1 || !strings.Contains(out, "makes when it starts with this configuration") {
		t.Errorf("%d %s", code, out)
	}
	s.start()
	raw, err := os.ReadFile(s.bridge.Config.Store.Path + ".operator-key")
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.bridge.Config.Store.Path + ".operator-key")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	s.stop()
	if code, out := s.command("hold", "list"); code != 1 || !strings.Contains(out, "no server answers") {
		t.Errorf("%d %s", code, out)
	}
	s.start()
	again, err := os.ReadFile(s.bridge.Config.Store.Path + ".operator-key")
	if err != nil || !bytes.Equal(raw, again) {
		t.Errorf("another key after a restart: %v", err)
	}
	for _, args := range [][]string{{"hold", "approve"}, {"resync", "a", "b"}, {"hold", "list", "x"}, {"status", "--nonsense"}} {
		if code, out := s.command(args...); code != 2 {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
}

// TestPlanExplainReload changes a rule: plan shows the effect, reload applies it without a restart, the
// brake holds the revocations, and explain gives the reasons of a role.
func TestPlanExplainReload(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 5, wait: 20ms}")
	s.edit(limits, "max_removals: {count: 2, percent: 0, window: 1h}")
	s.fixConsole()
	s.start()
	var people []string
	want := map[string]string{}
	for i := range 3 {
		email := fmt.Sprintf("p%d@example.com", i)
		s.person(email)
		people = append(people, s.user(email))
		want[email] = "acme GROUP_ADMIN"
	}
	group := s.group("VT Admins", people...)
	joins := func(email, roles string) { // shows which rules the worker applies
		t.Helper()
		s.person(email)
		s.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+s.user(email)+`"}]}`)
		want[email] = roles
	}
	s.eventually("granted", want)
	if code, out := s.command("plan", "--exit-code"); code != 0 || !strings.Contains(out, "vt: 0 call(s)") {
		t.Errorf("%d %s", code, out)
	}
	code, out := s.command("explain", "P0@example.com", "USER_ROLE_GROUP_ADMIN")
	if code != 0 || !strings.Contains(out, "has it, since") || !strings.Contains(out, "group VT Admins, by the rule on line 1") {
		t.Errorf("%d %s", code, out)
	}
	code, out = s.command("explain", "p0@example.com", "USER_ROLE_INTELLIGENCE")
	if code != 0 || !strings.Contains(out, "in no group that gives it") || !strings.Contains(out, "would be given by membership of VT Owners") {
		t.Errorf("%d %s", code, out)
	}
	if code, out = s.command("explain", "unknown@example.com"); code != 1 || !strings.Contains(out, "no identity provider has sent such a user") {
		t.Errorf("%d %s", code, out)
	}
	s.edit("{group: VT Admins, backend: vt, target: acme, roles: [USER_ROLE_GROUP_ADMIN]}", "{group: VT Admins, backend: vt, target: acme, roles: [USER_ROLE_HUNTING]}")
	code, out = s.command("plan", "--proposed", s.path, "--exit-code")
	if code != 3 || !strings.Contains(out, "add     p0@example.com: USER_ROLE_HUNTING") || !strings.Contains(out, "held on acme: USER_ROLE_GROUP_ADMIN from p2@example.com: only the changed mapping takes it away") {
		t.Errorf("%d %s", code, out)
	}
	joins("p3@example.com", "acme GROUP_ADMIN")
	s.eventually("planned only", want)
	if code, out = s.command("reload"); code != 0 || !strings.Contains(out, "in force") {
		t.Errorf("%d %s", code, out)
	}
	for email := range want {
		want[email] = "acme GROUP_ADMIN, acme HUNTING"
	}
	s.eventually("reloaded", want)
	if code, out = s.command("hold", "list"); code != 0 || !strings.Contains(out, "only the changed mapping takes it away") {
		t.Errorf("%d %s", code, out)
	}
	if code, out = s.command("explain", "p1@example.com"); code != 0 || !strings.Contains(out, "the removal is held as vt-") {
		t.Errorf("%d %s", code, out)
	}
	s.edit("roles: [USER_ROLE_HUNTING]", "roels: [USER_ROLE_HUNTING]") // a file with a mistake changes nothing
	if code, out = s.command("reload"); code != 1 || !strings.Contains(out, `unknown key "roels"`) || !strings.Contains(out, "the rules in force stay") {
		t.Errorf("%d %s", code, out)
	}
	joins("p4@example.com", "acme HUNTING")
	s.eventually("refused", want)
}
