package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// Ending a membership or account is an off-boarding, whether the bridge gave it roles or not.
func TestOffboardingLimitOfAccounts(t *testing.T) {
	begin := func(t *testing.T, one bool) *world {
		w := newWorld(t, admins)
		w.vendor.one = one
		team(w, 20, "Admins")
		for i := range 20 {
			w.join("okta", fmt.Sprint("u", i), "Admins")
		}
		w.config = func(d configured) {
			d.Offboard, d.MaxRemovals, d.MaxOffboardings = true, view.Limit{Percent: 100, Window: time.Hour}, view.Limit{Count: 3, Window: 5 * time.Hour}
		}
		w.restart()
		w.pass(5 * time.Minute)
		w.leaveAll(0, 10) // the account is known, and has no role
		w.pass(5 * time.Minute)
		w.calls()
		return w
	}
	end := func(w *world, from, to int) {
		for i := from; i < to; i++ {
			id := fmt.Sprint("u", i)
			w.deactivate("okta", id)
			w.everywhere("okta", id)
			w.pass(5 * time.Second)
		}
		w.pass(5 * time.Minute)
	}
	ended := func(w *world) (out []string) {
		for _, c := range w.calls() {
			if strings.HasPrefix(c, "offboard") {
				out = append(out, c)
			}
		}
		return out
	}
	for name, one := range map[string]bool{"memberships": false, "accounts": true} {
		t.Run(name+" without a role", func(t *testing.T) {
			w := begin(t, one)
			end(w, 0, 8)
			if got := ended(w); len(got) != 3 {
				t.Errorf("ended %q, want three", got)
			}
			h := w.hold("max_offboardings", 5)
			w.expectCounts("pending 0, blocked 0, held 5")
			w.restart()
			w.pass(2 * time.Hour)
			if got := ended(w); len(got) > 0 {
				t.Errorf("ended %q", got)
			}
			if err := w.desk.Approve(t.Context(), h.ID, "operator", "req"); err != nil {
				t.Fatal(err)
			}
			w.pass(5 * time.Minute)
			if got := ended(w); len(got) != 5 {
				t.Errorf("approved: ended %q, want five", got)
			}
			w.noHold()
			w.expectCounts("pending 0, blocked 0, held 0")
		})
		t.Run(name+" with a role count once", func(t *testing.T) {
			w := begin(t, one)
			end(w, 10, 12)
			end(w, 0, 4)
			if got := ended(w); len(got) != 3 {
				t.Errorf("ended %q, want three", got)
			}
			w.hold("max_offboardings", 3)
		})
		t.Run(name+" whose roles were approved", func(t *testing.T) {
			w := begin(t, one)
			end(w, 10, 18)
			if got := ended(w); len(got) != 3 {
				t.Errorf("ended %q, want three", got)
			}
			if err := w.desk.Approve(t.Context(), w.hold("max_offboardings", 5).ID, "operator", "req"); err != nil {
				t.Fatal(err)
			}
			w.pass(10 * time.Minute)
			if got := ended(w); len(got) != 5 {
				t.Errorf("approved: ended %q, want five", got)
			}
			w.noHold()
		})
		t.Run(name+" that are rejected stay", func(t *testing.T) {
			w := begin(t, one)
			end(w, 0, 8)
			if err := w.desk.Reject(t.Context(), w.hold("max_offboardings", 5).ID, "operator", "req"); err != nil {
				t.Fatal(err)
			}
			w.pass(24 * time.Hour)
			if got := ended(w); len(got) != 3 {
				t.Errorf("ended %q, want three", got)
			}
			w.expectCounts("pending 0, blocked 0, held 0")
		})
		t.Run(name+" of users who are back", func(t *testing.T) {
			w := begin(t, one)
			end(w, 0, 4)
			w.hold("max_offboardings", 1)
			w.user("okta", "u3", "u3@example.com", true)
			w.join("okta", "u3", "Admins")
			w.pass(5 * time.Minute)
			w.noHold()
			w.expectCounts("pending 0, blocked 0, held 0")
		})
	}
}

// A removal that one brake held and another one holds now waits for one decision, and its user for no other.
func TestHoldOfAnotherReason(t *testing.T) {
	w := full(t, 20)
	w.config = func(d configured) {
		d.MaxRemovals, d.MaxOffboardings = view.Limit{Window: time.Hour}, view.Limit{Window: time.Hour}
	}
	w.restart()
	w.leaveAll(0, 1)
	w.pass(time.Minute)
	w.hold("max_removals", 1)
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{Account: "a0"})
	})
	w.pass(time.Minute)
	w.deactivate("okta", "u0")
	w.everywhere("okta", "u0")
	w.pass(time.Minute)
	id := w.hold("max_offboardings", 1).ID
	w.update(func(tx store.Tx) error { return heldByNothing(tx) })
	if err := w.desk.Approve(t.Context(), id, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.expectCounts("pending 0, blocked 0, held 0")
	if n := w.heldBy("ADMIN"); n != 19 {
		t.Errorf("%d administrators are left, want 19", n)
	}
}
