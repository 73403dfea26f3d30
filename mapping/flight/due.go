package flight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// Target is a target to visit now; an urgent one for off-boardings only.
type Target struct {
	Name    string
	Urgent  bool
	Oldest  time.Time
	Failed  bool // the last call failed
	Missing bool // the vendor does not have it
	Fresh   bool // the ledger has nothing of it: it may not exist
}

// deferred is how long a target that may not answer lets others pass that came to wait later.
const deferred = time.Minute

// rank orders the targets that are due: off-boardings first, of each those last that failed last time; then by how long
// they have waited since they were last worked on.
func (w *Flights) rank(a, b Target) int {
	class := func(t Target) int {
		switch {
		case t.Urgent && !t.Failed:
			return 0
		case t.Urgent:
			return 1
		}
		return 2
	}
	since := func(t Target) time.Time {
		at := memory.Later(t.Oldest, w.visits[t.Name])
		if t.Failed || t.Missing || t.Fresh {
			at = at.Add(deferred)
		}
		return at
	}
	return cmp.Or(cmp.Compare(class(a), class(b)), since(a).Compare(since(b)), a.Oldest.Compare(b.Oldest), strings.Compare(a.Name, b.Name))
}

// Waiting is what waits for delivery, as one View has it.
type Waiting struct {
	targets map[string]*waitingTarget
	next    time.Time // when a mark will be due that is not now
	Asked   bool      // an operator's command waits
}

// Empty reports whether no target has a mark that may be worked on now, pauses aside.
func (w Waiting) Empty() bool { return len(w.targets) == 0 }

type waitingTarget struct {
	Target
	ready int // at most BatchSize
}

// gather finds the targets that are due, in the order of rank.
func (w *Flights) gather(ctx context.Context) ([]Target, error) {
	all, err := w.Waits(ctx)
	if err != nil {
		return nil, err
	}
	due, _ := w.Due(all)
	return due, nil
}

// Waits reads what waits for delivery.
func (w *Flights) Waits(ctx context.Context) (out Waiting, err error) {
	now := w.Clock()
	err = w.Store.View(ctx, func(tx store.Tx) error {
		asked, err := w.Asked(tx)
		if err != nil {
			return err
		}
		out = Waiting{targets: map[string]*waitingTarget{}, Asked: asked}
		for of, err := range tx.Work(w.Name).Waiting(now, w.BatchSize) {
			if err != nil {
				return fmt.Errorf("gathering marks: %w", err)
			}
			out.next = memory.Earlier(out.next, of.Next)
			if of.Ready == 0 {
				continue
			}
			if of.Oldest.After(now.Add(memory.MaxSlew)) { // by a clock that was set since
				of.Oldest = now.Add(-w.BatchWait)
			}
			holds, err := w.HoldsGrants(tx, of.Target)
			if err != nil {
				return fmt.Errorf("gathering marks: %w", err)
			}
			out.targets[of.Target] = &waitingTarget{ready: of.Ready, Target: Target{
				Name: of.Target, Oldest: of.Oldest, Urgent: of.Urgent,
				Failed:  w.Breaker.Failing(of.Target),
				Missing: of.Reason == reason.NoTarget,
				Fresh:   of.Target != store.AnyTarget && !holds,
			}}
		}
		return nil
	})
	return out, err
}

// Due returns the targets that are due. A target is due when its oldest mark has waited BatchWait, a
// batch is full, or a user is off-boarded.
func (w *Flights) Due(all Waiting) (due []Target, next time.Time) {
	now := w.Clock()
	next = all.next
	for target, t := range all.targets {
		if until := w.Breaker.PausedUntil(target); !until.IsZero() {
			next = memory.Earlier(next, until)
			continue
		}
		at := t.Oldest.Add(w.BatchWait)
		if t.Urgent || t.ready >= w.BatchSize || !at.After(now) {
			due = append(due, t.Target)
			continue
		}
		next = memory.Earlier(next, at)
	}
	slices.SortFunc(due, w.rank)
	return due, next
}

// MayExceed reports whether a target can be beyond max_targets.
func (t Target) MayExceed() bool { return t.Fresh && !t.Urgent }
