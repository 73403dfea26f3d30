package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Following is the state of a backend to which another replica delivers.
const Following = "follower"

// Candidate is a backend as one of several replicas serves it. While it holds the lease on the backend it delivers, with a worker
// that is made anew for each term. The worker that it embeds never runs: it answers commands from the store, whoever
// delivers. Fields are set before Run and not changed afterwards; Run is called once, the rest from any goroutine.
type Candidate struct {
	*Worker
	Shared store.Shared
	Owner  string                      // the id of the replica
	Lease  time.Duration               // how long a lease lasts that is not renewed
	Poll   time.Duration               // how often to look whether there is something to do, or to take
	Clock  *Clock                      // the store's
	Term   func(s store.Store) *Worker // makes the worker of a term, but for Init, whose writes go to s
	Who    func(owner string) string   // what operators know a replica by

	delivers atomic.Pointer[Worker]      // of the term; nil: another replica does, or nobody
	seen     atomic.Pointer[store.Lease] // the lease as it was last looked at
}

// Run delivers whenever the lease is to be had, until ctx ends: then a call under way is ended and the lease let go, so that
// another replica takes over at once. The error is one of the store that ends all work.
func (c *Candidate) Run(ctx context.Context) error {
	failing := false // said once, not every second
	for ctx.Err() == nil {
		asked, lease, err := c.stand(ctx)
		again := failing
		failing = err != nil
		switch {
		case errors.Is(err, store.ErrPoisoned), errors.Is(err, store.ErrClosed):
			return err
		case err != nil && (again || ctx.Err() != nil):
		case err != nil:
			c.Log.Warn("delivery: the lease cannot be looked at, will be tried again", "backend", c.Name, "error", err)
		case err == nil && lease.Owner == c.Owner:
			if err := c.serve(ctx, newTerm(asked, c.Lease), lease); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.Poll):
		}
	}
	return nil
}

// stand takes the lease if nobody has it: else what it returns is nobody's.
func (c *Candidate) stand(ctx context.Context) (asked time.Time, lease store.Lease, err error) {
	asked = time.Now()
	all, err := c.Shared.Leases(ctx)
	if err != nil {
		return asked, lease, fmt.Errorf("looking at the lease: %w", err)
	}
	for _, l := range all {
		if l.Name == c.Name && l.Until.After(l.Now) { // even if it is ours: a term that has ended does not begin again
			c.seen.Store(&l)
			return asked, store.Lease{}, nil
		}
	}
	c.seen.Store(nil)
	asked = time.Now()
	lease, err = c.Shared.Take(ctx, c.Name, c.Owner, c.Lease)
	if errors.Is(err, store.ErrHeld) { // another was quicker
		return asked, store.Lease{}, nil
	}
	if err != nil {
		return asked, lease, fmt.Errorf("taking the lease: %w", err)
	}
	c.Clock.Said(lease.Now, asked)
	return asked, lease, nil
}

// serve is one term.
func (c *Candidate) serve(ctx context.Context, t *term, l store.Lease) error {
	w := c.Term(c.Shared.Under(l))
	w.Backend = trusting{w.Backend, t}
	w.ResyncFirst = w.Straggler
	began := time.Now()
	w.Now, w.Steady = c.Clock.Now, func() time.Duration { return time.Since(began) }
	w.Init()
	w.Standby(c.standby.Load())
	c.Log.Info("delivery: this replica delivers now", "backend", c.Name, "term", l.Term)
	c.seen.Store(&l)
	c.delivers.Store(w)

	work, leave := context.WithCancel(ctx)
	kept, stop := context.WithCancel(context.WithoutCancel(ctx)) // also while the last call is waited for
	var helpers sync.WaitGroup
	helpers.Go(func() { c.keep(kept, t, l) })
	helpers.Go(func() { c.wake(work, w) })
	helpers.Go(func() {
		select {
		case <-t.over:
			leave()
		case <-kept.Done():
		}
	})
	err := w.Run(work)
	c.delivers.Store(nil)
	stop()
	leave()
	helpers.Wait()
	if _, trusted := t.deadline(); trusted && err == nil {
		c.release(ctx, l)
	} else {
		c.Log.Warn("delivery: the lease was lost; the replica that delivers next reads back what was under way", "backend", c.Name, "term", l.Term)
	}
	t.end()
	if errors.Is(err, store.ErrFenced) {
		return nil
	}
	return err
}

// keep renews the lease until ctx ends or the trust does.
func (c *Candidate) keep(ctx context.Context, t *term, l store.Lease) {
	wait := c.Lease / 3
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.over:
			return
		case <-time.After(wait):
		}
		until, trusted := t.deadline()
		if !trusted {
			t.end()
			return
		}
		asked := time.Now()
		limited, cancel := context.WithDeadline(ctx, until)
		renewed, err := c.Shared.Renew(limited, l, c.Lease)
		cancel()
		switch {
		case err == nil:
			t.renewed(asked, c.Lease)
			c.Clock.Said(renewed.Now, asked)
			wait = c.Lease / 3
		case errors.Is(err, store.ErrFenced):
			t.end()
			return
		case ctx.Err() == nil:
			c.Log.Warn("delivery: the lease is not renewed, will be tried again", "backend", c.Name, "error", err)
			wait = c.Lease / 15
		}
	}
}

// wake nudges the worker when requests that other replicas took, or commands, have left it something to do.
func (c *Candidate) wake(ctx context.Context, w *Worker) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(c.Poll):
		}
		due := false
		err := c.Shared.View(ctx, func(tx store.Tx) (err error) {
			due, err = tx.Work(c.Name).Due(w.now())
			if err == nil && !due {
				due, err = w.asked(tx)
			}
			return err
		})
		if err == nil && due {
			w.Nudge()
		}
	}
}

// release lets the lease go. If that fails, it is over by itself a little later.
func (c *Candidate) release(ctx context.Context, l store.Lease) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin(c.Lease))
	defer cancel()
	if err := c.Shared.Release(limited, l); err != nil {
		c.Log.Warn("delivery: the lease is not let go; another replica takes over when its time is over", "backend", c.Name, "error", err)
	}
}

// Nudge says that there may be something to do. If another replica delivers, it looks by itself.
func (c *Candidate) Nudge() {
	if w := c.delivers.Load(); w != nil {
		w.Nudge()
	}
}

// RulesChanged says that Rules gives others now: they are in force if this replica delivers.
func (c *Candidate) RulesChanged() {
	if w := c.delivers.Load(); w != nil {
		w.RulesChanged()
	}
}

// Standby makes the worker observe: see Worker.Standby.
func (c *Candidate) Standby(on bool) {
	c.Worker.Standby(on)
	if w := c.delivers.Load(); w != nil {
		w.Standby(on)
	}
}

// Health returns the state of the backend, or that another replica delivers, and which.
func (c *Candidate) Health() (state, reason string) {
	if w := c.delivers.Load(); w != nil {
		return w.Health()
	}
	if c.standby.Load() {
		return c.Worker.Health()
	}
	l := c.seen.Load()
	if l == nil {
		return Following, "no replica delivers; one takes over within seconds"
	}
	return Following, fmt.Sprintf("replica %s delivers, in term %d", c.Who(l.Owner), l.Term)
}

// PausedUntil is until when the whole backend is not called, as far as this replica knows.
func (c *Candidate) PausedUntil() time.Time {
	if w := c.delivers.Load(); w != nil {
		return w.PausedUntil()
	}
	return time.Time{}
}

// Clock is that of a shared store as a replica knows it: what the store said last, and what has passed since by a clock that
// nobody sets. Until the store has said something it is the replica's own. The zero value is ready, and may be used concurrently.
type Clock struct {
	mu   sync.Mutex
	said time.Time
	at   time.Time
}

// believable is how long an answer with the time may take.
const believable = time.Second

// Said notes what the store said when it was asked at that moment.
func (c *Clock) Said(now, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := time.Since(asked)
	if took > believable && !c.at.IsZero() {
		return
	}
	c.said, c.at = now, asked.Add(took/2)
}

// Now is the time by the store's clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now()
	}
	return c.said.Add(time.Since(c.at))
}
