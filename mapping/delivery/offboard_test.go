package delivery_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/view"
)

func TestRejectingAnOffboardingKeepsTheMembership(t *testing.T) {
	w := full(t, 20)
	w.config = func(d configured) {
		d.Offboard, d.MaxOffboardings = true, view.Limit{Window: time.Hour}
	}
	w.restart()
	for _, u := range []string{"u0", "u1", "u2"} {
		w.deactivate("okta", u)
	}
	w.pass(time.Minute)
	w.expectCalls()
	if err := w.desk.Reject(t.Context(), w.hold("max_offboardings", 3).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(24 * time.Hour)
	w.expectCalls()
	w.expectCounts("pending 0, blocked 0, held 0")
}

// `retry` also ends the waiting of those who could not be off-boarded yet.
func TestARetryIsAlsoForThoseWhoCannotBeEndedYet(t *testing.T) {
	w := full(t, 2)
	w.config = func(d configured) { d.Offboard = true }
	w.restart()
	for range 8 {
		w.vendor.ends = append(w.vendor.ends, failure(backend.Transient, 503))
	}
	w.deactivate("okta", "u0")
	w.pass(3 * time.Minute)
	w.vendor.ends = nil
	w.calls()
	if err := w.desk.Retry(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	w.expectCalls("offboard acme: a0")
}

// TestWhoAcceptsASecondInvitationAndLeavesIsOffboarded: the membership that was ended began again, before any role was given.
func TestWhoAcceptsASecondInvitationAndLeavesIsOffboarded(t *testing.T) {
	w := invitedAgain(t)
	w.vendor.people["new@example.com"] = "n" // accepted
	w.deactivate("okta", "new")              // before the bridge has looked again
	w.pass(24 * time.Hour)
	w.expectCalls("offboard acme: n")
}

func TestAThrottledInvitationIsMadeAgain(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Invite = true }
	w.restart()
	w.vendor.people["root@example.com"] = "root"
	w.vendor.ends = []*backend.Error{failure(backend.Throttled, 429)}
	w.group("okta", "Admins")
	w.user("okta", "new", "new@example.com", true)
	w.join("okta", "new", "Admins")
	w.pass(24 * time.Hour)
	w.expectCalls("invite acme: new@example.com", "invite acme: new@example.com")
}
