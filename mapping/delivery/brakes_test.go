package delivery_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
)

var others = mapping.Rule{Groups: []string{"Others"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}}

// full is a world with n admins.
func full(t *testing.T, n int, rules ...mapping.Rule) *world {
	t.Helper()
	w := newWorld(t, append([]mapping.Rule{admins, others}, rules...)...)
	team(w, n, "Admins", "Others")
	for i := range n {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(5 * time.Second)
	w.calls()
	return w
}

func (w *world) leaveAll(from, to int) {
	w.t.Helper()
	for i := from; i < to; i++ {
		w.leave("okta", fmt.Sprint("u", i), "Admins")
	}
}

// hold expects one hold and returns it.
func (w *world) hold(why string, grants int) desk.Hold {
	w.t.Helper()
	holds, err := w.desk.Holds(w.t.Context())
	if err != nil || len(holds) != 1 || holds[0].Why != why || len(holds[0].Grants) != grants || holds[0].ID == "" || holds[0].Since.IsZero() {
		w.t.Fatalf("holds %+v (%v), want one of %d for %s", holds, err, grants, why)
	}
	return holds[0]
}

func (w *world) noHold() {
	w.t.Helper()
	if holds, err := w.desk.Holds(w.t.Context()); err != nil || len(holds) > 0 {
		w.t.Errorf("holds %+v (%v)", holds, err)
	}
}

// heldBy counts the roles at the vendor.
func (w *world) heldBy(role string) int {
	n := 0
	for _, roles := range w.vendor.holds {
		if roles[role] {
			n++
		}
	}
	return n
}

func TestEmptyingATeamIsHeldUntilItIsApproved(t *testing.T) {
	w := full(t, 50)
	w.leaveAll(0, 50)
	w.pass(time.Minute)
	w.expectCalls()
	w.expectCounts("pending 0, blocked 0, held 50")
	id := w.hold("empties_role", 50).ID
	w.join("okta", "u7", "Others") // held work blocks nothing else, not even for the same person
	w.pass(time.Minute)
	w.expectCalls("add acme: a7=SCAN")
	w.restart()
	w.pass(2 * time.Hour)
	w.expectCalls()
	if again := w.hold("empties_role", 50); again.ID != id {
		t.Errorf("after a restart it is %s, was %s", again.ID, id)
	}
	for i := range 10 { // approving applies what is wanted then
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(time.Minute)
	if err := w.desk.Approve(t.Context(), id, "operator", "req"); !errors.Is(err, desk.ErrChanged) {
		t.Fatalf("approved by the id of a list with other content: %v", err)
	}
	id = w.hold("empties_role", 40).ID
	if err := w.desk.Approve(t.Context(), id, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if n := w.heldBy("ADMIN"); n != 10 {
		t.Errorf("%d admins are left, want 10", n)
	}
	w.noHold()
	w.expectCounts("pending 0, blocked 0, held 0")
	if err := w.desk.Approve(t.Context(), id, "operator", "req"); !errors.Is(err, desk.ErrNoHold) {
		t.Errorf("approved once more: %v", err)
	}
	w.leaveAll(0, 1) // what was approved does not count
	w.pass(time.Minute)
	if n := w.heldBy("ADMIN"); n != 9 {
		t.Errorf("%d admins are left, want 9", n)
	}
}

func TestRejectingDisowns(t *testing.T) {
	w := full(t, 20)
	w.leaveAll(0, 20)
	w.pass(time.Minute)
	if err := w.desk.Reject(t.Context(), w.hold("empties_role", 20).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(24 * time.Hour)
	w.expectCalls()
	w.noHold()
	w.expectCounts("pending 0, blocked 0, held 0")
	if n := w.heldBy("ADMIN"); n != 20 {
		t.Errorf("%d admins are left", n)
	}
}

func TestMoreThanTheLimitWithinTheWindowIsHeld(t *testing.T) {
	w := full(t, 40)
	for i := range 12 {
		w.leaveAll(i, i+1)
		w.pass(10 * time.Second)
		if i == 5 {
			w.restart() // the count survives
		}
	}
	if n := w.heldBy("ADMIN"); n != 30 {
		t.Errorf("%d admins are left, want 30", n)
	}
	w.hold("max_removals", 2)
	w.pass(time.Hour)
	w.leaveAll(12, 13) // the window has passed
	w.pass(time.Minute)
	if n := w.heldBy("ADMIN"); n != 29 {
		t.Errorf("%d admins are left, want 29", n)
	}
	w.hold("max_removals", 2)
}

// The whole planned set is held, not what is over the limit.
func TestTheWholeSetIsHeld(t *testing.T) {
	w := full(t, 200)
	w.leaveAll(0, 41) // 20 % of 200 are 40
	w.pass(time.Minute)
	w.expectCalls()
	w.hold("max_removals", 41)
	w.join("okta", "u0", "Admins")
	w.pass(time.Minute)
	w.hold("max_removals", 40)
	w.expectCounts("pending 0, blocked 0, held 40")
}

func TestJustTheLimitGoes(t *testing.T) {
	w := full(t, 200)
	w.leaveAll(0, 40)
	w.pass(time.Minute)
	w.noHold()
	if n := w.heldBy("ADMIN"); n != 160 {
		t.Errorf("%d admins are left", n)
	}
}

func TestASmallTeamIsNotEmptiedEither(t *testing.T) {
	for n, held := range map[int]bool{4: false, 5: true} {
		w := full(t, n)
		w.leaveAll(0, n)
		w.pass(time.Minute)
		if held {
			w.hold("empties_role", n)
		} else {
			w.expect("")
		}
	}
}

// A user who gets the role at the same time may be refused: a team that is exchanged may end empty.
func TestATeamThatIsExchangedIsHeld(t *testing.T) {
	w := full(t, 6)
	w.vendor.people["new@example.com"] = "n"
	w.user("okta", "new", "new@example.com", true)
	w.leaveAll(0, 6)
	w.join("okta", "new", "Admins")
	w.pass(time.Minute)
	w.expectCalls("add acme: n=ADMIN")
	if err := w.desk.Approve(t.Context(), w.hold("empties_role", 6).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.expect("acme/n=ADMIN")
}

func TestAChangedMappingIsUnderTheBrakes(t *testing.T) {
	w := full(t, 20)
	w.remap(others)
	w.restart()
	w.pass(time.Minute)
	w.expectCalls()
	w.hold("empties_role", 20)
}

func TestOffboardingHasALimitOfItsOwn(t *testing.T) {
	w := full(t, 60)
	for i := range 30 {
		w.deactivate("okta", fmt.Sprint("u", i))
	}
	w.pass(time.Minute)
	w.noHold()
	if n := w.heldBy("ADMIN"); n != 30 {
		t.Errorf("%d admins are left, want 30", n)
	}
	w.config = func(d configured) { d.MaxOffboardings = view.Limit{Count: 3, Window: time.Hour} }
	w.restart()
	for i := 30; i < 35; i++ {
		w.deactivate("okta", fmt.Sprint("u", i))
	}
	w.pass(time.Minute)
	w.hold("max_offboardings", 5)
	w.leaveAll(41, 42) // off-boardings do not count against the limit of the others
	w.pass(time.Minute)
	if n := w.heldBy("ADMIN"); n != 29 {
		t.Errorf("%d admins are left, want 29", n)
	}
}

func TestAProtectedPersonWhoLeavesIsHeld(t *testing.T) {
	w := full(t, 3)
	w.config = func(d configured) { d.Protect = []string{"u1@example.com"} }
	w.restart()
	w.deactivate("okta", "u1")
	w.deactivate("okta", "u2")
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
	w.hold("protected", 1)
}

// The last admin is held where the vendor shows that it is the last; an admin that others made counts.
func TestTheLastAdminIsHeld(t *testing.T) {
	for name, c := range map[string]struct {
		hidden, foreign, held bool
	}{"the last": {false, false, true}, "another by hand": {false, true, false}, "not shown": {true, false, false}} {
		t.Run(name, func(t *testing.T) {
			w := full(t, 2)
			w.vendor.admin, w.vendor.hidden = "ADMIN", c.hidden
			w.vendor.people["root@example.com"] = "root"
			if c.foreign {
				w.vendor.holds["acme/root"] = map[string]bool{"ADMIN": true}
			}
			w.leaveAll(0, 1)
			w.pass(time.Minute)
			w.noHold() // one is left
			w.leaveAll(1, 2)
			w.pass(time.Minute)
			if c.held {
				w.hold("last_admin", 1)
				w.expect("acme/a1=ADMIN")
			} else {
				w.noHold()
			}
		})
	}
}

func TestWhoLeavesGoesFirst(t *testing.T) {
	beta := mapping.Rule{Groups: []string{"Betas"}, Backend: "vt", Target: "beta", Roles: []string{"SCAN"}}
	w := full(t, 3, beta)
	w.group("okta", "Betas")
	for i := range 120 {
		id := fmt.Sprint("b", i)
		w.vendor.people[id+"@example.com"] = id
		w.user("okta", id, id+"@example.com", true)
		w.join("okta", id, "Betas")
	}
	w.deactivate("okta", "u0")
	w.vendor.during = func() { // and while the others' calls are being made
		w.vendor.during = func() { w.deactivate("okta", "u1") }
	}
	w.pass(time.Minute)
	calls := w.calls()
	if len(calls) != 7 || calls[0] != "remove acme: a0=ADMIN" || !strings.HasPrefix(calls[1], "add beta") || calls[2] != "remove acme: a1=ADMIN" {
		t.Errorf("%q", calls)
	}
	w.expectCounts("pending 0, blocked 0, held 0")
}

// Nothing is gathered for a user who leaves.
func TestWhoLeavesDoesNotWaitForOthers(t *testing.T) {
	w := full(t, 2)
	w.config = func(d configured) { d.BatchWait = time.Hour }
	w.restart()
	w.deactivate("okta", "u0")
	w.pass(time.Second)
	w.expect("acme/a1=ADMIN")
}

// A removal that came back by a straggler is not a new one: no brake stops its repetition.
func TestABegunRemovalIsNotBraked(t *testing.T) {
	w := full(t, 5)
	w.vendor.answers = []answer{{err: failure(0, 504), late: true}}
	w.leaveAll(0, 4)
	w.pass(2 * time.Minute)
	w.expect("acme/a4=ADMIN")
	w.vendor.holds["acme/a0"]["ADMIN"] = true
	w.config = func(d configured) { d.MaxRemovals = view.Limit{} }
	w.restart()
	w.noHold()
}

func TestHoldsOfDifferentReasonsStandApart(t *testing.T) {
	w := full(t, 30)
	w.config = func(d configured) { d.Protect = []string{"u0@example.com"} }
	w.restart()
	w.leaveAll(0, 20)
	w.pass(time.Minute)
	holds, err := w.desk.Holds(t.Context())
	if err != nil || len(holds) != 2 || holds[0].ID == holds[1].ID {
		t.Fatalf("%+v %v", holds, err)
	}
	i := slices.IndexFunc(holds, func(h desk.Hold) bool { return h.Why == "max_removals" })
	if err := w.desk.Approve(t.Context(), holds[i].ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if n := w.heldBy("ADMIN"); n != 11 {
		t.Errorf("%d admins are left, want 11", n)
	}
	w.hold("protected", 1)
}

// A permission set is what a role is worth: it stays for as long as the people are held.
func TestPermissionSetsWaitWithThePeople(t *testing.T) {
	rule := admins
	rule.PermissionSets = []string{"ps1"}
	w := newWorld(t, rule, others)
	w.vendor.mixed = true
	team(w, 6, "Admins")
	for i := range 6 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(2 * time.Minute)
	w.calls()
	w.remap(others)
	w.worker.RulesChanged()
	w.pass(time.Minute)
	w.expectCalls()
	id := w.hold("empties_role", 6).ID
	w.pass(24 * time.Hour)
	w.expectCalls()
	if err := w.desk.Approve(t.Context(), id, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if got := strings.Join(w.calls(), "; "); !strings.Contains(got, "remove acme: a0=ADMIN") || !strings.Contains(got, "sets acme: +[] -[ps1]") {
		t.Errorf("calls %q", got)
	}
	w.expectCounts("pending 0, blocked 0, held 0")
}
