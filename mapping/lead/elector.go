package lead

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Deliverer delivers to a backend during a term. Run returns when ctx ends, or with an error of the store
// that ends all work.
type Deliverer interface {
	Run(ctx context.Context) error
	Nudge()
}

// Elector takes the lease on a backend whenever it is free, and has a Deliverer run while it holds it.
// Fields are set before Run and not changed afterwards. Run is called once, the rest from any goroutine.
type Elector struct {
	Name   string // of the backend and of the lease
	Shared store.Shared
	Owner  string        // the id of the replica
	Lease  time.Duration // how long a lease lasts that is not renewed
	Poll   time.Duration // how often the store is read for a free lease, or for work
	Clock  *Clock        // the store's
	Log    *slog.Logger
	// Begin makes what delivers during a term: its writes go to s, its calls through fence.
	Begin func(s store.Store, fence func(backend.Backend) backend.Backend) Deliverer
	// Waits reports whether something waits for the Deliverer.
	Waits func(tx store.Tx) (bool, error)

	delivers atomic.Pointer[Deliverer]   // of the term; nil: this replica does not lead
	seen     atomic.Pointer[store.Lease] // the lease as it was last read
}

// Run leads whenever the lease is free, until ctx ends: then a call under way is ended and the lease
// released, so that another replica takes over at once. The error is one of the store that ends all work.
func (e *Elector) Run(ctx context.Context) error {
	failing := false // logged once, not every second
	for ctx.Err() == nil {
		asked, lease, err := e.tryAcquire(ctx)
		again := failing
		failing = err != nil
		switch {
		case errors.Is(err, store.ErrPoisoned), errors.Is(err, store.ErrClosed):
			return err
		case err != nil && (again || ctx.Err() != nil):
		case err != nil:
			e.Log.Warn("delivery: the lease cannot be read, will be tried again", "backend", e.Name, "error", err)
		case lease.Owner == e.Owner:
			if err := e.lead(ctx, newTerm(asked, e.Lease), lease); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(e.Poll):
		}
	}
	return nil
}

// tryAcquire takes a free lease. If another replica holds it, the lease that it returns has no owner.
func (e *Elector) tryAcquire(ctx context.Context) (asked time.Time, lease store.Lease, err error) {
	asked = time.Now()
	all, err := e.Shared.Leases(ctx)
	if err != nil {
		return asked, lease, fmt.Errorf("reading the lease: %w", err)
	}
	for _, l := range all {
		if l.Name == e.Name && l.Until.After(l.Now) { // even if it is ours: a term that has ended does not begin again
			e.seen.Store(&l)
			return asked, store.Lease{}, nil
		}
	}
	e.seen.Store(nil)
	asked = time.Now()
	lease, err = e.Shared.Take(ctx, e.Name, e.Owner, e.Lease)
	if errors.Is(err, store.ErrHeld) { // another replica was quicker
		return asked, store.Lease{}, nil
	}
	if err != nil {
		return asked, lease, fmt.Errorf("taking the lease: %w", err)
	}
	e.Clock.Said(lease.Now, asked)
	return asked, lease, nil
}

// lead is one term.
func (e *Elector) lead(ctx context.Context, t *term, l store.Lease) error {
	d := e.Begin(e.Shared.Under(l), func(b backend.Backend) backend.Backend { return fencedBackend{b, t} })
	e.Log.Info("delivery: this replica delivers now", "backend", e.Name, "term", l.Term)
	e.seen.Store(&l)
	e.delivers.Store(&d)

	work, leave := context.WithCancel(ctx)
	kept, stop := context.WithCancel(context.WithoutCancel(ctx)) // also while the last call is waited for
	var helpers sync.WaitGroup
	helpers.Go(func() { e.renew(kept, t, l) })
	helpers.Go(func() { e.watch(work, d) })
	helpers.Go(func() {
		select {
		case <-t.over:
			leave()
		case <-kept.Done():
		}
	})
	err := d.Run(work)
	e.delivers.Store(nil)
	stop()
	leave()
	helpers.Wait()
	if _, lasts := t.deadline(); lasts && err == nil {
		e.release(ctx, l)
	} else {
		e.Log.Warn("delivery: the lease was lost; the replica that delivers next reads back what was under way", "backend", e.Name, "term", l.Term)
	}
	t.end()
	if errors.Is(err, store.ErrFenced) {
		return nil
	}
	return err
}

// renew extends the lease until ctx ends or the trust does.
func (e *Elector) renew(ctx context.Context, t *term, l store.Lease) {
	wait := e.Lease / 3
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.over:
			return
		case <-time.After(wait):
		}
		until, lasts := t.deadline()
		if !lasts {
			t.end()
			return
		}
		asked := time.Now()
		limited, cancel := context.WithDeadline(ctx, until)
		renewed, err := e.Shared.Renew(limited, l, e.Lease)
		cancel()
		switch {
		case err == nil:
			t.renewed(asked, e.Lease)
			e.Clock.Said(renewed.Now, asked)
			wait = e.Lease / 3
		case errors.Is(err, store.ErrFenced):
			t.end()
			return
		case ctx.Err() == nil:
			e.Log.Warn("delivery: the lease is not renewed, will be tried again", "backend", e.Name, "error", err)
			wait = e.Lease / 15
		}
	}
}

// watch nudges the Deliverer when requests that other replicas took, or commands, have left something to
// do.
func (e *Elector) watch(ctx context.Context, d Deliverer) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(e.Poll):
		}
		waits := false
		err := e.Shared.View(ctx, func(tx store.Tx) (err error) {
			waits, err = e.Waits(tx)
			return err
		})
		if err == nil && waits {
			d.Nudge()
		}
	}
}

// release gives the lease up. If that fails, it ends by itself a little later.
func (e *Elector) release(ctx context.Context, l store.Lease) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin(e.Lease))
	defer cancel()
	if err := e.Shared.Release(limited, l); err != nil {
		e.Log.Warn("delivery: the lease is not released; another replica takes over when it ends", "backend", e.Name, "error", err)
	}
}

// Delivers returns what delivers now; nil: this replica does not lead.
func (e *Elector) Delivers() Deliverer {
	if d := e.delivers.Load(); d != nil {
		return *d
	}
	return nil
}

// Leader returns the lease as it was last read; false: no replica holds it.
func (e *Elector) Leader() (store.Lease, bool) {
	if l := e.seen.Load(); l != nil {
		return *l, true
	}
	return store.Lease{}, false
}
