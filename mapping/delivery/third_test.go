package delivery_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// What a harness with vendors of its own found over HTTP, and a third pair of eyes: each test is named after the defect.

// Two roles of one account for which two marks wait, the removal of each refused at another time, must not keep each other from believing what is read.
func TestRefusalsOfTwoRolesDoNotKeepEachOtherWaiting(t *testing.T) {
	w := full(t, 1)
	w.join("okta", "u0", "Others")
	w.pass(time.Hour)
	w.vendor.hidden = true
	w.vendor.refuse["a0/ADMIN"], w.vendor.refuse["a0/SCAN"] = true, true
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").Touch("acme", w.clock, store.Subject{Account: "a0"})
	})
	for _, group := range []string{"Admins", "Others"} { // taken, but nobody says so; the repetition is refused
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
