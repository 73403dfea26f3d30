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
	"github.com/scimbridge/scimbridge/store"
)

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
		w.config = func(d configured) { d.Store, d.Now = disk, time.Now }
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
	w.config = func(d configured) { d.Protect = []string{"u0@example.com"} }
	w.restart()
	w.pass(time.Minute)
	w.vendor.answers = []answer{{err: failure(backend.Throttled, 429)}}
	w.leave("okta", "u0", "Admins")
	w.join("okta", "u0", "Others")
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN,SCAN")
	w.expectCounts("pending 0, blocked 0, held 1")
}

// A comparison that cannot be stored fails again and again, and a user who leaves the group loses the role meanwhile.
func TestAComparisonThatCannotBeStoredDelaysNoUser(t *testing.T) {
	w := full(t, 3)
	w.pass(10 * time.Minute)
	w.breakDisowned()
	w.resync()
	w.leave("okta", "u0", "Admins")
	w.pass(10 * time.Minute)
	if !slices.Contains(w.vendor.calls, "read acme") {
		t.Error("nothing was compared")
	}
	w.expectCalls("remove acme: a0=ADMIN")
}
