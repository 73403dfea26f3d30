package delivery

import (
	"context"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// Several targets are worked on at once, each in a goroutine of its own. Only one goroutine runs at a
// time: the one that has the turn. It passes the turn on while it waits for the vendor, and at no
// other time. So what a worker remembers needs no lock, and what lies between two calls is as if
// there were one goroutine. What another flight may change during a call is looked at again after
// it: see bind, fenced and claimEnd.

const (
	targetsAtOnce = 8               // see Worker.Targets
	slowCall      = 2 * time.Second // a call that takes longer keeps no other target waiting
	slowTargets   = 4               // with slow calls, so many times Worker.Targets may be under way
)

// flight is work on one target that is under way.
type flight struct {
	dueTarget
	reads bool           // a comparison, or a look at administrators
	rules *mapping.Rules // in force when it began
	place backend.Place

	calling time.Duration           // by Worker.Steady, since when it waits for the vendor
	calls   bool                    // it does
	preempt context.CancelCauseFunc // ends the read that is under way; nil: not to be ended
	moved   map[string]bool         // accounts whose users changed since it began
}

type flightKey struct{}

func flightOf(ctx context.Context) *flight {
	f, _ := ctx.Value(flightKey{}).(*flight)
	return f
}

func (w *Worker) take() { w.turn <- struct{}{} }
func (w *Worker) give() { <-w.turn }

// launch begins work on a target.
func (w *Worker) launch(ctx context.Context, f *flight, work func(context.Context, *flight) error) {
	f.rules, f.moved = w.inForce(), map[string]bool{}
	w.flights[f.name], w.visits[f.name] = f, w.now()
	f.place.Set(f.urgency())
	ctx = context.WithValue(backend.WithPlace(ctx, &f.place), flightKey{}, f)
	go func() {
		w.take()
		defer w.give()
		err := work(ctx, f)
		delete(w.flights, f.name)
		w.visits[f.name] = w.now()
		if w.failure == nil {
			w.failure = err
		}
		select {
		case w.landed <- struct{}{}:
		default:
		}
	}()
}

// urgency returns how soon the calls of a flight are let through the rate limit.
func (f *flight) urgency() backend.Urgency {
	switch {
	case f.urgent && !f.failed:
		return backend.Offboarding
	case f.urgent:
		return backend.Removal
	case f.missing:
		return backend.Rare
	case f.failed, f.fresh, f.reads:
		return backend.Retry
	}
	return backend.Ordinary
}

// behind reports whether the target waits behind others: it failed last time, or was never delivered
// to and may not exist.
func (f *flight) behind() bool { return f.failed || f.missing || f.fresh }

// room reports whether work on a target may begin now. Targets that may not answer never take the last
// place, and off-boardings have places of their own.
func (w *Worker) room(f *flight) bool {
	all, quick, behind, missing, reads := len(w.flights), 0, 0, 0, 0
	if w.flights[f.name] != nil || w.Targets == 1 && all > 0 {
		return false
	}
	for _, o := range w.flights {
		if !w.slow(o) {
			quick++
		}
		if o.behind() {
			behind++
		}
		if o.missing {
			missing++
		}
		if o.reads {
			reads++
		}
	}
	most := slowTargets * w.Targets
	switch {
	case w.Targets == 1:
		return true
	case f.urgent:
		return all < most+w.Targets
	case all >= most, quick >= w.Targets:
		return false
	case f.reads:
		return reads < max(1, w.Targets/4)
	case f.missing && missing > 0:
		return false
	case f.behind():
		return quick < w.Targets-1 && behind < most/2
	}
	return true
}

// slow reports whether a flight has waited long for an answer of the vendor.
func (w *Worker) slow(f *flight) bool {
	return f.calls && !f.place.Waits() && w.Steady()-f.calling >= slowCall
}

// away does something that takes long without the turn.
func (w *Worker) away(ctx context.Context, do func()) {
	f := flightOf(ctx)
	if f == nil {
		do()
		return
	}
	f.calls, f.calling = true, w.Steady()
	w.give()
	do()
	w.take()
	f.calls = false
}

// vendor is a backend whose calls pass the turn on.
type vendor struct {
	backend.Backend
	worker *Worker
}

func (v vendor) Ready(ctx context.Context) (err error) {
	v.worker.away(ctx, func() { err = v.Backend.Ready(ctx) })
	return err
}

func (v vendor) Resolve(ctx context.Context, target string, keys []string) (found map[string]backend.Account, err error) {
	v.worker.away(ctx, func() { found, err = v.Backend.Resolve(ctx, target, keys) })
	return found, err
}

func (v vendor) Invite(ctx context.Context, target, email string) (err error) {
	v.worker.away(ctx, func() { err = v.Backend.Invite(ctx, target, email) })
	return err
}

func (v vendor) Offboard(ctx context.Context, target string, a backend.Account) (err error) {
	v.worker.away(ctx, func() { err = v.Backend.Offboard(ctx, target, a) })
	return err
}

func (v vendor) Observe(ctx context.Context, target string) (seen backend.Observation, err error) {
	v.worker.away(ctx, func() { seen, err = v.Backend.Observe(ctx, target) })
	return seen, err
}

func (v vendor) Apply(ctx context.Context, d backend.Delta) (out []backend.Outcome, err error) {
	if f := flightOf(ctx); f != nil && takes(d) && f.place.Urgency() == backend.Ordinary {
		f.place.Set(backend.Removal)
		defer func() {
			if f.place.Urgency() == backend.Removal { // an off-boarding may have come to wait for it
				f.place.Set(backend.Ordinary)
			}
		}()
	}
	v.worker.away(ctx, func() { out, err = v.Backend.Apply(ctx, d) })
	return out, err
}

// takes reports whether a call revokes something.
func takes(d backend.Delta) bool {
	for _, c := range d.Changes {
		if c.Op != backend.Add {
			return true
		}
	}
	return len(d.PermissionSetsToRemove) > 0
}

// fenced reports whether a call must not be sent as it was planned: users of its accounts moved since.
func (s step) fenced(ctx context.Context) bool {
	f := flightOf(ctx)
	if f == nil {
		return false
	}
	for id := range s.accounts {
		if f.moved[id] {
			return true
		}
	}
	return false
}

// moves notes, for what is under way on other targets, that users are other accounts now.
func (w *Worker) moves(target string, accounts ...string) {
	for name, f := range w.flights {
		for _, id := range accounts {
			if name != target && id != "" {
				f.moved[id] = true
			}
		}
	}
}

// claimEnd keeps an account from being ended by two flights, or while another one grants. It returns
// false if another one ends it.
func (w *Worker) claimEnd(target, account string) (release func(), claimed bool) {
	key := w.endKey(target, account)
	if w.ending[key] != nil {
		return nil, false
	}
	over := make(chan struct{})
	w.ending[key] = over
	return func() {
		delete(w.ending, key)
		close(over)
	}, true
}

// untilEnded waits while an account to which a step grants something is being ended by another flight,
// and reports whether it had to.
func (w *Worker) untilEnded(ctx context.Context, s step) bool {
	for _, c := range s.delta.Changes {
		over := w.ending[w.endKey(s.target, c.Account.ID)]
		if over == nil || c.Op == backend.Remove {
			continue
		}
		w.away(ctx, func() {
			select {
			case <-over:
			case <-ctx.Done():
			}
		})
		return true
	}
	return false
}

// oneList waits until no other flight reads the list of accounts that all targets share: an older one
// must not be taken in after a newer one.
func (w *Worker) oneList(ctx context.Context) (release func(), err error) {
	if !w.Backend.Traits().OneListing || flightOf(ctx) == nil {
		return func() {}, nil
	}
	w.away(ctx, func() {
		select {
		case w.lists <- struct{}{}:
		case <-ctx.Done():
			err = ctx.Err()
		}
	})
	if err != nil {
		return nil, err
	}
	return func() { <-w.lists }, nil
}

// everywhere reports whether a flight has no target: it expands the mark of a user.
func (f *flight) everywhere() bool { return f.name == store.AnyTarget }
