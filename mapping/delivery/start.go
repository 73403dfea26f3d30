package delivery

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/mapping/breaker"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// Start is the first round: every attempt without an outcome is in doubt, and if the rules are not those that
// the last run delivered, every target they concern may be wrong.
func (w *Worker) Start(ctx context.Context) (time.Time, error) {
	return w.start(ctx, w.RunOnce)
}

func (w *Worker) start(ctx context.Context, round func(context.Context) (time.Time, error)) (time.Time, error) {
	if err := w.startOver(ctx); err != nil {
		return time.Time{}, err
	}
	return round(ctx)
}

// startOver is Start without the round.
func (w *Worker) startOver(ctx context.Context) error {
	w.Take()
	defer w.Give()
	_ = w.TakeFailure() // of before
	if err := w.recover(ctx); err != nil {
		return fmt.Errorf("recovering open attempts: %w", err)
	}
	if err := w.Remap(ctx); err != nil {
		return err
	}
	w.Schedule(w.Clock(), cmp.Or(w.ResyncFirst, w.ResyncEvery))
	w.Breaker.Say("", "ok", "")
	return w.Breaker.Keep(ctx, w.Store)
}

// recover puts in doubt what was under way when the last process ended. Moments that it wrote may be of a clock that was
// wrong: what is in doubt is so for a whole window from now, and nothing waits longer than it could by this clock.
func (w *Worker) recover(ctx context.Context) error {
	var open []store.Entry
	var asleep []store.Mark
	now := w.Clock()
	err := w.Store.View(ctx, func(tx store.Tx) error {
		open, asleep = nil, nil
		for e, err := range tx.Ledger(w.Name).Entries("", "") {
			if err != nil {
				return err
			}
			if e.Open || !e.Doubt.IsZero() {
				open = append(open, e)
			}
		}
		for m, err := range tx.Work(w.Name).Marks("") {
			if err != nil {
				return err
			}
			if m.State != store.Held && m.NotBefore.After(now.Add(w.longestWait(m))) {
				asleep = append(asleep, m)
			}
		}
		if tx.Setting(w.CalledKey()) != nil {
			w.Recent.Lag = now.Add(w.Straggler)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = memory.InParts(ctx, w.Store, open, func(tx store.Tx, open []store.Entry) error {
		for _, e := range open {
			if e.Open {
				e.Open, e.State, e.Note = false, store.Unknown, "interrupted"
			}
			e.Doubt, e.MaybeGone = now.Add(w.Straggler), e.MaybeGone || !e.Wanted
			if err := tx.Ledger(w.Name).PutEntry(e); err != nil {
				return err
			}
			if err := tx.Work(w.Name).Touch(e.Target, now, store.Origin{}, store.Subject{Account: e.Account}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return memory.InParts(ctx, w.Store, asleep, func(tx store.Tx, asleep []store.Mark) error {
		for _, m := range asleep {
			if err := tx.Work(w.Name).Touch(m.Target, now, store.Origin{}, m.Subject); err != nil {
				return err
			}
		}
		return nil
	})
}

// longestWait is how far ahead a mark can have been postponed by a clock that was right.
func (w *Worker) longestWait(m store.Mark) time.Duration {
	if m.State != store.Blocked || !reason.Block(m.Reason).Unfound { // what else is blocked may be a removal
		return max(w.Straggler, breaker.LongestRetry) + memory.MaxSlew
	}
	return min(w.Breaker.Slow(m.Tries), breaker.LongestBlock) + memory.MaxSlew
}
