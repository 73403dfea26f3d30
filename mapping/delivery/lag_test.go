package delivery_test

import (
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

func TestAReadIsNotTrustedRightAfterARestart(t *testing.T) {
	w := full(t, 1)
	w.pass(time.Hour)
	w.leaveAll(0, 1)
	w.pass(5 * time.Second)
	w.restart() // a list may still show the role
	w.vendor.recent = nil
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.pass(10 * time.Minute)
	w.leaveAll(0, 1)
	w.pass(5 * time.Second)
	if got := w.vendor.recent; !slices.Equal(got, []bool{true, false}) {
		t.Errorf("changes that said that reads lag: %v", got)
	}
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
