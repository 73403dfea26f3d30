package bridge_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	vtsimulator "github.com/scimbridge/scimbridge/backend/virustotal/simulator"
)

var profiles = []string{"strict", "lenient", "partial"}

// TestProvisioning makes a real provisioning run. After every step the roles at the vendors are exactly
// those of the groups, and grants made by hand are still there.
func TestProvisioning(t *testing.T) {
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, profile, "batch: {size: 25, wait: 50ms}")
			for _, p := range []string{"ada", "grace", "linus", "root"} {
				s.person(p + "@example.com")
			}
			s.vt.Grant("acme", s.vendorID["root@example.com"][0], "USER_ROLE_GROUP_ADMIN")
			s.vt.Grant("acme", s.vendorID["grace@example.com"][0], "USER_ROLE_HUNTING")
			s.rc.Grant("approver", s.vendorID["root@example.com"][1])
			s.start()
			s.run()
		})
	}
}

func (s *setup) run() {
	s.t.Helper()
	want := map[string]string{"ada@example.com": "", "grace@example.com": "acme HUNTING", "linus@example.com": "", "root@example.com": "acme GROUP_ADMIN, approver"}
	check := func(step string, changes ...string) {
		s.t.Helper()
		for i := 0; i < len(changes); i += 2 {
			want[changes[i]+"@example.com"] = changes[i+1]
		}
		s.eventually(step, want)
	}
	ada, grace, linus := s.user("ada@example.com"), s.user("grace@example.com"), s.user("linus@example.com")
	admins, owners, risk := s.group("VT Admins"), s.group("VT Owners"), s.group("risk-approver")
	check("users and groups alone give nothing")

	value := func(ids ...string) string {
		return `[{"value":"` + strings.Join(ids, `"},{"value":"`) + `"}]`
	}
	s.patch("/Groups/"+admins, `{"op":"Add","path":"members","value":`+value(ada, grace)+`}`)
	s.patch("/Groups/"+risk, `{"op":"add","path":"members","value":`+value(ada)+`}`)
	check("add", "ada", "acme GROUP_ADMIN, approver", "grace", "acme GROUP_ADMIN, acme HUNTING")

	s.patch("/Groups/"+owners, `{"op":"add","path":"members","value":`+value(ada)+`}`)
	check("a second group that gives the same and more", "ada", "acme GROUP_ADMIN, acme INTELLIGENCE, approver")

	s.patch("/Groups/"+admins, `{"op":"remove","path":"members[value eq \"`+ada+`\"]"}`)
	check("out of one of two", "ada", "acme GROUP_ADMIN, acme INTELLIGENCE, approver")

	s.patch("/Groups/"+owners, `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"`+ada+`"}]}`)
	check("out of the last", "ada", "approver")

	s.patch("/Groups/"+admins, `{"op":"replace","path":"members","value":`+value(linus, ada)+`}`)
	check("full replace", "ada", "acme GROUP_ADMIN, approver", "grace", "acme HUNTING", "linus", "acme GROUP_ADMIN")

	s.patch("/Groups/"+risk, `{"op":"replace","value":{"displayName":"risk-reviewer"}}`)
	check("rename to what another rule matches", "ada", "acme GROUP_ADMIN, reviewer")

	s.patch("/Users/"+ada, `{"op":"Replace","path":"active","value":"False"}`)
	check("deactivate", "ada", "")
	s.patch("/Users/"+ada, `{"op":"replace","value":{"active":true}}`)
	check("reactivate", "ada", "acme GROUP_ADMIN, reviewer")

	s.must(204, "DELETE", "/Groups/"+admins, "")
	check("delete a group", "ada", "reviewer", "linus", "")
	s.must(204, "DELETE", "/Users/"+ada, "")
	check("delete a user", "ada", "")
}

// A role has the permission sets of a rule as long as a group selects it, with or without members.
func TestPermissionSetsFollowTheGroup(t *testing.T) {
	for _, profile := range []string{"strict", "lenient", "partial"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, profile, "batch: {size: 5, wait: 10ms}")
			raw, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(s.path, []byte(strings.Replace(string(raw), "target: '${role}'}", "target: '${role}', permission_sets: [ps1]}", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			s.start()
			s.person("ada@example.com")
			sets := func(role string) string {
				_, sets := s.rc.Role(role)
				return strings.Join(sets, ",")
			}
			for _, members := range [][]string{nil, {s.user("ada@example.com")}} {
				group := s.group("risk-approver", members...)
				s.eventually("created", nil)
				if got := sets("approver"); got != "ps1" {
					t.Errorf("created with %d members: %q", len(members), got)
				}
				s.must(204, "PATCH", "/Groups/"+group, `{"Operations":[{"op":"replace","path":"displayName","value":"risk-reviewer"}]}`)
				s.eventually("renamed", nil)
				if got := sets("approver") + "/" + sets("reviewer"); got != "/ps1" {
					t.Errorf("renamed: %q", got)
				}
				s.must(204, "DELETE", "/Groups/"+group, "")
				s.eventually("deleted", nil)
				if got := sets("reviewer"); got != "" {
					t.Errorf("deleted: %q", got)
				}
			}
		})
	}
}

// TestBatching counts calls: 2,000 single-member PATCHes over ten groups cost at most ten more than one
// and a half times the calls of full batches.
func TestBatching(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 1s}")
	const people = 200
	for i := range people {
		s.person(fmt.Sprintf("p%d@example.com", i))
	}
	for g := range 10 {
		s.rc.AddRole(string(rune('a'+g)), fmt.Sprint("Role ", g))
	}
	s.start()
	var ids, groups []string
	for i := range people {
		ids = append(ids, s.user(fmt.Sprintf("p%d@example.com", i)))
	}
	for g := range 10 {
		groups = append(groups, s.group("risk-"+string(rune('a'+g))))
	}
	before, began := len(s.rc.Calls()), time.Now()
	var wg sync.WaitGroup
	for g, group := range groups {
		wg.Go(func() {
			for i := range people {
				id := ids[(i+g*17)%people]
				status, body := s.send(oktaToken, "GET", "/Groups/"+group, "")
				if status != 404 {
					s.t.Errorf("another provider reads the group: %d %s", status, body)
				}
				status, body = s.send(entraToken, "PATCH", "/Groups/"+group, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"`+id+`"}]}]}`)
				if status != 204 {
					s.t.Errorf("%d %s", status, body)
				}
			}
		})
	}
	wg.Wait()
	want := map[string]string{}
	for i := range people {
		want[fmt.Sprintf("p%d@example.com", i)] = "a, b, c, d, e, f, g, h, i, j"
	}
	s.eventually("2,000 additions", want)
	// A target is called when its batch is full, or has waited for a second.
	waits := int(time.Since(began)/time.Second) + 1
	if calls, most := len(s.rc.Calls())-before, 10*(people/25+waits); calls > most || calls > 10*people/4 {
		t.Errorf("%d calls, at most %d are needed", calls, most)
	} else {
		t.Logf("%d calls for 2,000 PATCHes", calls)
	}
}

// A restarted bridge goes on with its work, also with changes made while the vendor was away.
func TestRestart(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 50ms}, retry: {initial: 50ms, max: 200ms}")
	s.person("ada@example.com")
	s.person("grace@example.com")
	s.start()
	ada, grace := s.user("ada@example.com"), s.user("grace@example.com")
	admins := s.group("VT Admins", ada)
	s.eventually("before", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	s.vt.Fail(slices.Repeat([]vtsimulator.Fault{{Status: 503}}, 10)...)
	s.patch("/Groups/"+admins, `{"op":"replace","path":"members","value":[{"value":"`+grace+`"}]}`)
	s.stop()
	s.start()
	s.eventually("after", map[string]string{"ada@example.com": "", "grace@example.com": "acme GROUP_ADMIN"})
}

// A configuration that changes between two starts is applied to every user.
func TestRestartWithOtherRules(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 50ms}")
	s.fixConsole()
	s.person("ada@example.com")
	s.start()
	s.group("VT Admins", s.user("ada@example.com"))
	s.eventually("before", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	s.stop()
	configFile, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(configFile), "target: acme, roles: [USER_ROLE_GROUP_ADMIN]}", "target: acme, roles: [USER_ROLE_HUNTING]}", 1)
	if err := os.WriteFile(s.path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.eventually("after", map[string]string{"ada@example.com": "acme GROUP_ADMIN, acme HUNTING"})
	if code, out := s.command("hold", "list"); code != 0 || !strings.Contains(out, "only the changed mapping takes it away") {
		t.Errorf("%d %s", code, out)
	}
	if code, out := s.command("reload", "--allow-revocations", "1"); code != 0 || !strings.Contains(out, "takes away 1 role(s), as you allowed") {
		t.Errorf("%d %s", code, out)
	}
	s.eventually("allowed", map[string]string{"ada@example.com": "acme HUNTING"})
}
