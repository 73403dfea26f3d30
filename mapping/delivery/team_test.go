package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

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

func TestALimitIsMeasuredByThoseWhoWereThere(t *testing.T) {
	w := full(t, 100)
	w.config = func(d configured) { d.BatchSize = 5 }
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
