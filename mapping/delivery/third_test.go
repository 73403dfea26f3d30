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
