package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
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
	w.pass(2 * time.Minute)
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

// An administrator who is seen in an incomplete listing is not relied on.
func TestAListingThatIsNotWholeDoesNotShowThatAnAdminRemains(t *testing.T) {
	w := full(t, 1)
	w.vendor.people["root@example.com"], w.vendor.holds["acme/root"] = "root", map[string]bool{"ADMIN": true}
	w.vendor.admin, w.vendor.cut = "ADMIN", true
	w.leaveAll(0, 1)
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN acme/root=ADMIN")
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

// A user who is missing from an incomplete listing may have an account: no second one is asked for. A user who is in it is served, and
// the others are looked for again.
func TestAListingThatIsNotWholeInvitesNobody(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d *delivery.Worker) { d.Invite = true }
	w.restart()
	w.vendor.partial, w.vendor.people["u1@example.com"] = true, "a1"
	w.group("okta", "Admins")
	for _, u := range []string{"u0", "u1"} {
		w.user("okta", u, u+"@example.com", true)
		w.join("okta", u, "Admins")
	}
	w.pass(time.Hour)
	w.expectCalls("add acme: a1=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
	w.vendor.people["u0@example.com"] = "a0"
	w.pass(2 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
}

// Where the count of a listing is always off, an unknown user keeps no other waiting.
func TestSomebodyWhoIsNotShownStopsNobody(t *testing.T) {
	w := newWorld(t, admins)
	w.vendor.people["u0@example.com"], w.vendor.people["u1@example.com"] = "a0", "a1"
	w.vendor.cut, w.vendor.unshown = true, "a0"
	w.group("okta", "Admins")
	for _, u := range []string{"u0", "u1"} {
		w.user("okta", u, u+"@example.com", true)
		w.join("okta", u, "Admins")
	}
	w.pass(time.Minute)
	w.expect("acme/a1=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		m, err := tx.Work("vt").Mark("acme", store.Subject{IdP: "okta", User: "u0"})
		if err == nil && m.Reason != "not_shown" {
			t.Errorf("blocked as %q", m.Reason)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.vendor.unshown = ""
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
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
	if err := w.worker.Approve(t.Context(), w.hold("protected", 1).ID, "operator", "req"); !errors.Is(err, delivery.ErrProtected) {
		t.Error(err)
	}
	w.hold("protected", 1)
}

func TestRejectingAnOffboardingKeepsTheMembership(t *testing.T) {
	w := full(t, 20)
	w.config = func(d *delivery.Worker) {
		d.Offboard, d.MaxOffboardings = true, delivery.Limit{Window: time.Hour}
	}
	w.restart()
	for _, u := range []string{"u0", "u1", "u2"} {
		w.deactivate("okta", u)
	}
	w.pass(time.Minute)
	w.expectCalls()
	if err := w.worker.Reject(t.Context(), w.hold("max_offboardings", 3).ID, "operator", "req"); err != nil {
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

func TestAnAdminMadeByHandIsTheLastToBeOffboarded(t *testing.T) {
	w := newWorld(t, others)
	w.config = func(d *delivery.Worker) { d.Offboard = true }
	w.restart()
	team(w, 2, "Others")
	w.vendor.admin = "ADMIN"
	w.join("okta", "u0", "Others")
	w.pass(5 * time.Second)
	w.vendor.holds["acme/a0"]["ADMIN"] = true
	w.calls()
	w.deactivate("okta", "u0")
	w.pass(time.Hour)
	w.expectCalls("remove acme: a0=SCAN")
	id := w.hold("last_admin", 1).ID
	w.vendor.holds["acme/a1"] = map[string]bool{"ADMIN": true}
	w.vendor.stale = map[string]bool{}
	if err := w.worker.Approve(t.Context(), id, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	w.expectCalls("remove acme: a0=ADMIN", "offboard acme: a0")
	w.expect("acme/a1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestARejectedHoldStaysSoUnderAuthoritative(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w, drift := drifting(t, rule)
	for i := range 20 {
		id := fmt.Sprint("x", i)
		w.vendor.people[id+"@example.com"] = id
		w.vendor.holds["acme/"+id] = map[string]bool{"ADMIN": true}
	}
	w.pass(2 * time.Hour)
	if err := w.worker.Reject(t.Context(), w.hold("max_removals", 20).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	clear(drift)
	w.pass(24 * time.Hour)
	w.expectCalls()
	w.noHold()
	w.user("okta", "x0", "x0@example.com", true) // what a group gives, too, is the bridge's again
	w.join("okta", "x0", "Admins")
	w.pass(2 * time.Hour)
	w.leave("okta", "x0", "Admins")
	w.pass(time.Hour)
	if w.vendor.holds["acme/x0"]["ADMIN"] {
		t.Error("x0 keeps what a group gave and took")
	}
	delete(w.vendor.holds["acme/x1"], "ADMIN") // what is gone and comes again is another grant
	w.pass(2 * time.Hour)
	w.vendor.holds["acme/x1"]["ADMIN"] = true
	w.pass(2 * time.Hour)
	if w.vendor.holds["acme/x1"]["ADMIN"] || !w.vendor.holds["acme/x2"]["ADMIN"] {
		t.Errorf("x1 %v, x2 %v", w.vendor.holds["acme/x1"], w.vendor.holds["acme/x2"])
	}
}

func TestAVanishedGroupIsNoTarget(t *testing.T) {
	w := full(t, 30)
	w.vendor.lost = map[string]bool{"acme": true}
	for i := range 8 {
		w.join("okta", fmt.Sprint("u", i), "Others")
	}
	w.pass(30 * time.Second)
	if n := len(w.calls()); n > 4 {
		t.Errorf("%d calls to find that nothing is there", n)
	}
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		for m, err := range tx.Work("vt").Marks("") {
			if err != nil || m.State != store.Blocked || m.Reason != "no_target" {
				t.Errorf("%+v, %v", m, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if state, reason := w.worker.Health(); state != "no_target" || !strings.Contains(reason, "target acme") {
		t.Errorf("%s: %s", state, reason)
	}
	w.vendor.lost = nil
	w.pass(10 * time.Minute)
	if n := w.heldBy("SCAN"); n != 8 {
		t.Errorf("%d have the role, want 8", n)
	}
}

func TestAnAccountMadeAnewIsFoundByResync(t *testing.T) {
	w, _ := drifting(t, admins)
	w.vendor.people["u1@example.com"] = "b1"
	delete(w.vendor.holds, "acme/a1")
	w.pass(time.Hour + time.Minute)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN acme/b1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
	w.leave("okta", "u1", "Admins")
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN")
}

func TestAnAccountMadeAnewIsFoundWithAllOfItsRoles(t *testing.T) {
	w, _ := drifting(t, admins, others)
	w.group("okta", "Others")
	w.join("okta", "u1", "Others")
	w.pass(time.Minute)
	w.vendor.people["u1@example.com"] = "b1"
	delete(w.vendor.holds, "acme/a1")
	w.pass(time.Hour + time.Minute)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN acme/b1=ADMIN,SCAN")
}

func TestWhoIsRefusedUnderAnAccountIsLookedUpAnew(t *testing.T) {
	w, _ := drifting(t, admins)
	w.vendor.refuse["a1/ADMIN"] = true
	delete(w.vendor.holds["acme/a1"], "ADMIN")
	w.pass(time.Hour + time.Minute)
	w.expectCounts("pending 0, blocked 1, held 0")
	w.vendor.people["u1@example.com"] = "b1"
	w.pass(10 * time.Minute)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN acme/b1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestHealthNamesTheTargetThatIsRefused(t *testing.T) {
	other := others
	other.Target = "beta"
	w := newWorld(t, admins, other)
	team(w, 2, "Admins", "Others")
	w.vendor.answers = []answer{{err: failure(backend.Unauthorized, 403)}}
	w.join("okta", "u0", "Admins")
	w.pass(1100 * time.Millisecond)
	w.join("okta", "u1", "Others")
	w.clock = w.clock.Add(500 * time.Millisecond)
	w.round()
	if state, reason := w.worker.Health(); state != "unauthorized" || !strings.Contains(reason, "target acme") || strings.Contains(reason, "beta") {
		t.Errorf("%s: %s", state, reason)
	}
	w.pass(time.Minute)
	if state, reason := w.worker.Health(); state != "ok" {
		t.Errorf("%s: %s", state, reason)
	}
}

// slowVendor takes ten minutes to list a target.
type slowVendor struct {
	*vendor
	slow atomic.Bool
	read atomic.Int32 // to their end
}

func (s *slowVendor) Observe(ctx context.Context, target string) (backend.Observation, error) {
	if s.slow.Load() {
		select {
		case <-time.After(10 * time.Minute):
		case <-ctx.Done():
			return backend.Observation{}, failure(backend.Transient, 0)
		}
	}
	s.read.Add(1)
	return s.vendor.Observe(ctx, target)
}

func TestWhoLeavesWaitsForNoListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, admins)
		slow := &slowVendor{vendor: w.vendor}
		w.config = func(d *delivery.Worker) { d.Backend, d.Now = slow, time.Now }
		w.clock = time.Now()
		w.restart()
		team(w, 4, "Admins")
		for i := range 4 {
			w.join("okta", fmt.Sprint("u", i), "Admins")
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.worker.Run(ctx) }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		slow.slow.Store(true)
		w.resync()
		for i := range 3 {
			time.Sleep(time.Minute)
			w.clock = time.Now()
			w.deactivate("okta", fmt.Sprint("u", i))
			w.worker.Nudge()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if n := w.heldBy("ADMIN"); n != 3-i {
				t.Errorf("%d admins are left after %d left, want %d", n, i+1, 3-i)
			}
		}
		if n := slow.read.Load(); n != 0 {
			t.Errorf("%d listings were read to their end", n)
		}
		time.Sleep(11 * time.Minute) // it is begun again
		synctest.Wait()
		if n := slow.read.Load(); n != 1 {
			t.Errorf("%d listings were read to their end, want 1", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestARemovalThatWasAppliedIsNotBlocked(t *testing.T) {
	w := full(t, 3)
	w.vendor.hidden = true
	w.pass(time.Hour)
	w.leaveAll(0, 1)
	w.vendor.answers = []answer{{err: failure(backend.Transient, 504), apply: true}, {err: failure(backend.Rejected, 400)}}
	w.vendor.refuse["a0/ADMIN"] = true // it is not there any more
	w.pass(10 * time.Second)
	w.expectCounts("pending 1, blocked 0, held 0")
	w.pass(2 * time.Minute)
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestDoubtOutlivesThrottling(t *testing.T) {
	w := full(t, 3)
	w.vendor.hidden = true
	w.pass(time.Hour)
	w.leaveAll(0, 1)
	w.vendor.answers = []answer{{err: failure(backend.Transient, 504), apply: true}, {err: failure(backend.Transient, 503)}}
	for range 8 {
		w.vendor.answers = append(w.vendor.answers, answer{err: failure(backend.Throttled, 429)})
	}
	w.pass(5 * time.Second)
	w.vendor.refuse["a0/ADMIN"] = true
	w.pass(2 * time.Hour)
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestAnAdminWhoWasMadeAMomentAgoRemains(t *testing.T) {
	w := full(t, 4)
	w.vendor.admin = "ADMIN"
	w.vendor.people["root@example.com"] = "root"
	w.vendor.stale = map[string]bool{"a0/ADMIN": true, "a1/ADMIN": true, "a2/ADMIN": true, "a3/ADMIN": true}
	w.leaveAll(0, 1)
	w.pass(2 * time.Second)
	w.noHold()
	w.expect("acme/a1=ADMIN acme/a2=ADMIN acme/a3=ADMIN")
}

func TestAHoldThatEndsWakesAllWhoWaitForIt(t *testing.T) {
	w := full(t, 20)
	w.leaveAll(0, 20)
	w.pass(5 * time.Second)
	w.hold("empties_role", 20)
	w.group("entra", "Admins")
	for i := range 20 {
		w.user("entra", fmt.Sprint("e", i), fmt.Sprintf("u%d@example.com", i), true)
		w.join("entra", fmt.Sprint("e", i), "Admins")
	}
	w.pass(time.Hour)
	w.noHold()
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestALateRemovalBehindALaggingReadIsUndone(t *testing.T) {
	w := full(t, 3)
	w.pass(time.Hour)
	w.leave("okta", "u0", "Admins")
	w.vendor.answers = []answer{{err: failure(backend.Transient, 504), late: true}}
	w.clock = w.clock.Add(time.Second)
	w.round()
	w.join("okta", "u0", "Admins")
	w.pass(72 * time.Second) // given again, with a clean answer
	w.vendor.late[0]()       // within the window the removal takes effect
	w.vendor.lags = map[string][]string{"acme/a0": {"ADMIN"}}
	w.pass(5 * time.Second)
	w.vendor.lags = nil
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
}

func TestAnApprovalCountsOnce(t *testing.T) {
	for _, f := range []*backend.Error{failure(backend.Throttled, 429), failure(backend.Unauthorized, 401), failure(backend.Rejected, 400)} {
		w := full(t, 20)
		w.leaveAll(0, 20)
		w.pass(time.Minute)
		w.vendor.answers = []answer{{err: f}}
		if err := w.worker.Approve(t.Context(), w.hold("empties_role", 20).ID, "operator", "req"); err != nil {
			t.Fatal(err)
		}
		w.clock = w.clock.Add(time.Second)
		w.round()
		for i := range 20 {
			w.join("okta", fmt.Sprint("u", i), "Admins")
		}
		w.pass(time.Hour)
		w.leaveAll(0, 20)
		w.pass(time.Hour)
		w.hold("empties_role", 20)
	}
}

func TestOneForbiddenEntryStarvesNobody(t *testing.T) {
	w := full(t, 20)
	w.vendor.forbid = "a0"
	w.pass(2 * time.Minute)
	w.leaveAll(0, 3)
	w.join("okta", "u9", "Others")
	w.pass(time.Minute)
	if n := w.heldBy("ADMIN"); n != 18 || !w.vendor.holds["acme/a9"]["SCAN"] {
		t.Errorf("%d admins are left, want 18; a9 has %v", n, w.vendor.holds["acme/a9"])
	}
	w.expectCounts("pending 0, blocked 1, held 0")
	w.vendor.forbid = ""
	w.pass(10 * time.Minute)
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestOurOwnRemovalIsNoDrift(t *testing.T) {
	w, drift := drifting(t, admins)
	w.leave("okta", "u0", "Admins")
	w.pass(2 * time.Second)
	w.vendor.lags = map[string][]string{"acme/a0": {"ADMIN"}}
	w.resync()
	w.pass(30 * time.Second)
	w.vendor.lags = nil
	w.pass(2 * time.Hour)
	if len(drift) > 0 {
		t.Errorf("%v", drift)
	}
}

func TestTwoSightingsMustBeInARow(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w, drift := drifting(t, rule)
	w.pass(2 * time.Minute)
	for range 3 {
		w.vendor.lags = map[string][]string{"acme/a3": {"ADMIN"}}
		w.resync()
		w.pass(time.Second)
		w.vendor.lags = nil
		w.pass(2 * time.Hour)
	}
	w.expectCalls()
	if drift["foreign"] != 3 { // each time it came again
		t.Errorf("%v", drift)
	}
}

func TestALimitIsMeasuredByThoseWhoWereThere(t *testing.T) {
	w := full(t, 100)
	w.config = func(d *delivery.Worker) { d.BatchSize = 5 }
	w.restart()
	w.pass(2 * time.Minute)
	w.leaveAll(0, 20)
	w.vendor.answers = []answer{{}, {}, {err: failure(backend.Transient, 503)}}
	w.pass(time.Hour)
	w.noHold()
	if n := w.heldBy("ADMIN"); n != 80 {
		t.Errorf("%d admins are left, want 80", n)
	}
}

func TestAHoldDoesNotGrowAfterItWasShown(t *testing.T) {
	w := full(t, 40)
	w.leaveAll(0, 15)
	w.pass(2 * time.Minute)
	id := w.hold("max_removals", 15).ID
	w.leaveAll(15, 29)
	w.pass(2 * time.Minute)
	if err := w.worker.Approve(t.Context(), id, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if n := w.heldBy("ADMIN"); n != 25 {
		t.Errorf("%d admins are left, want 25", n)
	}
	w.hold("max_removals", 14)
}
