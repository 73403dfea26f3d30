package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

func failure(kind backend.ErrorKind, status int) *backend.Error {
	return &backend.Error{Kind: kind, Doing: "changing roles", Status: status}
}

func TestARejectedEntryIsIsolated(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 16, "Admins")
	w.vendor.refuse["a5/ADMIN"] = true
	for i := range 16 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(30 * time.Second)
	w.expectCounts("pending 0, blocked 1, held 0")
	if n := strings.Count(w.roles(), "ADMIN"); n != 15 {
		t.Errorf("%d of 15 got the role", n)
	}
	if n := len(w.calls()); n > 10 {
		t.Errorf("isolating one of 16 took %d calls", n)
	}
	delete(w.vendor.refuse, "a5/ADMIN")
	w.pass(11 * time.Minute)
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestARefusedRoleDoesNotKeepTheOthersOfThePersonBack(t *testing.T) {
	w := newWorld(t, bosses)
	team(w, 1, "Bosses")
	w.vendor.refuse["a0/SCAN"] = true
	w.join("okta", "u0", "Bosses")
	w.pass(30 * time.Second)
	w.expect("acme/a0=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
}

func TestAPersonWithoutAnAccountIsBlockedAndFoundLater(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 2, "Admins")
	delete(w.vendor.people, "u1@example.com")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Admins")
	w.pass(5 * time.Second)
	w.expect("acme/a0=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
	w.vendor.people["u1@example.com"] = "a1"
	w.pass(6 * time.Minute)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestTransientFailuresBackOffAndSucceed(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.vendor.answers = []answer{{err: failure(backend.Transient, 503)}, {err: failure(backend.Transient, 503)}, {err: failure(backend.Transient, 503)}}
	start := w.clock
	w.join("okta", "u0", "Admins")
	w.pass(4 * time.Second)
	w.expect("")
	w.pass(10 * time.Second)
	w.expect("acme/a0=ADMIN")
	if n := len(w.calls()); n != 4 {
		t.Errorf("%d calls in %v, want 4: after 1 s, 1 s, 2 s and 4 s", n, w.clock.Sub(start))
	}
}

func TestThrottlingPausesTheBackendUntilItMayGoOn(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	until := w.clock.Add(10 * time.Minute)
	w.vendor.answers = []answer{{err: &backend.Error{Kind: backend.Throttled, Doing: "changing roles", Status: 429, Until: until}}}
	w.join("okta", "u0", "Admins")
	w.pass(9 * time.Minute)
	if n := len(w.calls()); n != 1 {
		t.Errorf("%d calls while throttled, want the one that was refused", n)
	}
	w.pass(2 * time.Minute)
	w.expect("acme/a0=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

// TestAStragglerCannotUndoALaterRemoval: an addition times out, the person leaves, the removal is answered cleanly,
// and then the addition lands after all.
func TestAStragglerCannotUndoALaterRemoval(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		t.Run(fmt.Sprintf("hidden=%v", hidden), func(t *testing.T) {
			w := newWorld(t, admins)
			team(w, 1, "Admins")
			w.vendor.hidden = hidden
			w.vendor.answers = []answer{{err: failure(backend.Transient, 0), late: true}}
			w.join("okta", "u0", "Admins")
			w.pass(1500 * time.Millisecond)
			w.leave("okta", "u0", "Admins")
			w.pass(10 * time.Second)
			w.expect("")
			w.vendor.late[0]()
			w.expect("acme/a0=ADMIN")
			w.expectCounts("pending 1, blocked 0, held 0")
			w.pass(2 * time.Minute)
			w.expect("")
			w.expectCounts("pending 0, blocked 0, held 0")
		})
	}
}

func TestACrashDuringACallIsReadBack(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	// What a crash between the call and its outcome leaves behind.
	w.update(func(tx store.Tx) error {
		e, err := tx.Ledger("vt").Entry("acme", "a0", "ADMIN")
		if err != nil {
			return err
		}
		e.Open, e.Wanted = true, false
		return tx.Ledger("vt").PutEntry(e)
	})
	delete(w.vendor.holds["acme/a0"], "ADMIN")
	w.calls()
	w.restart()
	w.pass(2 * time.Minute)
	w.expect("acme/a0=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

// A target that the vendor does not have keeps no other waiting, is shown as blocked, and leaves nothing behind when
// no rule names it any more.
func TestATargetThatDoesNotExistIsBlocked(t *testing.T) {
	other := admins
	other.Groups, other.Target = []string{"Others"}, "beta"
	w := newWorld(t, admins, other)
	team(w, 2, "Admins", "Others")
	w.vendor.gone["acme"] = true
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Others")
	w.pass(5 * time.Second)
	w.expect("beta/a1=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
	if state, reason := w.worker.Health(); state != "no_target" || !strings.Contains(reason, "target acme") {
		t.Errorf("the backend is %s: %s", state, reason)
	}
	w.leave("okta", "u0", "Admins")
	w.remap(other)
	w.restart()
	w.pass(5 * time.Second)
	w.expectCounts("pending 0, blocked 0, held 0")
	w.remap(admins, other)
	w.restart()
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	delete(w.vendor.gone, "acme") // it is made at the vendor: no new request is needed
	w.pass(7 * time.Hour)
	w.expect("acme/a0=ADMIN beta/a1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

// TestASlowWorkerCannotClearNewerWork: the person leaves while the call that adds them is under way.
func TestASlowWorkerCannotClearNewerWork(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	during := &interrupted{vendor: w.vendor, during: func() { w.leave("okta", "u0", "Admins") }}
	w.config = func(d configured) { d.Backend = during }
	w.restart()
	w.pass(10 * time.Second)
	w.expect("")
	w.expectCounts("pending 0, blocked 0, held 0")
}
