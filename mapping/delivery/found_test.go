package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
)

// What the simulation found: each test is named after the defect.

// fullStore refuses the next updates.
type fullStore struct {
	store.Store
	refuse atomic.Int32
}

func (f *fullStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if f.refuse.Load() > 0 {
		f.refuse.Add(-1)
		return fmt.Errorf("no space: %w", store.ErrFull)
	}
	return f.Store.Update(ctx, fn)
}

func TestAnOutcomeThatCannotBeRecordedIsInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, admins)
		disk := &fullStore{Store: w.store}
		w.config = func(d *delivery.Worker) { d.Store, d.Now = disk, time.Now }
		w.clock = time.Now()
		w.restart()
		team(w, 1, "Admins")
		w.vendor.answers = []answer{{err: failure(backend.Transient, 0), late: true}}
		w.vendor.during = func() { disk.refuse.Store(1) }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.worker.Run(ctx) }()
		step := func(do func()) {
			synctest.Wait()
			w.clock = time.Now()
			do()
			w.worker.Nudge()
			time.Sleep(30 * time.Second)
			synctest.Wait()
		}
		step(func() { w.join("okta", "u0", "Admins") })
		step(func() { w.leave("okta", "u0", "Admins") })
		step(func() { w.vendor.late[0]() })
		time.Sleep(5 * time.Minute)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		w.expect("")
	})
}

func TestAHeldRemovalDoesNotHideWhatIsUnfinished(t *testing.T) {
	w := full(t, 1)
	w.config = func(d *delivery.Worker) { d.Protect = []string{"u0@example.com"} }
	w.restart()
	w.pass(time.Minute)
	w.vendor.answers = []answer{{err: failure(backend.Throttled, 429)}}
	w.leave("okta", "u0", "Admins")
	w.join("okta", "u0", "Others")
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN,SCAN")
	w.expectCounts("pending 0, blocked 0, held 1")
}

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

// round is one look at what is due.
func (w *world) round() {
	w.t.Helper()
	if _, err := w.worker.RunOnce(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestAReadIsNotBelievedRightAfterARestart(t *testing.T) {
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
