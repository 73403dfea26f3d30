package bridge_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping/desk"
)

// plan and doctor name the rules, with their lines, that grant nothing with the current directory and
// vendor. A file alone does not show them.
func TestUnmetRules(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.edit(`  - {match: 'risk-(?P<role>[a-z]+)', backend: rc, target: '${role}'}`, `  - {match: 'risk-(?P<role>[a-z]+)', backend: rc, target: '${role}'}
  - {group: [Staff, Guests], where: 'userType eq "Employee"', backend: rc, target: reviewer}
  - {group: Entra Only, identity_provider: okta, backend: rc, target: reviewer}
  - group: [VT Admins, Ghosts]
    where: active eq true
    grants:
      - {backend: rc, target: nowhere}
      - {backend: rc, target: approver}`)
	s.start()
	for _, p := range []string{"ada@example.com", "bob@example.com"} {
		s.person(p)
	}
	ada, bob := s.user("ada@example.com"), s.user("bob@example.com")
	s.group("Staff", ada, bob)
	s.group("VT Admins", bob)
	s.group("risk-absent", ada)
	s.eventually("what can be given", map[string]string{"ada@example.com": "", "bob@example.com": "acme GROUP_ADMIN, approver"})
	s.deactivate(bob)
	s.eventually("off-boarded", map[string]string{"bob@example.com": ""})
	_, out := s.command("plan")
	_, doctor := s.command("doctor")
	for _, want := range []string{
		"line 13: mappings.1: no group is called VT Owners: it was not pushed, or has another name",
		`line 14: mappings.2: no group that was pushed meets it (membership of a group whose name matches team-\d+)`,
		`line 16: mappings.4: it is about Staff, but its where (userType eq "Employee") is true of none of the 1 active member(s)`,
		"line 16: mappings.4: no group is called Guests",
		"line 17: mappings.5: no group of okta is called Entra Only",
		"line 15: mappings.3: target absent: the vendor has no such group or role (no_target)",
	} {
		if !strings.Contains(out, "note: "+want) {
			t.Errorf("plan, without %q: %s", want, out)
		}
		if !strings.Contains(doctor, "c: "+want) && !strings.Contains(doctor, "t: "+want) {
			t.Errorf("doctor, without %q: %s", want, doctor)
		}
	}
	for _, not := range []string{"mappings.0:", "mappings.6: it"} {
		if strings.Contains(out, not) {
			t.Errorf("%q: %s", not, out)
		}
	}
	if n := strings.Count(out, "mappings.6: no group is called Ghosts"); n != 1 {
		t.Errorf("a rule with two grants is named %d times: %s", n, out)
	}
	if _, out := s.command("explain", "ada@example.com", "absent"); !strings.Contains(out, "blocked: no_target (the vendor has no such group or role); tried again at") {
		t.Error(out)
	}
	_, out = s.command("plan", "--json")
	var all []desk.Preview
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all) != 2 || len(all[1].Rules) != 2 {
		t.Errorf("%v %s", err, out)
	}
}

// TestAccountManagedElsewhere: a user whose account is provisioned by another system says nothing
// about the role: plan and doctor name the user's block and no rule.
func TestAccountManagedElsewhere(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	for _, p := range []string{"ada@example.com", "bob@example.com"} {
		s.person(p)
	}
	s.rc.Autoprovision(s.vendorID["ada@example.com"][1])
	s.group("risk-approver", s.user("ada@example.com"), s.user("bob@example.com"))
	s.eventually("the other user gets it", map[string]string{"bob@example.com": "approver"})
	want := "blocked: account_managed_elsewhere (the account is provisioned from elsewhere, and the vendor refuses to change it); tried again at"
	s.until("the user is blocked", func() bool {
		_, out := s.command("explain", "ada@example.com", "approver")
		return strings.Contains(out, want)
	})
	for _, command := range []string{"plan", "doctor"} {
		if _, out := s.command(command); strings.Contains(out, "target approver") {
			t.Errorf("%s: %s", command, out)
		}
	}
}

// TestPlanNamesUsersOfEachMode: from observe to sync, plan says which user would get and lose which
// role, and why, before the mode lets it happen; with --proposed also under another mode.
func TestPlanNamesUsersOfEachMode(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	s.person("ada@example.com")
	s.person("eve@example.com")
	ada := s.user("ada@example.com")
	group := s.group("VT Admins", ada)
	s.group("team-1", s.user("eve@example.com"))
	s.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN", "eve@example.com": "acme INTELLIGENCE"})
	s.stop()
	s.edit("canary-key-of-the-tests, mode: sync", "canary-key-of-the-tests, mode: add_only")
	s.start()
	s.patch("/Groups/"+group, `{"op":"remove","path":"members[value eq \"`+ada+`\"]"}`)
	s.group("VT Owners", s.user("new@example.com"))
	const revoke = "     remove  ada@example.com: USER_ROLE_GROUP_ADMIN"
	var out string
	s.until("the plan names the revocation", func() bool {
		_, out = s.command("plan")
		return strings.Contains(out, revoke+"  [not sent in add_only]\n               in no group that gives it\n") &&
			strings.Contains(out, "new@example.com: has no account yet, and waits for one, on acme: add USER_ROLE_GROUP_ADMIN, USER_ROLE_INTELLIGENCE; looked up again at 20")
	})
	if !strings.Contains(out, "  in total: grant 2 for 1 user(s), blocked; revoke 1 for 1 user(s), not sent in add_only\n") {
		t.Error(out)
	}
	s.edit("canary-key-of-the-tests, mode: add_only", "canary-key-of-the-tests, mode: sync")
	code, out := s.command("plan", "--proposed", s.path, "--exit-code")
	if code != 3 || !strings.Contains(out, "vt: 1 call(s): 1 removed") || !strings.Contains(out, revoke+"\n") || !strings.Contains(out, "the proposed mode sync: the mode is add_only until a reload") {
		t.Errorf("%d %s", code, out)
	}
	s.edit("canary-key-of-the-tests, mode: sync", "canary-key-of-the-tests, mode: syncs")
	if code, out = s.command("plan", "--proposed", s.path); code != 1 || !strings.Contains(out, `"syncs" is not one of observe, add_only, sync`) {
		t.Errorf("%d %s", code, out)
	}
	dir := t.TempDir()
	code, out = s.command("plan", "--out", filepath.Join(dir, "plan.csv"))
	report, err := os.ReadFile(filepath.Join(dir, "plan.csv"))
	if code != 0 || err != nil || !strings.Contains(out, "plan.csv: 3 role(s) of users") ||
		!strings.Contains(string(report), "backend,mode,target,person,account,role,action,state,reason,why,until\n") ||
		!strings.Contains(string(report), "vt,add_only,acme,ada@example.com,"+s.vendorID["ada@example.com"][0]+",USER_ROLE_GROUP_ADMIN,revoke,not_in_mode,,in no group that gives it,\n") ||
		!strings.Contains(string(report), `vt,add_only,acme,new@example.com,,USER_ROLE_INTELLIGENCE,grant,blocked,no_account,"group VT Owners, by the rule on line 13",20`) {
		t.Errorf("%d %s %v: %s", code, out, err, report)
	}
	if code, out = s.command("plan", "--out", filepath.Join(dir, "plan.csv")); code != 1 || !strings.Contains(out, "is there already") {
		t.Errorf("%d %s", code, out)
	}
}

// TestPlanOfATargetThatIsMissing: a user is blocked by the target there, not by a missing account.
func TestPlanOfATargetThatIsMissing(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.edit(`{match: 'team-\d+', backend: vt, target: acme,`, `{match: 'team-\d+', backend: vt, target: nowhere,`)
	s.start()
	s.person("ada@example.com")
	s.group("team-1", s.user("ada@example.com"))
	s.until("the plan names the block", func() bool {
		_, out := s.command("plan")
		return strings.Contains(out, "  blocked on nowhere: ada@example.com: add USER_ROLE_INTELLIGENCE: the vendor has no such group or role (no_target); tried again at 20") &&
			!strings.Contains(out, "no account")
	})
}
