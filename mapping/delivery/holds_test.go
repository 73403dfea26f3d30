package delivery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
)

func TestWhatIsProtectedCannotBeApproved(t *testing.T) {
	w := full(t, 2)
	w.config = func(d configured) { d.Protect = []string{"u1@example.com"} }
	w.restart()
	w.leaveAll(1, 2)
	w.pass(time.Minute)
	if err := w.desk.Approve(t.Context(), w.hold("protected", 1).ID, "operator", "req"); !errors.Is(err, desk.ErrProtected) {
		t.Error(err)
	}
	w.hold("protected", 1)
}

// TestAnApprovalDuringAVisitStands: what the visit found to hold is not held once more, nor reported.
func TestAnApprovalDuringAVisitStands(t *testing.T) {
	w := full(t, 5)
	w.vendor.admin = "ADMIN"
	w.vendor.people["root@example.com"] = "root"
	w.vendor.holds["acme/root"] = map[string]bool{"ADMIN": true}
	l := &hooked{vendor: w.vendor}
	w.config = func(d configured) {
		d.Backend, d.MaxOffboardings = l, view.Limit{Count: 1, Window: time.Hour}
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
		if err := w.desk.Approve(t.Context(), id, "operator", "req"); err != nil {
			t.Error(err)
		}
		approved = true
	}
	w.pass(time.Minute)
	holds, err := w.desk.Holds(t.Context())
	if err != nil || !approved || len(holds) > 0 {
		t.Errorf("approved %v, and held again: %+v, %v", approved, holds, err)
	}
	if told := w.trail(); strings.Contains(told, "max_offboardings") {
		t.Errorf("the trail tells of a hold that never was:\n%s", told)
	}
}

func TestAnApprovalCountsOnce(t *testing.T) {
	for _, f := range []*backend.Error{failure(backend.Throttled, 429), failure(backend.Unauthorized, 401), failure(backend.Rejected, 400)} {
		w := full(t, 20)
		w.leaveAll(0, 20)
		w.pass(time.Minute)
		w.vendor.answers = []answer{{err: f}}
		if err := w.desk.Approve(t.Context(), w.hold("empties_role", 20).ID, "operator", "req"); err != nil {
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

func TestAHoldDoesNotGrowAfterItWasShown(t *testing.T) {
	w := full(t, 40)
	w.leaveAll(0, 15)
	w.pass(2 * time.Minute)
	id := w.hold("max_removals", 15).ID
	w.leaveAll(15, 29)
	w.pass(2 * time.Minute)
	if err := w.desk.Approve(t.Context(), id, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if n := w.heldBy("ADMIN"); n != 25 {
		t.Errorf("%d admins are left, want 25", n)
	}
	w.hold("max_removals", 14)
}
