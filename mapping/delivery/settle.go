package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// settle ends what can be ended for an account: its marks go if everything was done cleanly, wait if doubt has
// not passed, and are parked if they are blocked or held. It returns those that went.
func (w *Worker) settle(tx store.Tx, target string, a *account) ([]store.Mark, error) {
	if a.steps > 0 {
		return nil, nil
	}
	work := tx.Work(w.Name)
	wait := a.wait
	for e, err := range tx.Ledger(w.Name).Entries(target, a.ID) {
		if err != nil {
			return nil, err
		}
		if !e.Doubt.IsZero() && (wait.IsZero() || e.Doubt.Before(wait)) {
			wait = e.Doubt
		}
	}
	var done []store.Mark
	for _, m := range a.marks {
		switch {
		case a.park == store.Blocked:
			if err := w.block(tx, m, a.reason); err != nil {
				return nil, err
			}
		case a.park == store.Held:
			m.State, m.Reason, m.NotBefore = store.Held, a.reason, time.Time{}
			if _, err := work.Park(m); err != nil {
				return nil, err
			}
		case a.unfinished:
			// stays as it is: the target is paused, then tried again
		case !wait.IsZero():
			m.State, m.Reason, m.NotBefore = store.Pending, "", wait
			if _, err := work.Park(m); err != nil {
				return nil, err
			}
		default:
			ok, err := work.Settle(m)
			if err != nil {
				return nil, err
			}
			if ok {
				done = append(done, m)
			}
		}
	}
	return done, nil
}

// idle ends the marks of a visit for which there is no call to make.
func (w *Worker) idle(ctx context.Context, target string, v *visitWork) error {
	var quiet []*account
	for _, a := range v.accounts {
		if a.steps == 0 {
			quiet = append(quiet, a)
		}
	}
	if len(quiet)+len(v.idle) == 0 {
		return nil
	}
	var done []store.Mark
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		done = nil
		for _, m := range v.idle {
			if _, err := tx.Work(w.Name).Settle(m); err != nil {
				return err
			}
		}
		for _, a := range quiet {
			marks, err := w.settle(tx, target, a)
			if err != nil {
				return err
			}
			done = append(done, marks...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("settling marks: %w", err)
	}
	w.observe(done)
	return nil
}

// observe reports how long settled work took, from the request's answer.
func (w *Worker) observe(done []store.Mark) {
	now := w.Now()
	for _, m := range done {
		w.Delivered(now.Sub(m.Since))
	}
}
