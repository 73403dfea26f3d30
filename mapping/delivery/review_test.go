package delivery_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
)

// What pairs of fresh eyes found: each test is named after the defect.

func TestReplaceDoesNotClearTheProtected(t *testing.T) {
	exact := mapping.Rule{Groups: []string{"Exact"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}, Replace: true}
	w := newWorld(t, exact)
	w.config = func(d *delivery.Worker) { d.Protect, d.OwnAccount = []string{"u0@example.com"}, "a1" }
	w.restart()
	team(w, 3, "Exact")
	for _, id := range []string{"a0", "a1", "a2"} {
		w.vendor.holds["acme/"+id] = map[string]bool{"ADMIN": true}
	}
	for _, u := range []string{"u0", "u1", "u2"} {
		w.join("okta", u, "Exact")
	}
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN,SCAN acme/a1=ADMIN,SCAN acme/a2=SCAN")
}

func TestAnAdminWhoseRemovalWasBegunIsNotOneWhoRemains(t *testing.T) {
	w := full(t, 2)
	w.vendor.admin = "ADMIN"
	w.vendor.people["root@example.com"] = "root"
	w.vendor.answers = []answer{{err: failure(backend.Transient, 503)}, {err: failure(backend.Transient, 503)}, {err: failure(backend.Transient, 503)}}
	w.leaveAll(0, 1)
	w.pass(2 * time.Second)
	w.leaveAll(1, 2)
	w.pass(10 * time.Minute)
	w.expect("acme/a1=ADMIN")
	w.hold("last_admin", 1)
}

func TestAnAdminWhomSomebodyDemotedIsNotOneWhoRemains(t *testing.T) {
	w := full(t, 2)
	w.vendor.admin = "ADMIN"
	delete(w.vendor.holds["acme/a1"], "ADMIN")
	w.leaveAll(0, 1)
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN")
	w.hold("last_admin", 1)
}

func TestAnEmptyListingDoesNotShowThatAnAdminRemains(t *testing.T) {
	w := full(t, 1)
	w.vendor.admin, w.vendor.empty, w.vendor.cut = "ADMIN", true, true
	w.leaveAll(0, 1)
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN")
	w.hold("last_admin", 1)
}

func TestAnEmptyListingInvitesNobody(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d *delivery.Worker) { d.Invite = true }
	w.restart()
	w.group("okta", "Admins")
	w.user("okta", "u0", "u0@example.com", true)
	w.join("okta", "u0", "Admins")
	w.pass(time.Hour)
	w.expectCalls()
	w.vendor.people["u0@example.com"] = "a0"
	w.pass(2 * time.Hour)
	w.expect("acme/a0=ADMIN")
}

func TestATeamOfWhichARemovalWasBegunIsNotEmptied(t *testing.T) {
	w := full(t, 9)
	w.vendor.answers = []answer{{err: failure(backend.Transient, 503)}, {err: failure(backend.Transient, 503)}, {err: failure(backend.Transient, 503)}}
	w.leaveAll(0, 5)
	w.pass(2 * time.Second)
	w.leaveAll(5, 9)
	w.pass(10 * time.Minute)
	if n := w.heldBy("ADMIN"); n != 4 {
		t.Errorf("%d admins are left, want 4", n)
	}
	w.hold("empties_role", 4)
}

func TestWhatIsProtectedCannotBeApproved(t *testing.T) {
	w := full(t, 2)
	w.config = func(d *delivery.Worker) { d.Protect = []string{"u1@example.com"} }
	w.restart()
	w.leaveAll(1, 2)
	w.pass(time.Minute)
	if err := w.worker.Approve(t.Context(), w.hold("protected", 1).ID, "operator"); !errors.Is(err, delivery.ErrProtected) {
		t.Error(err)
	}
	w.hold("protected", 1)
}

func TestRejectingAnOffboardingKeepsTheMembership(t *testing.T) {
	w := full(t, 20)
	w.config = func(d *delivery.Worker) {
		d.Offboard, d.MaxOffboardings = true, delivery.Limit{Count: 1, Window: time.Hour}
	}
	w.restart()
	for _, u := range []string{"u0", "u1", "u2"} {
		w.deactivate("okta", u)
	}
	w.pass(time.Minute)
	w.expectCalls()
	if err := w.worker.Reject(t.Context(), w.hold("max_offboardings", 3).ID, "operator"); err != nil {
		t.Fatal(err)
	}
	w.pass(24 * time.Hour)
	w.expectCalls()
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestARefusedRemovalIsNotTakenForDoneByAReadThatLags(t *testing.T) {
	w := full(t, 1)
	w.vendor.stale = map[string]bool{"a0/ADMIN": true}
	w.vendor.answers = []answer{{err: failure(backend.Rejected, 404)}}
	w.leaveAll(0, 1)
	w.pass(5 * time.Second)
	w.vendor.stale = nil
	w.pass(time.Hour)
	w.expect("")
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestWhoComesBackWithinTheLagIsNotTakenForThere(t *testing.T) {
	w := full(t, 1)
	w.leaveAll(0, 1)
	w.pass(5 * time.Second)
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.leaveAll(0, 1)
	w.pass(10 * time.Minute)
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	if got := w.vendor.recent; !slices.Equal(got, []bool{false, true, true, true, false}) {
		t.Errorf("changes that said that reads lag: %v", got)
	}
}

func TestAThrottledInvitationIsMadeAgain(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d *delivery.Worker) { d.Invite = true }
	w.restart()
	w.vendor.people["root@example.com"] = "root"
	w.vendor.ends = []*backend.Error{failure(backend.Throttled, 429)}
	w.group("okta", "Admins")
	w.user("okta", "new", "new@example.com", true)
	w.join("okta", "new", "Admins")
	w.pass(24 * time.Hour)
	w.expectCalls("invite acme: new@example.com", "invite acme: new@example.com")
}

func TestATeamInDoubtIsNotEmptied(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 10, "Admins")
	again := answer{err: failure(backend.Transient, 503), apply: true}
	w.vendor.answers = []answer{again, again, again, again}
	for i := range 10 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(6 * time.Second)
	w.leaveAll(0, 10)
	w.pass(10 * time.Minute)
	if n := w.heldBy("ADMIN"); n != 10 {
		t.Errorf("%d admins are left, want 10", n)
	}
	w.hold("empties_role", 10)
}
