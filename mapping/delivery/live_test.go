package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/live"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// expectLive compares the rows of a comparison with the vendor, a text each, and returns the report.
func (w *world) expectLive(want ...string) live.Report {
	w.t.Helper()
	c := live.Comparer{Desk: w.desk, Backend: w.vendor}
	report, err := c.Report(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, r := range report.Rows {
		got = append(got, strings.TrimSpace(fmt.Sprintln(r.Person, r.Account, r.Role, r.Action, r.State, r.Has, r.Reason)))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return report
}

// hand gives or takes a role at the vendor.
func (w *world) hand(account, role string, give bool) {
	at := "acme/" + account
	if w.vendor.holds[at] == nil {
		w.vendor.holds[at] = map[string]bool{}
	}
	if delete(w.vendor.holds[at], role); give {
		w.vendor.holds[at][role] = true
	}
}

// TestLiveDoubt: what a reading cannot tell is neither missing nor foreign.
func TestLiveDoubt(t *testing.T) {
	begin := func(t *testing.T) *world {
		w := newWorld(t, admins)
		team(w, 3, "Admins")
		w.join("okta", "u0", "Admins")
		w.join("okta", "u1", "Admins")
		w.pass(time.Hour)
		w.hand("a0", "ADMIN", false)
		return w
	}
	t.Run("complete", func(t *testing.T) {
		w := begin(t)
		r := w.expectLive("u0@example.com a0 ADMIN grant now no missing", "u1@example.com a1 ADMIN keep stays yes")
		if !r.Complete || r.Targets[0].Shows != "all" {
			t.Errorf("%+v", r.Targets)
		}
	})
	t.Run("roles are not shown", func(t *testing.T) {
		w := begin(t)
		w.vendor.hidden = true
		w.vendor.stale = map[string]bool{"a1/ADMIN": true}
		r := w.expectLive("u0@example.com a0 ADMIN keep stays unknown", "u1@example.com a1 ADMIN keep stays unknown")
		if !r.Complete || r.Targets[0].Shows != "none" {
			t.Errorf("%+v", r.Targets)
		}
	})
	t.Run("the listing is cut", func(t *testing.T) {
		w := begin(t)
		w.vendor.cut = true
		w.user("okta", "u9", "u9@example.com", true)
		w.join("okta", "u9", "Admins")
		w.vendor.partial = true
		r := w.expectLive("u0@example.com a0 ADMIN keep stays unknown", "u1@example.com a1 ADMIN keep stays yes",
			"u9@example.com  ADMIN grant look_up unknown incomplete_list")
		if r.Complete || r.Targets[0].Read != live.Incomplete {
			t.Errorf("%+v", r.Targets)
		}
	})
	t.Run("granted a moment ago", func(t *testing.T) {
		w := begin(t)
		w.join("okta", "u2", "Admins")
		w.pass(2 * time.Second)
		w.hand("a2", "ADMIN", false) // a reading may lag
		w.expectLive("u0@example.com a0 ADMIN grant now no missing", "u1@example.com a1 ADMIN keep stays yes",
			"u2@example.com a2 ADMIN keep stays unknown granted_lately")
	})
	t.Run("the target is gone", func(t *testing.T) {
		w := begin(t)
		w.vendor.lost = map[string]bool{"acme": true}
		w.join("okta", "u2", "Admins")
		r := w.expectLive("u0@example.com a0 ADMIN keep blocked unknown no_target", "u1@example.com a1 ADMIN keep blocked unknown no_target",
			"u2@example.com a2 ADMIN grant blocked unknown no_target")
		if !r.Complete || r.Targets[0].Read != live.Missing {
			t.Errorf("%+v", r.Targets)
		}
	})
}

// TestLiveBrakes: what a brake would hold is held in the comparison, too, the last administrator by
// what the vendor shows.
func TestLiveBrakes(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 3, "Admins")
	w.vendor.admin = "ADMIN"
	w.join("okta", "u0", "Admins")
	w.pass(time.Hour)
	w.leave("okta", "u0", "Admins")
	w.expectLive("u0@example.com a0 ADMIN revoke held yes last_admin")
	w.hand("a2", "ADMIN", true)
	w.expectLive("u0@example.com a0 ADMIN revoke now yes", "u2@example.com a2 ADMIN foreign stays yes")
	w.pass(time.Minute)
	w.expectLive("u2@example.com a2 ADMIN foreign stays yes")
}

// TestLiveForeign: a foreign grant is revoked under an authoritative rule only, as the worker does
// then. Once an operator disowned it, it stays.
func TestLiveForeign(t *testing.T) {
	only := mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}, Authoritative: true}
	w := newWorld(t, only)
	team(w, 3, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(time.Hour)
	w.hand("a1", "ADMIN", true)
	w.hand("a1", "OTHER", true)
	w.expectLive("u0@example.com a0 ADMIN keep stays yes", "u1@example.com a1 ADMIN revoke now yes", "u1@example.com a1 OTHER foreign stays yes no_rule")
	w.resync()
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN acme/a1=OTHER")

	w.hand("a2", "ADMIN", true)
	w.update(func(tx store.Tx) error {
		return record.Put(tx, record.Disowned{Backend: "vt", Target: "acme", Account: "a2", Role: "ADMIN"})
	})
	w.expectLive("u0@example.com a0 ADMIN keep stays yes", "u1@example.com a1 OTHER foreign stays yes no_rule", "u2@example.com a2 ADMIN foreign stays yes disowned")
}

// TestLiveOffboard: a user who becomes inactive loses the role and the membership; a rule with replace
// clears what the bridge did not grant, with a call that comes anyway.
func TestLiveOffboard(t *testing.T) {
	exact := admins
	exact.Replace = true
	w := newWorld(t, exact)
	w.config = func(d configured) { d.Offboard = true }
	w.restart()
	team(w, 3, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(time.Hour)
	w.deactivate("okta", "u0")
	w.hand("a1", "OTHER", true)
	w.join("okta", "u1", "Admins")
	w.expectLive("u0@example.com a0 (membership or account) off_board now unknown", "u0@example.com a0 ADMIN revoke now yes",
		"u1@example.com a1 ADMIN grant now no", "u1@example.com a1 OTHER revoke now yes")
	w.pass(time.Minute)
	w.expect("acme/a1=ADMIN")
	w.expectLive("u1@example.com a1 ADMIN keep stays yes")
}

// TestLiveMoved: a value that finds another account at the vendor is a revocation there and a grant
// here, as the worker does then.
func TestLiveMoved(t *testing.T) {
	revoke := "u0@example.com a0 ADMIN revoke now yes"
	for name, change := range map[string]struct {
		do   func(w *world)
		want []string
		end  string
	}{
		"the account before is gone": {func(w *world) {
			w.vendor.people["u0@example.com"] = "a9"
			delete(w.vendor.holds, "acme/a0")
		}, []string{"u0@example.com a0 ADMIN revoke now no", "u0@example.com a9 ADMIN grant now no"}, "acme/a1=ADMIN acme/a9=ADMIN"},
		"the account before has another value": {func(w *world) {
			w.vendor.people["u0@example.com"], w.vendor.people["old@example.com"] = "a9", "a0"
		}, []string{revoke, "u0@example.com a9 ADMIN grant now no"}, "acme/a1=ADMIN acme/a9=ADMIN"},
		"only another value finds the account": {func(w *world) {
			delete(w.vendor.people, "u0@example.com")
			w.vendor.people["old@example.com"] = "a0"
		}, []string{"u0@example.com  ADMIN no_account blocked no no_account", revoke}, "acme/a1=ADMIN"},
		"no value finds the account": {func(w *world) { delete(w.vendor.people, "u0@example.com") },
			[]string{"u0@example.com  ADMIN no_account blocked no no_account"}, "acme/a0=ADMIN acme/a1=ADMIN"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, admins)
			team(w, 3, "Admins")
			w.join("okta", "u0", "Admins")
			w.join("okta", "u1", "Admins")
			w.pass(time.Hour)
			change.do(w)
			w.expectLive(append(change.want, "u1@example.com a1 ADMIN keep stays yes")...)
			w.resync()
			w.pass(time.Hour)
			w.expect(change.end)
		})
	}
}
