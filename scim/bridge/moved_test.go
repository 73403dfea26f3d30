package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// accounts are the accounts at a simulated vendor.
type accounts interface {
	Account(id, email string)
	DeleteAccount(id string)
	RolesOf(id string) []string
}

// movers starts a bridge with a user who has roles at both vendors, on two targets of each.
func movers(t *testing.T, profile, extra string) (s *setup, ann string) {
	t.Helper()
	s = newSetup(t, profile, "batch: {size: 25, wait: 20ms}, retry: {initial: 20ms, max: 200ms}, "+extra)
	s.edit("mappings:", "mappings:\n  - {group: Beta, backend: vt, target: beta, roles: [USER_ROLE_INTELLIGENCE]}")
	s.vt.Join("beta", s.vt.AddPerson("credential@example.com"))
	s.fixConsole()
	for _, p := range []string{"ann@example.com", "bob@example.com"} {
		s.person(p)
		s.vt.Join("beta", s.vendorID[p][0])
	}
	s.start()
	ann, bob := s.user("ann@example.com"), s.user("bob@example.com")
	for _, g := range []string{"VT Admins", "Beta", "risk-approver", "risk-reviewer"} {
		s.group(g, ann, bob)
	}
	s.eventually("granted", map[string]string{"ann@example.com": moversRoles, "bob@example.com": moversRoles})
	return s, ann
}

const moversRoles = "acme GROUP_ADMIN, approver, beta INTELLIGENCE, reviewer"

// holds returns the roles of an account at a vendor.
func holds(a accounts, id string) string { return strings.Join(a.RolesOf(id), ", ") }

// If an address moves to another account, its roles move too, also if the old account is deleted.
func TestMovedAddress(t *testing.T) {
	for _, profile := range profiles {
		for _, how := range []string{"renamed", "deleted"} {
			t.Run(how+"/"+profile, func(t *testing.T) {
				t.Parallel()
				s, _ := movers(t, profile, "resync_every: 500ms")
				before := s.vendorID["ann@example.com"]
				for _, vendor := range []struct {
					accounts
					before, after string
				}{{s.vt, before[0], "vt-new"}, {s.rc, before[1], "rc-new"}} {
					if how == "deleted" {
						vendor.DeleteAccount(vendor.before)
					} else {
						vendor.Account(vendor.before, "former@example.com")
					}
					vendor.Account(vendor.after, "ann@example.com")
				}
				s.vt.Join("acme", "vt-new")
				s.vt.Join("beta", "vt-new")
				s.eventually("moved", map[string]string{"ann@example.com": moversRoles, "bob@example.com": moversRoles, "former@example.com": ""})
				if got := holds(s.vt, before[0]) + holds(s.rc, before[1]); got != "" {
					t.Errorf("the account of before has %s", got)
				}
				for _, b := range []string{"vt", "rc"} {
					if n := s.metric(`scimbridge_repaired_total{backend="` + b + `"}`); n != "0" {
						t.Errorf("%s: %s repaired", b, n)
					}
				}
			})
		}
	}
}

// A user who takes the address of a partner takes no roles from the partner.
func TestPartnersAddress(t *testing.T) {
	for _, profile := range profiles {
		for _, end := range []string{"set back", "deactivated", "deleted"} {
			t.Run(end+"/"+profile, func(t *testing.T) {
				t.Parallel()
				s, ann := movers(t, profile, "resync_every: 500ms")
				s.stop()
				s.edit("kind: virustotal,", "kind: virustotal, on_deactivate: remove_member,")
				s.edit("kind: riskcloud,", "kind: riskcloud, on_deactivate: disable_user,")
				s.start()
				s.person("partner@example.com")
				partner := s.vendorID["partner@example.com"]
				s.vt.Join("beta", partner[0])
				s.vt.Grant("acme", partner[0], "USER_ROLE_GROUP_ADMIN")
				s.rc.Grant("approver", partner[1])
				set := func(email string) {
					s.patch("/Users/"+ann, fmt.Sprintf(`{"op":"replace","path":"emails[type eq \"work\"].value","value":%q}`, email))
				}
				set("partner@example.com")
				s.eventually("set", map[string]string{"ann@example.com": "", "partner@example.com": moversRoles})
				switch end {
				case "set back":
					set("ann@example.com")
				case "deactivated":
					s.deactivate(ann)
				default:
					s.must(204, "DELETE", "/Users/"+ann, "")
				}
				want := map[string]string{"ann@example.com": "", "partner@example.com": "acme GROUP_ADMIN, approver", "bob@example.com": moversRoles}
				if end == "set back" {
					want["ann@example.com"] = moversRoles
				}
				s.eventually(end, want)
				if !s.vt.Member("acme", partner[0]) || !s.vt.Member("beta", partner[0]) || s.rc.Status(partner[1]) != "Active" {
					t.Error("the partner was off-boarded")
				}
				held := s.metric(`scimbridge_held_changes{backend="vt"}`) + s.metric(`scimbridge_held_changes{backend="rc"}`)
				if want := map[bool]string{true: "00", false: "21"}[end == "set back"]; held != want {
					t.Errorf("held %s, want %s", held, want)
				}
				if _, out := s.command("hold", "list"); end != "set back" && !strings.Contains(out, "came to this account by a changed value") {
					t.Error(out)
				}
			})
		}
	}
}

// An account is requested by address only; a user without an address is shown as blocked.
func TestNoAddress(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.edit("kind: virustotal,", "kind: virustotal, on_missing_user: invite,")
	s.edit("kind: riskcloud,", "kind: riskcloud, on_missing_user: create,")
	s.start()
	ids := []string{s.user("Ann <ann@example.com>"), s.user("ann")}
	s.group("VT Admins", ids...)
	s.group("risk-approver", ids...)
	for _, b := range []string{"vt", "rc"} {
		s.until(b, func() bool { return s.metric(`scimbridge_blocked_users{backend="`+b+`",reason="no_address"}`) == "2" })
	}
	if calls := s.vt.Calls(); len(calls) > 0 || len(s.rc.Calls()) > 0 {
		t.Errorf("asked for: %+v %+v", calls, s.rc.Calls())
	}
}

// until waits for something to become true.
func (s *setup) until(what string, is func() bool) {
	s.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); !is(); <-look.C {
		if time.Now().After(limit) {
			s.t.Fatal(what)
		}
	}
}
