package delivery_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// longWinded is a vendor that reads for a long time before it changes something, and when it is asked what is there: page after page,
// each within its deadline.
type longWinded struct {
	*vendor
	reads time.Duration
}

func (l longWinded) page(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return &backend.Error{Kind: backend.Transient, Doing: "reading", Unsent: true, Err: ctx.Err()}
	case <-time.After(l.reads):
		return nil
	}
}

func (l longWinded) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	if err := l.page(ctx); err != nil {
		return nil, err
	}
	return l.vendor.Apply(ctx, d)
}

func (l longWinded) Observe(ctx context.Context, target string) (backend.Observation, error) {
	if err := l.page(ctx); err != nil {
		return backend.Observation{}, err
	}
	return l.vendor.Observe(ctx, target)
}

// At a low rate the list of many people takes longer than one call may: that is no reason never to deliver.
func TestALongListingIsNotCutAtTheDeadlineOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, admins)
		w.config = func(d configured) {
			d.Backend, d.Now, d.CallTimeout = longWinded{w.vendor, 2 * time.Minute}, time.Now, 30*time.Second
		}
		w.clock = time.Now()
		w.restart()
		team(w, 2, "Admins")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.worker.Run(ctx) }()
		step := func(do func()) {
			w.clock = time.Now()
			do()
			w.worker.Nudge()
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		step(func() { w.join("okta", "u0", "Admins"); w.join("okta", "u1", "Admins") })
		w.expect("acme/a0=ADMIN acme/a1=ADMIN")
		w.vendor.answers = []answer{{err: failure(backend.Rejected, 404), apply: true}} // and shows so
		w.vendor.refuse["a0/ADMIN"] = true
		step(func() { w.leave("okta", "u0", "Admins") })
		w.expect("acme/a1=ADMIN")
		w.expectCounts("pending 0, blocked 0, held 0")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// slowVendor takes ten minutes to list a target.
type slowVendor struct {
	*vendor
	slow atomic.Bool
	read atomic.Int32 // to their end
}

func (s *slowVendor) Observe(ctx context.Context, target string) (backend.Observation, error) {
	if s.slow.Load() {
		select {
		case <-time.After(10 * time.Minute):
		case <-ctx.Done():
			return backend.Observation{}, failure(backend.Transient, 0)
		}
	}
	s.read.Add(1)
	return s.vendor.Observe(ctx, target)
}

func TestWhoLeavesWaitsForNoListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, admins)
		slow := &slowVendor{vendor: w.vendor}
		w.config = func(d configured) { d.Backend, d.Now = slow, time.Now }
		w.clock = time.Now()
		w.restart()
		team(w, 4, "Admins")
		for i := range 4 {
			w.join("okta", fmt.Sprint("u", i), "Admins")
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.worker.Run(ctx) }()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		slow.slow.Store(true)
		w.resync()
		for i := range 3 {
			time.Sleep(time.Minute)
			w.clock = time.Now()
			w.deactivate("okta", fmt.Sprint("u", i))
			w.worker.Nudge()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if n := w.heldBy("ADMIN"); n != 3-i {
				t.Errorf("%d admins are left after %d left, want %d", n, i+1, 3-i)
			}
		}
		if n := slow.read.Load(); n != 0 {
			t.Errorf("%d listings were read to their end", n)
		}
		time.Sleep(11 * time.Minute) // it is begun again
		synctest.Wait()
		if n := slow.read.Load(); n != 1 {
			t.Errorf("%d listings were read to their end, want 1", n)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAnEmptyListingLeadsToNoInvitation(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Invite = true }
	w.restart()
	w.group("okta", "Admins")
	w.user("okta", "u0", "u0@example.com", true)
	w.join("okta", "u0", "Admins")
	w.pass(time.Hour)
	w.expectCalls()
	w.vendor.people["u0@example.com"] = "a0"
	w.pass(2 * time.Hour)
	w.expect("acme/a0=ADMIN")
}

// A user who is missing from an incomplete listing may have an account: no second one is asked for. A user who is in it is served, and
// the others are looked for again.
func TestAnIncompleteListingLeadsToNoInvitation(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Invite = true }
	w.restart()
	w.vendor.partial, w.vendor.people["u1@example.com"] = true, "a1"
	w.group("okta", "Admins")
	for _, u := range []string{"u0", "u1"} {
		w.user("okta", u, u+"@example.com", true)
		w.join("okta", u, "Admins")
	}
	w.pass(time.Hour)
	w.expectCalls("add acme: a1=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
	w.vendor.people["u0@example.com"] = "a0"
	w.pass(2 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
}

// Where the count of a listing is always off, an unknown user keeps no other waiting.
func TestAUserWhoIsNotShownDelaysNoOther(t *testing.T) {
	w := newWorld(t, admins)
	w.vendor.people["u0@example.com"], w.vendor.people["u1@example.com"] = "a0", "a1"
	w.vendor.cut, w.vendor.unshown = true, "a0"
	w.group("okta", "Admins")
	for _, u := range []string{"u0", "u1"} {
		w.user("okta", u, u+"@example.com", true)
		w.join("okta", u, "Admins")
	}
	w.pass(time.Minute)
	w.expect("acme/a1=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		m, err := tx.Work("vt").Mark("acme", store.Subject{IdP: "okta", User: "u0"})
		if err == nil && m.Reason != "not_shown" {
			t.Errorf("blocked as %q", m.Reason)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.vendor.unshown = ""
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
}
