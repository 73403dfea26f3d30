package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// round is the loop: it does what is due for the whole backend, and begins work on targets that are due while there
// is room. It does not wait for them. Those that are visited are not visited again.
func (w *Worker) round(ctx context.Context, visited map[string]bool) (next time.Time, err error) {
	w.Take()
	defer w.Give()
	if err := w.TakeFailure(); err != nil {
		return time.Time{}, err
	}
	began := w.Steady()
	if err := w.jumped(ctx); err != nil { // the clock was set
		return time.Time{}, err
	}
	if w.remapAsked.Swap(false) { // other rules are in force
		if err := w.Remap(ctx); err != nil {
			w.remapAsked.Store(true)
			return time.Time{}, err
		}
	}
	all, err := w.Waits(ctx)
	if err == nil && (all.Asked || w.LooksNow()) {
		if err = w.Look(ctx, all.Asked); err == nil { // commands, and what a resync compares
			all, err = w.Waits(ctx)
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	rechecks, err := w.admins.Due(ctx) // holds whose reason may be gone
	if err != nil {
		return time.Time{}, err
	}
	targets, next := w.Due(all)
	if targets, err = w.withinLimit(ctx, targets); err != nil {
		return next, err
	}
	w.PreemptFor(targets)
	again, err := w.endFormer(ctx, all.Empty() && !w.Any())
	if err != nil {
		return next, err
	}
	next = memory.Earlier(memory.Earlier(memory.Earlier(next, w.Next()), w.admins.Next()), again)
	if w.launchAll(ctx, targets, rechecks, visited) {
		again := w.Clock()
		if visited == nil {
			again = again.Add(flight.SlowCall)
		}
		next = memory.Earlier(next, again)
	}
	w.busy = w.Any()
	if took := w.Steady() - began; took > longRound {
		w.rest = w.Clock().Add(4 * took)
	}
	return next, w.noteCondition(ctx)
}

// noteCondition is tell, for which no round fails.
func (w *Worker) noteCondition(ctx context.Context) error {
	if err := w.Breaker.Tell(ctx, w.Store); err != nil && memory.Ends(err) {
		return err
	} else if err != nil {
		w.Log.Warn("how the backend is doing is not noted, will be tried again", "backend", w.Name, "error", err)
	}
	return nil
}

// launchAll begins work while there is room: off-boardings, then comparisons, then all other marks. left: there is more.
func (w *Worker) launchAll(ctx context.Context, targets []flight.Target, rechecks []string, visited map[string]bool) (left bool) {
	launch := func(kind string, f *flight.Flight, work func(context.Context, *flight.Flight) error) {
		switch {
		case w.Under(f.Name): // when it lands there is another round
		case visited[kind+f.Name], !w.Room(f):
			left = true
		default:
			if visited != nil {
				visited[kind+f.Name] = true
			}
			w.Launch(ctx, f, w.InForce().Rules, work)
		}
	}
	for _, t := range targets {
		if t.Urgent {
			launch("urgent ", &flight.Flight{Target: t}, w.deliverTo)
		}
	}
	for _, target := range rechecks {
		launch("recheck ", &flight.Flight{Target: flight.Target{Name: target}, Reads: true}, w.admins.Recheck)
	}
	for _, target := range w.Looks() {
		launch("compare ", &flight.Flight{Target: flight.Target{Name: target}, Reads: true}, w.Compare)
	}
	w.left = 0
	for _, t := range targets {
		if !t.Urgent {
			launch("", &flight.Flight{Target: t}, w.deliverTo)
			if !w.Under(t.Name) {
				w.left++
			}
		}
	}
	return left
}

// deliverTo is the whole algorithm for one target.
func (w *Worker) deliverTo(ctx context.Context, f *flight.Flight) error {
	t := f.Target
	if !f.Everywhere() {
		if err := w.Backend.Ready(ctx); err != nil { // what arrives while the rate limit makes us wait joins the batch
			return err
		}
	}
	if !f.Urgent && w.otherRules(f) {
		return nil
	}
	v, err := w.Read(ctx, t) // marks of the target, people resolved to accounts
	if err != nil {
		return w.setBack(ctx, t.Name, err)
	}
	work := visited(v)
	err = w.verify(ctx, t, work) // doubt whose window has passed
	var p plan.Plan
	if err == nil {
		p, err = w.plan(ctx, t.Name, work) // desired against ledger, and the brakes
	}
	if err == nil {
		err = w.record(ctx, t.Name, work, p) // what is held, and what is the bridge's
	}
	if err != nil {
		return w.setBack(ctx, t.Name, err)
	}
	steps := work.steps(p.Calls)
	if err := w.idle(ctx, t.Name, work); err != nil {
		return err
	}
	for i, s := range steps {
		if w.interrupted(ctx, f, s, i, i == 0 && work.atOnce()) { // an off-boarding waits, or others have waited long enough
			if err := w.postpone(ctx, s); err != nil {
				return err
			}
		} else if err := w.deliver(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// setBack deals with a failure before anything was sent: a target that does not exist is parked, any other failure of the
// backend pauses, and what is no failure of the backend ends the round.
func (w *Worker) setBack(ctx context.Context, target string, err error) error {
	switch {
	case errors.Is(err, flight.ErrUrgent):
		return nil
	case backend.KindOf(err) == backend.Missing:
		return w.blockTarget(ctx, target)
	case w.Breaker.Failed(target, err):
		return w.Breaker.Tell(ctx, w.Store)
	}
	return err
}

// otherRules reports whether other rules are in force, or are to be, than when a flight began.
func (w *Worker) otherRules(f *flight.Flight) bool {
	return w.remapAsked.Load() || w.InForce().Rules != f.Rules
}

// interrupted says whether the rest of a visit is left for the next one.
func (w *Worker) interrupted(ctx context.Context, f *flight.Flight, s step, done int, atOnce bool) bool {
	if f.Urgent { // an off-boarding is one under any rules
		return s.invites != nil && w.otherRules(f)
	}
	if w.otherRules(f) {
		return true
	}
	if w.left > 0 && done*w.BatchSize >= w.visit() {
		return true
	}
	if atOnce { // what waits was read a moment ago
		return false
	}
	urgent := 0
	err := w.Store.View(ctx, func(tx store.Tx) error {
		urgent = tx.Work(w.Name).Urgent()
		return nil
	})
	return err == nil && urgent > 0 && w.WaitsFor(ctx, f)
}

// visit bounds how many people of a target are worked on before the other targets have their turn.
func (w *Worker) visit() int { return max(4*w.BatchSize, 100) }
