package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/lead"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// Following is the state of a backend to which another replica delivers.
const Following = "follower"

// Clock is the clock of a shared store.
type Clock = lead.Clock

// Candidate is a backend as one of several replicas serves it. While it leads it delivers, with a worker
// that is made for each term. Fields are set before Run and not changed afterwards.
type Candidate struct {
	Name   string
	Shared store.Shared
	Owner  string                      // the id of the replica
	Lease  time.Duration               // how long a lease lasts that is not renewed
	Poll   time.Duration               // how often the store is read for a free lease, or for work
	Clock  *Clock                      // the store's
	Term   func(s store.Store) *Worker // makes the worker of a term, but for Init, whose writes go to s
	Who    func(owner string) string   // what operators know a replica by

	Log *slog.Logger

	once    sync.Once
	standby atomic.Bool
	elector *lead.Elector
}

// Run delivers whenever this replica leads, until ctx ends.
func (c *Candidate) Run(ctx context.Context) error { return c.lead().Run(ctx) }

func (c *Candidate) lead() *lead.Elector {
	c.once.Do(func() {
		c.elector = &lead.Elector{Name: c.Name, Shared: c.Shared, Owner: c.Owner, Lease: c.Lease, Poll: c.Poll, Clock: c.Clock, Log: c.Log, Begin: c.begin, Waits: c.somethingWaits}
	})
	return c.elector
}

// begin makes the worker of a term.
func (c *Candidate) begin(s store.Store, fence func(backend.Backend) backend.Backend) lead.Deliverer {
	w := c.Term(s)
	w.Backend = fence(w.Backend)
	w.ResyncFirst = w.Straggler
	began := time.Now()
	w.Now, w.Steady = c.Clock.Now, func() time.Duration { return time.Since(began) }
	w.Init()
	w.Standby(c.standby.Load())
	return w
}

// somethingWaits reports whether a mark is due, or a command waits.
func (c *Candidate) somethingWaits(tx store.Tx) (bool, error) {
	due, err := tx.Work(c.Name).Due(c.Clock.Now())
	if err != nil || due {
		return due, err
	}
	return (&memory.Memory{Name: c.Name}).Asked(tx)
}

// delivers returns the worker of the term; nil: another replica leads, or none does.
func (c *Candidate) delivers() *Worker {
	w, _ := c.lead().Delivers().(*Worker)
	return w
}

// Nudge says that there may be something to do. If another replica delivers, it looks by itself.
func (c *Candidate) Nudge() {
	if w := c.delivers(); w != nil {
		w.Nudge()
	}
}

// RulesChanged says that Policy gives another now: it is in force if this replica delivers.
func (c *Candidate) RulesChanged() {
	if w := c.delivers(); w != nil {
		w.RulesChanged()
	}
}

// StandsBy reports whether the backend is only observed: see Standby.
func (c *Candidate) StandsBy() bool { return c.standby.Load() }

// Standby makes the worker observe: see Worker.Standby.
func (c *Candidate) Standby(on bool) {
	c.standby.Store(on)
	if w := c.delivers(); w != nil {
		w.Standby(on)
	}
}

// Health returns the state of the backend, or that another replica delivers, and which.
func (c *Candidate) Health() (state, reason string) {
	if w := c.delivers(); w != nil {
		return w.Health()
	}
	if c.standby.Load() {
		return onStandby()
	}
	l, held := c.lead().Leader()
	if !held {
		return Following, "no replica delivers; one takes over within seconds"
	}
	return Following, fmt.Sprintf("replica %s delivers, in term %d", c.Who(l.Owner), l.Term)
}

// PausedUntil returns until when the whole backend is not called, as far as this replica knows.
func (c *Candidate) PausedUntil() time.Time {
	if w := c.delivers(); w != nil {
		return w.PausedUntil()
	}
	return time.Time{}
}
