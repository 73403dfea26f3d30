package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
)

// Neither many of them, nor what waits for a window after a start, as the removal of an administrator does, may wait for comparisons that
// cannot be stored.
func TestComparisonsThatCannotBeStored(t *testing.T) {
	for _, targets := range []int{1, 6} {
		for _, deactivated := range []bool{false, true} {
			var rules []mapping.Rule
			for i := range targets {
				r := admins
				r.Target = fmt.Sprint("t", i)
				rules = append(rules, r)
			}
			w := newWorld(t, rules...)
			team(w, 3, "Admins")
			for i := range 3 {
				w.join("okta", fmt.Sprint("u", i), "Admins")
			}
			w.pass(10 * time.Minute)
			if targets == 1 {
				w.vendor.admin = "ADMIN"
			}
			w.breakDisowned()
			w.resync()
			if deactivated {
				w.deactivate("okta", "u0")
			} else {
				w.leave("okta", "u0", "Admins")
			}
			work, wait := w.worker.RunOnce, time.Second
			for range 300 { // as Run does it
				if _, err := work(t.Context()); err != nil {
					work, wait = w.worker.Start, min(2*wait, 30*time.Second)
				} else {
					work, wait = w.worker.RunOnce, time.Second
				}
				w.clock = w.clock.Add(wait)
			}
			for i := range targets {
				if w.vendor.holds[fmt.Sprint("t", i, "/a0")]["ADMIN"] {
					t.Errorf("of %d targets, deactivated: %v: who left still has the role on t%d", targets, deactivated, i)
				}
			}
		}
	}
}

type inviting struct {
	*vendor
	during func()
}

func (i *inviting) Invite(ctx context.Context, target, email string) error {
	if f := i.during; f != nil {
		i.during = nil
		f()
	}
	return i.vendor.Invite(ctx, target, email)
}

// Many invitations take long: neither other rules nor who leaves wait for the last.
func TestInvitationsKeepNobodyWaiting(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		w := newWorld(t, admins)
		v := &inviting{vendor: w.vendor}
		w.config = func(d configured) { d.Invite, d.Backend = true, v }
		w.restart()
		w.vendor.people["root@example.com"] = "root"
		w.group("okta", "Admins")
		w.user("okta", "root", "root@example.com", true)
		w.join("okta", "root", "Admins")
		w.pass(time.Minute)
		w.calls()
		for i := range 20 {
			w.user("okta", fmt.Sprint("n", i), fmt.Sprintf("n%d@example.com", i), true)
			w.join("okta", fmt.Sprint("n", i), "Admins")
		}
		v.during = func() {
			if leaves {
				w.deactivate("okta", "root")
			} else {
				w.remap()
				w.worker.RulesChanged()
			}
		}
		w.pass(time.Minute)
		calls := w.calls()
		at := slices.Index(calls, "remove acme: root=ADMIN")
		if want := map[bool]int{false: 2, true: 21}[leaves]; at != 1 || len(calls) != want {
			t.Errorf("leaves: %v, %d calls: %q", leaves, len(calls), calls)
		}
	}
}

// As TestAClockSetBackAndARestartKeepNoRemovalWaiting, of a removal that was refused often.
func TestAClockSetBackAndARemovalRefusedOften(t *testing.T) {
	w := full(t, 1)
	w.vendor.refuse["a0/ADMIN"] = true
	w.leaveAll(0, 1)
	w.pass(6 * time.Hour)
	clear(w.vendor.refuse)
	w.clock = w.clock.Add(-5 * time.Hour)
	w.restart()
	w.pass(10 * time.Minute)
	w.expect("")
}

// A forbidden permission set that is sent alone pauses its target no more than three do.
func TestAForbiddenPermissionSetPausesNobody(t *testing.T) {
	rule := admins
	rule.PermissionSets = []string{"s1"}
	w := newWorld(t, rule)
	w.config = func(d configured) { d.Backend = forbidSets{w.vendor} }
	w.vendor.mixed = true
	w.restart()
	w.pass(time.Minute)
	if state, why := w.worker.Health(); state != "ok" {
		t.Errorf("%s: %s", state, why)
	}
	w.expectCounts("pending 0, blocked 1, held 0")
}

// A user who is missing from an incomplete listing may be the last administrator: replacing clears nothing of theirs.
func TestReplaceDoesNotClearAnAdminWhoIsNotShown(t *testing.T) {
	exact := mapping.Rule{Groups: []string{"Exact"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}, Replace: true}
	w := newWorld(t, exact)
	w.vendor.admin, w.vendor.cut, w.vendor.stale = "ADMIN", true, map[string]bool{"a0/ADMIN": true}
	team(w, 1, "Exact")
	w.vendor.holds["acme/a0"] = map[string]bool{"ADMIN": true}
	w.join("okta", "u0", "Exact")
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN,SCAN")
}
