package delivery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// dueTarget is a target to visit now; an urgent one for off-boardings only.
type dueTarget struct {
	name    string
	urgent  bool
	oldest  time.Time
	failed  bool // the last call failed
	missing bool // the vendor does not have it
	fresh   bool // the ledger has nothing of it: it may not exist
}

// deferred is how long a target that may not answer lets others pass that came to wait later.
const deferred = time.Minute

// rank orders the targets that are due: off-boardings first, of each those last that failed last time; then by how long
// they have waited since they were last worked on.
func (w *Worker) rank(a, b dueTarget) int {
	class := func(t dueTarget) int {
		switch {
		case t.urgent && !t.failed:
			return 0
		case t.urgent:
			return 1
		}
		return 2
	}
	since := func(t dueTarget) time.Time {
		at := later(t.oldest, w.visits[t.name])
		if t.failed || t.missing || t.fresh {
			at = at.Add(deferred)
		}
		return at
	}
	return cmp.Or(cmp.Compare(class(a), class(b)), since(a).Compare(since(b)), a.oldest.Compare(b.oldest), strings.Compare(a.name, b.name))
}

// waits is what waits for delivery, as one View has it.
type waits struct {
	targets map[string]*waitingTarget
	next    time.Time // when a mark will be due that is not now
	asked   bool      // an operator's command waits
}

type waitingTarget struct {
	dueTarget
	ready int // at most BatchSize
}

// gather finds the targets that are due, in the order of rank.
func (w *Worker) gather(ctx context.Context) ([]dueTarget, error) {
	all, err := w.waits(ctx)
	if err != nil {
		return nil, err
	}
	due, _ := w.dueOf(all)
	return due, nil
}

// waits reads what waits for delivery.
func (w *Worker) waits(ctx context.Context) (out waits, err error) {
	now := w.now()
	err = w.Store.View(ctx, func(tx store.Tx) error {
		asked, err := w.asked(tx)
		if err != nil {
			return err
		}
		out = waits{targets: map[string]*waitingTarget{}, asked: asked}
		for of, err := range tx.Work(w.Name).Waiting(now, w.BatchSize) {
			if err != nil {
				return fmt.Errorf("gathering marks: %w", err)
			}
			out.next = earlier(out.next, of.Next)
			if of.Ready == 0 {
				continue
			}
			if of.Oldest.After(now.Add(maxSlew)) { // by a clock that was set since
				of.Oldest = now.Add(-w.BatchWait)
			}
			holds, err := w.holdsGrants(tx, of.Target)
			if err != nil {
				return fmt.Errorf("gathering marks: %w", err)
			}
			out.targets[of.Target] = &waitingTarget{ready: of.Ready, dueTarget: dueTarget{
				name: of.Target, oldest: of.Oldest, urgent: of.Urgent,
				failed:  w.pauses[of.Target].fails > 0,
				missing: of.Reason == noTarget,
				fresh:   of.Target != store.AnyTarget && !holds,
			}}
		}
		return nil
	})
	return out, err
}

// dueOf returns the targets that are due. A target is due when its oldest mark has waited BatchWait, a
// batch is full, or a user is off-boarded.
func (w *Worker) dueOf(all waits) (due []dueTarget, next time.Time) {
	now := w.now()
	next = all.next
	for target, t := range all.targets {
		if until := w.pausedUntil(target); !until.IsZero() {
			next = earlier(next, until)
			continue
		}
		at := t.oldest.Add(w.BatchWait)
		if t.urgent || t.ready >= w.BatchSize || !at.After(now) {
			due = append(due, t.dueTarget)
			continue
		}
		next = earlier(next, at)
	}
	slices.SortFunc(due, w.rank)
	return due, next
}

// visit bounds how many people of a target are worked on before the other targets have their turn.
func (w *Worker) visit() int { return max(4*w.BatchSize, 100) }

// marksOf reads what may be worked on now: of a target, all of it, since the brakes look at a whole
// set of removals; of an urgent one, the users who leave.
func (w *Worker) marksOf(tx store.Tx, t dueTarget) (out []store.Mark, err error) {
	for m, err := range tx.Work(w.Name).Ready(t.name, w.now(), t.urgent) {
		if err != nil {
			return nil, fmt.Errorf("reading marks: %w", err)
		}
		out = append(out, m)
	}
	return out, nil
}
