package bridge_test

import "testing"

// TestMissingAndInactive creates accounts at both vendors, and ends them, as configured.
func TestMissingAndInactive(t *testing.T) {
	for _, profile := range profiles {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, profile, "batch: {size: 5, wait: 10ms}, retry: {initial: 50ms, max: 100ms}")
			s.edit("kind: virustotal,", "kind: virustotal, on_missing_user: invite, on_deactivate: remove_member,")
			s.edit("kind: riskcloud,", "kind: riskcloud, on_missing_user: create, on_deactivate: disable_user,")
			s.start()
			s.person("else@example.com") // an empty vendor proves nothing
			ada := s.user("ada@example.com")
			s.group("VT Admins", ada)
			s.group("risk-approver", ada)
			s.eventually("made", map[string]string{"ada@example.com": "approver"})
			s.vt.Accept()
			s.eventually("accepted", map[string]string{"ada@example.com": "acme GROUP_ADMIN, approver"})
			s.must(200, "PATCH", "/Users/"+ada, `{"Operations":[{"op":"replace","path":"active","value":false}]}`)
			s.eventually("left", map[string]string{"ada@example.com": ""})
			vt, rc := s.vt.AddPerson("ada@example.com"), s.rc.AddPerson("ada@example.com")
			if s.vt.Member("acme", vt) {
				t.Error("is a member still")
			}
			if got := s.rc.Status(rc); got != "Disabled" {
				t.Errorf("is %s", got)
			}
		})
	}
}
