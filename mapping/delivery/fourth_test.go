package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/delivery"
)

// A comparison that cannot be stored fails again and again, and a user who leaves the group loses the role meanwhile.
func TestAComparisonThatCannotBeStoredKeepsNobodyWaiting(t *testing.T) {
	w := full(t, 3)
	w.pass(10 * time.Minute)
	w.breakDisowned()
	w.resync()
	w.leave("okta", "u0", "Admins")
	w.pass(10 * time.Minute)
	if !slices.Contains(w.vendor.calls, "read acme") {
		t.Error("nothing was compared")
	}
	w.expectCalls("remove acme: a0=ADMIN")
}

// TestWhoAcceptsASecondInvitationAndLeavesIsOffboarded: the membership that was ended began again, before any role was given.
func TestWhoAcceptsASecondInvitationAndLeavesIsOffboarded(t *testing.T) {
	w := invitedAgain(t)
	w.vendor.people["new@example.com"] = "n" // accepted
	w.deactivate("okta", "new")              // before the bridge has looked again
	w.pass(24 * time.Hour)
	w.expectCalls("offboard acme: n")
}

// TestAnInvitationOfAClockThatWasAhead does not keep a user from being invited until that clock's day has come.
func TestAnInvitationOfAClockThatWasAhead(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d *delivery.Worker) { d.Invite = true }
	w.restart()
	w.vendor.people["root@example.com"] = "root"
	w.group("okta", "Admins")
	w.user("okta", "new", "new@example.com", true)
	w.join("okta", "new", "Admins")
	w.pass(time.Minute)
	w.expectCalls("invite acme: new@example.com")
	w.clock = w.clock.Add(-30 * 24 * time.Hour)
	w.restart()
	w.pass(time.Hour)
	w.expectCalls("invite acme: new@example.com")
}

// TestAnApprovalDuringAVisitStands: what the visit found to hold is not held once more, nor reported.
func TestAnApprovalDuringAVisitStands(t *testing.T) {
	w := full(t, 5)
	w.vendor.admin = "ADMIN"
	w.vendor.people["root@example.com"] = "root"
	w.vendor.holds["acme/root"] = map[string]bool{"ADMIN": true}
	l := &hooked{vendor: w.vendor}
	w.config = func(d *delivery.Worker) {
		d.Backend, d.MaxOffboardings = l, delivery.Limit{Count: 1, Window: time.Hour}
	}
	w.restart()
	w.leaveAll(0, 5)
	w.pass(3 * time.Minute)
	id := w.hold("empties_role", 5).ID
	for _, u := range []string{"u0", "u1"} {
		w.user("okta", u, u+"@example.com", false)
		w.everywhere("okta", u)
	}
	approved := false
	l.observe = func() {
		if err := w.worker.Approve(t.Context(), id, "operator", "req"); err != nil {
			t.Error(err)
		}
		approved = true
	}
	w.pass(time.Minute)
	holds, err := w.worker.Holds(t.Context())
	if err != nil || !approved || len(holds) > 0 {
		t.Errorf("approved %v, and held again: %+v, %v", approved, holds, err)
	}
	if told := w.trail(); strings.Contains(told, "max_offboardings") {
		t.Errorf("the trail tells of a hold that never was:\n%s", told)
	}
}

// TestAReloadBeforeTheFirstCallOfAVisit: the rules are taken away while the rate limit makes the worker wait, and nothing is sent under them.
func TestAReloadBeforeTheFirstCallOfAVisit(t *testing.T) {
	w := newWorld(t, admins)
	r := &hooked{vendor: w.vendor}
	w.config = func(d *delivery.Worker) { d.Backend = r }
	w.restart()
	team(w, 3, "Admins")
	for i := range 3 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.clock = w.clock.Add(2 * time.Second)
	r.ready = func() {
		w.remap()
		w.worker.RulesChanged()
	}
	w.pass(time.Minute)
	w.expectCalls()
}

// TestASightingOfWhatAGroupGivesIsNotTheFirstOfAStranger: two readings have to show a grant that no rule gives before it is taken over.
func TestASightingOfWhatAGroupGivesIsNotTheFirstOfAStranger(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w := newWorld(t, rule)
	w.config = func(d *delivery.Worker) { d.ResyncEvery, d.BatchWait = time.Hour, time.Hour }
	w.restart()
	team(w, 4, "Admins")
	for i := range 4 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(2 * time.Hour)
	w.leave("okta", "u3", "Admins")
	w.pass(2 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
	w.vendor.holds["acme/a3"] = map[string]bool{"ADMIN": true} // by hand
	w.join("okta", "u3", "Admins")
	w.resync()
	if _, err := w.worker.RunOnce(t.Context()); err != nil { // seen, and wanted
		t.Fatal(err)
	}
	w.leave("okta", "u3", "Admins")
	w.clock = w.clock.Add(10 * time.Second)
	w.resync()
	if _, err := w.worker.RunOnce(t.Context()); err != nil { // seen for the first time as what no rule gives
		t.Fatal(err)
	}
	if told := w.trail(); strings.Contains(told, "takeover") {
		t.Errorf("taken over at the first sighting:\n%s", told)
	}
	w.pass(5 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
}

// TestAClockSetBackAndARestartKeepNoRemovalWaiting longer than a removal waits.
func TestAClockSetBackAndARestartKeepNoRemovalWaiting(t *testing.T) {
	w := full(t, 1)
	w.vendor.refuse["a0/ADMIN"] = true
	w.leaveAll(0, 1)
	w.clock = w.clock.Add(2 * time.Hour)
	w.pass(3 * time.Second)
	w.expectCounts("pending 0, blocked 1, held 0")
	clear(w.vendor.refuse)
	w.clock = w.clock.Add(-5 * time.Hour)
	w.restart()
	w.pass(time.Hour)
	w.expect("")
}

// TestAComparisonThatWasAskedForOutlivesAClockThatIsSet: it takes two readings, and the clock is corrected by three seconds between them.
func TestAComparisonThatWasAskedForOutlivesAClockThatIsSet(t *testing.T) {
	w := full(t, 1)
	set := w.settable()
	w.clock = w.clock.Add(10 * time.Minute)
	delete(w.vendor.holds["acme/a0"], "ADMIN")
	w.resync()
	if _, err := w.worker.RunOnce(t.Context()); err != nil { // the first
		t.Fatal(err)
	}
	*set = 3 * time.Second
	for range 20 {
		if _, err := w.worker.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.clock = w.clock.Add(30 * time.Second)
	}
	w.expect("acme/a0=ADMIN")
}

// TestExplainPromisesWhatTheModeAllows, after a copy was put back.
func TestExplainPromisesWhatTheModeAllows(t *testing.T) {
	for mode, want := range map[delivery.Mode][2]string{
		delivery.Sync:    {"is to lose it after `scimbridge resume`", "is to get it after `scimbridge resume`"},
		delivery.AddOnly: {"keeps it: the mode of the backend is add_only", "is to get it after `scimbridge resume`"},
		delivery.Observe: {"keeps it: the mode of the backend is observe", "does not get it: the mode of the backend is observe"},
	} {
		w := newWorld(t, admins)
		team(w, 2, "Admins")
		w.join("okta", "u0", "Admins")
		w.pass(time.Minute)
		w.config = func(d *delivery.Worker) { d.Mode = mode }
		w.restart()
		w.worker.Standby(true)
		w.leave("okta", "u0", "Admins")
		w.join("okta", "u1", "Admins")
		for i, words := range want {
			why, err := w.worker.Explain(t.Context(), fmt.Sprint("u", i), "")
			if err != nil {
				t.Fatal(err)
			}
			if len(why) != 1 || len(why[0].Grants) != 1 || !strings.Contains(why[0].Grants[0].State, words) {
				t.Errorf("%s: %+v does not say %q", mode, why, words)
			}
		}
	}
}

// forbidSets is a vendor at which the credential may not touch permission sets.
type forbidSets struct{ *vendor }

func (f forbidSets) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	if len(d.PermissionSetsToAdd)+len(d.PermissionSetsToRemove) > 0 {
		f.vendor.calls = append(f.vendor.calls, describe(d))
		return nil, &backend.Error{Kind: backend.Unauthorized, Doing: "changing roles", Status: 403}
	}
	return f.vendor.Apply(ctx, d)
}

// TestForbiddenPermissionSetsPauseNobody, and no listing is read for them.
func TestForbiddenPermissionSetsPauseNobody(t *testing.T) {
	rule := admins
	rule.PermissionSets = []string{"s1", "s2", "s3", "s4"}
	w := newWorld(t, rule)
	w.config = func(d *delivery.Worker) { d.Backend, d.BatchSize = forbidSets{w.vendor}, 2 }
	w.vendor.mixed = true
	w.restart()
	team(w, 6, "Admins")
	for i := range 6 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(5 * time.Second)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN acme/a3=ADMIN acme/a4=ADMIN acme/a5=ADMIN")
	if state, why := w.worker.Health(); state != "ok" {
		t.Errorf("%s: %s", state, why)
	}
	if calls := w.vendor.calls; slices.Contains(calls, "read acme") {
		t.Errorf("the whole target was read: %q", calls)
	}
}
