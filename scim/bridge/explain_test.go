package bridge_test

import (
	"strings"
	"testing"
)

// TestExplainMissing explains a missing role for each way in which a rule may not grant it. At Risk
// Cloud the target is the role.
func TestExplainMissing(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.edit(`  - {match: 'risk-(?P<role>[a-z]+)', backend: rc, target: '${role}'}`, `  - {match: 'risk-(?P<role>[a-z]+)', exclude: [risk-reviewer], backend: rc, target: '${role}'}
  - {group: Staff, where: 'userType eq "Employee"', backend: rc, target: reviewer}
  - {group: Later, paused: true, backend: vt, target: acme, roles: [USER_ROLE_HUNTING]}
  - {group: Okta Only, identity_provider: okta, backend: vt, target: acme, roles: [USER_ROLE_SCANNING]}`)
	s.start()
	s.person("ada@example.com")
	s.person("bob@example.com")
	ada, bob := s.user("ada@example.com"), s.user("bob@example.com")
	for _, g := range []string{"Staff", "Later", "Okta Only", "risk-reviewer"} {
		s.group(g, ada)
	}
	s.group("risk-approver", bob)
	s.eventually("given", map[string]string{"ada@example.com": "", "bob@example.com": "approver"})
	for _, c := range []struct{ role, want string }{
		{"reviewer", `not given by group Staff, by the rule on line 16: userType eq "Employee" is not true of this person`},
		{"reviewer", "not given by group risk-reviewer, by the rule on line 15: the group is excluded"},
		{"USER_ROLE_HUNTING", "not given by group Later, by the rule on line 17: the rule is paused"},
		{"USER_ROLE_SCANNING", "not given by group Okta Only, by the rule on line 18: the rule is for okta"},
		{"approver", "would be given by membership of a group whose name matches risk-(?P<role>[a-z]+), but not risk-reviewer, such that ${role} is approver, by the rule on line 15"},
		{"USER_ROLE_INTELLIGENCE", "would be given by membership of VT Owners"},
	} {
		if code, out := s.command("explain", "ada@example.com", c.role); code != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d, without %q: %s", c.role, code, c.want, out)
		}
	}
	if _, out := s.command("explain", "ada@example.com"); !strings.Contains(out, "not given by group Staff") || !strings.Contains(out, "not given by group Later") {
		t.Errorf("without a role: %s", out)
	}
}

// A reload applies mappings, modes, brakes and operators, and reports other changes of the file.
func TestReloadRestart(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	s.edit("api_key: canary-key-of-the-tests, mode: sync", "api_key: canary-key-of-the-tests, match: userName, mode: observe")
	code, out := s.command("reload")
	if code != 0 || !strings.Contains(out, "note: backends.vt is changed in the file, too, and needs a restart") || strings.Contains(out, "backends.rc is") || strings.Contains(out, "identity_providers") || !strings.Contains(out, "the mode of the backend would be observe") {
		t.Errorf("%d %s", code, out)
	}
}
