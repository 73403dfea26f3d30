package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// round is the loop: it does what is due for the whole backend, and begins work on targets that are due while there
// is room. It does not wait for them. Those that are visited are not visited again.
func (w *Worker) round(ctx context.Context, visited map[string]bool) (next time.Time, err error) {
	w.take()
	defer w.give()
	if err, w.failure = w.failure, nil; err != nil {
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
	all, err := w.waits(ctx)
	if err == nil && (all.asked || w.looksNow()) {
		if err = w.look(ctx, all.asked); err == nil { // commands, and what a resync compares
			all, err = w.waits(ctx)
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	rechecks, err := w.recheckAdmins(ctx) // holds whose reason may be gone
	if err != nil {
		return time.Time{}, err
	}
	targets, next := w.dueOf(all)
	if targets, err = w.withinLimit(ctx, targets); err != nil {
		return next, err
	}
	w.preemptFor(targets)
	next = earlier(earlier(next, w.lookAt()), w.adminsAt())
	if w.launchAll(ctx, targets, rechecks, visited) {
		again := w.now()
		if visited == nil {
			again = again.Add(slowCall)
		}
		next = earlier(next, again)
	}
	w.busy = len(w.flights) > 0
	if took := w.Steady() - began; took > longRound {
		w.rest = w.now().Add(4 * took)
	}
	return next, w.noteCondition(ctx)
}

// noteCondition is tell, for which no round fails.
func (w *Worker) noteCondition(ctx context.Context) error {
	if err := w.tell(ctx); err != nil && ends(err) {
		return err
	} else if err != nil {
		w.Log.Warn("how the backend is doing is not noted, will be tried again", "backend", w.Name, "error", err)
	}
	return nil
}

// launchAll begins work while there is room: off-boardings, then comparisons, then all other marks. left: there is more.
func (w *Worker) launchAll(ctx context.Context, targets []dueTarget, rechecks []string, visited map[string]bool) (left bool) {
	launch := func(kind string, f *flight, work func(context.Context, *flight) error) {
		switch {
		case w.flights[f.name] != nil: // when it lands there is another round
		case visited[kind+f.name], !w.room(f):
			left = true
		default:
			if visited != nil {
				visited[kind+f.name] = true
			}
			w.launch(ctx, f, work)
		}
	}
	for _, t := range targets {
		if t.urgent {
			launch("urgent ", &flight{dueTarget: t}, w.deliverTo)
		}
	}
	for _, target := range rechecks {
		launch("recheck ", &flight{dueTarget: dueTarget{name: target}, reads: true}, w.recheck)
	}
	for _, target := range w.dueLooks() {
		launch("compare ", &flight{dueTarget: dueTarget{name: target}, reads: true}, w.compareOne)
	}
	w.left = 0
	for _, t := range targets {
		if !t.urgent {
			launch("", &flight{dueTarget: t}, w.deliverTo)
			if w.flights[t.name] == nil {
				w.left++
			}
		}
	}
	return left
}

// deliverTo is the whole algorithm for one target.
func (w *Worker) deliverTo(ctx context.Context, f *flight) error {
	t := f.dueTarget
	if !f.everywhere() {
		if err := w.Backend.Ready(ctx); err != nil { // what arrives while the rate limit makes us wait joins the batch
			return err
		}
	}
	if !f.urgent && w.otherRules(f) {
		return nil
	}
	work, err := w.read(ctx, t) // marks of the target, people resolved to accounts
	if err == nil {
		err = w.verify(ctx, t, work) // doubt whose window has passed
	}
	var p plan.Plan
	if err == nil {
		p, err = w.plan(ctx, t.name, work) // desired against ledger, and the brakes
	}
	if err == nil {
		err = w.record(ctx, t.name, work, p) // what is held, and what is the bridge's
	}
	if err != nil {
		return w.setBack(ctx, t.name, err)
	}
	steps := work.steps(p.Calls)
	if err := w.idle(ctx, t.name, work); err != nil {
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
	case errors.Is(err, errUrgent):
		return nil
	case isBackend(err) && backend.KindOf(err) == backend.Missing:
		return w.blockTarget(ctx, target)
	case w.failed(target, err):
		return w.tell(ctx)
	}
	return err
}

// otherRules reports whether other rules are in force, or are to be, than when a flight began.
func (w *Worker) otherRules(f *flight) bool { return w.remapAsked.Load() || w.inForce() != f.rules }

// interrupted says whether the rest of a visit is left for the next one.
func (w *Worker) interrupted(ctx context.Context, f *flight, s step, done int, atOnce bool) bool {
	if f.urgent { // an off-boarding is one under any rules
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
	return err == nil && urgent > 0 && w.waitsFor(ctx, f)
}
