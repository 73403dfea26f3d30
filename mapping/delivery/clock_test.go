package delivery_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

func TestAClockThatIsSetEndsNoWindow(t *testing.T) {
	w := newWorld(t, admins)
	set := w.settable()
	team(w, 1, "Admins")
	w.vendor.answers = []answer{{err: failure(backend.Transient, 0), late: true}}
	w.join("okta", "u0", "Admins")
	w.pass(2 * time.Second)
	w.leaveAll(0, 1)
	*set = time.Hour
	w.round()
	w.clock = w.clock.Add(5 * time.Second)
	w.round()
	w.clock = w.clock.Add(60 * time.Second)
	w.round()
	w.vendor.late[0]()
	w.clock = w.clock.Add(15 * time.Second)
	for range 10 {
		w.round()
		w.clock = w.clock.Add(time.Minute)
	}
	w.expect("")
}

func TestAClockThatWasSetBackKeepsNothingWaiting(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.clock = w.clock.Add(1000 * time.Hour)
	w.join("okta", "u0", "Admins")
	w.vendor.refuse["a0/ADMIN"] = true
	w.pass(time.Minute)
	w.expectCounts("pending 0, blocked 1, held 0")
	w.clock = w.clock.Add(-1000 * time.Hour)
	clear(w.vendor.refuse)
	w.restart()
	w.pass(5 * time.Second)
	w.expect("acme/a0=ADMIN")
}

// TestAClockSetBackAndARestartKeepNoRemovalWaiting longer than a removal waits.
func TestAClockSetBackAndARestartKeepNoRemovalWaiting(t *testing.T) {
	w := full(t, 1)
	w.vendor.refuse["a0/ADMIN"] = true
	w.leaveAll(0, 1)
	w.clock = w.clock.Add(2 * time.Hour)
	w.pass(3 * time.Second)
	w.expectCounts("pending 0, blocked 1, held 0")
	clear(w.vendor.refuse)
	w.clock = w.clock.Add(-5 * time.Hour)
	w.restart()
	w.pass(time.Hour)
	w.expect("")
}

// TestAComparisonThatWasAskedForOutlivesAClockThatIsSet: it takes two readings, and the clock is corrected by three seconds between them.
func TestAComparisonThatWasAskedForOutlivesAClockThatIsSet(t *testing.T) {
	w := full(t, 1)
	set := w.settable()
	w.clock = w.clock.Add(10 * time.Minute)
	delete(w.vendor.holds["acme/a0"], "ADMIN")
	w.resync()
	if _, err := w.worker.RunOnce(t.Context()); err != nil { // the first
		t.Fatal(err)
	}
	*set = 3 * time.Second
	for range 20 {
		if _, err := w.worker.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.clock = w.clock.Add(30 * time.Second)
	}
	w.expect("acme/a0=ADMIN")
}

// TestAnInvitationOfAClockThatWasAhead does not keep a user from being invited until that clock's day has come.
func TestAnInvitationOfAClockThatWasAhead(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Invite = true }
	w.restart()
	w.vendor.people["root@example.com"] = "root"
	w.group("okta", "Admins")
	w.user("okta", "new", "new@example.com", true)
	w.join("okta", "new", "Admins")
	w.pass(time.Minute)
	w.expectCalls("invite acme: new@example.com")
	w.clock = w.clock.Add(-30 * 24 * time.Hour)
	w.restart()
	w.pass(time.Hour)
	w.expectCalls("invite acme: new@example.com")
}
