package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// round is one look at what is due.
func (w *world) round() {
	w.t.Helper()
	if _, err := w.worker.RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnEmptyListingSettlesNoRefusedRemoval(t *testing.T) {
	w := full(t, 1)
	w.pass(time.Hour)
	w.vendor.answers, w.vendor.empty = []answer{{err: failure(backend.Rejected, 404)}}, true
	w.leaveAll(0, 1)
	w.pass(5 * time.Second)
	w.vendor.empty = false
	w.pass(time.Hour)
	w.expect("")
}

func TestARefusedRemovalOfWhatWasConfirmedIsNotTakenForDone(t *testing.T) {
	w := newWorld(t, admins)
	w.vendor.hidden = true
	team(w, 1, "Admins")
	w.vendor.answers = []answer{{err: failure(backend.Transient, 503)}}
	w.join("okta", "u0", "Admins") // in doubt at first, then confirmed
	w.pass(10 * time.Second)
	w.leaveAll(0, 1)
	w.clock = w.clock.Add(2 * time.Minute)
	w.vendor.answers = []answer{{err: failure(backend.Rejected, 404)}}
	w.pass(time.Hour)
	w.expect("")
}

// Two marks about one account, each of whose calls is refused, must not keep each other from believing what is read.
func TestRefusalsDoNotKeepEachOtherWaiting(t *testing.T) {
	w := full(t, 2)
	w.pass(time.Hour)
	w.vendor.refuse["a0/ADMIN"] = true
	delete(w.vendor.holds["acme/a0"], "ADMIN") // it is not there any more
	w.leaveAll(0, 1)
	w.clock = w.clock.Add(time.Second)
	w.restart() // reads are not trusted for a window
	w.clock = w.clock.Add(40 * time.Second)
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{Account: "a0"})
	})
	w.pass(10 * time.Minute)
	w.expectCounts("pending 0, blocked 0, held 0")
}

// The same of two accounts, whose refused calls are made together.
func TestRefusalsOfABatchDoNotKeepEachOtherWaiting(t *testing.T) {
	w := full(t, 3)
	w.pass(time.Hour)
	for _, a := range []string{"a0", "a1"} {
		w.vendor.refuse[a+"/ADMIN"] = true
		delete(w.vendor.holds["acme/"+a], "ADMIN")
	}
	w.leaveAll(0, 2)
	w.clock = w.clock.Add(time.Second)
	w.restart()
	w.clock = w.clock.Add(40 * time.Second)
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{Account: "a0"}, store.Subject{Account: "a1"})
	})
	w.pass(10 * time.Minute)
	w.expectCounts("pending 0, blocked 0, held 0")
}

// Two roles of one account for which two marks wait, the removal of each refused at another time, must not keep each other from believing what is read.
func TestRefusalsOfTwoRolesDoNotKeepEachOtherWaiting(t *testing.T) {
	w := full(t, 1)
	w.join("okta", "u0", "Others")
	w.pass(time.Hour)
	w.vendor.hidden = true
	w.vendor.refuse["a0/ADMIN"], w.vendor.refuse["a0/SCAN"] = true, true
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{Account: "a0"})
	})
	for _, group := range []string{"Admins", "Others"} { // taken, without an answer that says so; the repetition is refused
		w.vendor.answers = []answer{{err: failure(backend.Transient, 503), apply: true}}
		w.leave("okta", "u0", group)
		w.pass(40 * time.Second)
	}
	w.pass(time.Hour)
	w.expectCounts("pending 0, blocked 0, held 0")
}

// A batch is refused after it took effect in part, and the first half of it never leaves: what may have been given is remembered.
func TestWhatARefusedBatchMayHaveGivenIsNotForgotten(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 4, "Admins")
	w.vendor.answers = []answer{{err: failure(backend.Rejected, 404), apply: true}, {err: &backend.Error{Kind: backend.Transient, Doing: "changing roles", Unsent: true}}}
	for _, u := range []string{"u0", "u1", "u2", "u3"} {
		w.join("okta", u, "Admins")
	}
	w.pass(time.Second)
	w.leaveAll(0, 3)
	w.pass(time.Hour)
	w.expect("acme/a3=ADMIN")
}

// A single removal is refused although it took effect, and the person comes back: what may be gone is given again.
func TestARefusedRemovalThatTookEffectIsUndone(t *testing.T) {
	w := full(t, 2)
	w.vendor.hidden = true
	w.pass(time.Hour)
	w.vendor.answers = []answer{{err: failure(backend.Rejected, 409), apply: true}}
	w.leaveAll(0, 1)
	w.pass(2 * time.Second)
	w.join("okta", "u0", "Admins")
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
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

func TestARefusedAccountIsLookedUpAgain(t *testing.T) {
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

func TestOneForbiddenEntryDelaysNoOther(t *testing.T) {
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

// What is read after a refusal, however long that takes, is postponed for a user who leaves.
func TestWhoLeavesWaitsForNoReadingAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, admins)
		slow := &slowVendor{vendor: w.vendor}
		w.config = func(d configured) { d.Backend, d.Now = slow, time.Now }
		w.clock = time.Now()
		w.restart()
		team(w, 2, "Admins")
		w.join("okta", "u0", "Admins")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.worker.Run(ctx) }()
		step := func(wait time.Duration, do func()) {
			w.clock = time.Now()
			do()
			w.worker.Nudge()
			time.Sleep(wait)
			synctest.Wait()
		}
		step(time.Minute, func() {
			slow.slow.Store(true)
			w.vendor.refuse["a1/ADMIN"] = true
			w.join("okta", "u1", "Admins")
		})
		step(2*time.Second, func() { w.deactivate("okta", "u0") })
		w.expect("")
		step(time.Hour, func() {})
		w.expectCounts("pending 0, blocked 1, held 0")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A user who is deactivated at one identity provider and stays at another is looked at first, and waits only for the window.
func TestARefusalOfWhoLeavesInPartIsReadAtOnce(t *testing.T) {
	w := full(t, 1)
	w.group("entra", "Others")
	w.user("entra", "e0", "u0@example.com", true)
	w.join("entra", "e0", "Others")
	w.pass(time.Hour)
	w.vendor.hidden = true
	w.vendor.refuse["a0/ADMIN"] = true
	w.vendor.answers = []answer{{err: failure(backend.Transient, 503), apply: true}}
	w.deactivate("okta", "u0")
	w.pass(time.Hour)
	w.expect("acme/a0=SCAN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

// forbidSets is a vendor at which the credential may not touch permission sets.
type forbidSets struct{ *vendor }

func (f forbidSets) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	if len(d.PermissionSetsToAdd)+len(d.PermissionSetsToRemove) > 0 {
		f.calls = append(f.calls, describe(d))
		return nil, &backend.Error{Kind: backend.Unauthorized, Doing: "changing roles", Status: 403}
	}
	return f.vendor.Apply(ctx, d)
}

// TestForbiddenPermissionSetsPauseNoTarget, and no listing is read for them.
func TestForbiddenPermissionSetsPauseNoTarget(t *testing.T) {
	rule := admins
	rule.PermissionSets = []string{"s1", "s2", "s3", "s4"}
	w := newWorld(t, rule)
	w.config = func(d configured) { d.Backend, d.BatchSize = forbidSets{w.vendor}, 2 }
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

// TestRefusalIsAnEventOnce: a refusal is in the trail with its code, also of a call for several users, and a repetition is
// not there again.
func TestRefusalIsAnEventOnce(t *testing.T) {
	w := full(t, 3)
	w.pass(time.Hour)
	w.vendor.refuse["a1/ADMIN"] = true
	w.leaveAll(0, 3)
	w.pass(time.Hour)
	refused := 0
	for line := range strings.Lines(w.trail()) {
		if strings.HasPrefix(line, "revoke.refused ") {
			refused++
			if !strings.Contains(line, "u1@example.com ADMIN of a1, acme: okta/Admins") || !strings.Contains(line, "(refused with ") {
				t.Error(line)
			}
		}
	}
	if refused != 1 {
		t.Errorf("%d refusals in the trail\n%s", refused, w.trail())
	}
}
