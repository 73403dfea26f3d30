package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/breaker"
	"github.com/scimbridge/scimbridge/mapping/lookup"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// listAgain reads the listing of a target once more, before accounts are ended that may be others' by
// now. If that fails they are ended later, and nothing else waits for it.
func (w *Worker) listAgain(ctx context.Context, target string, v *visitWork, keys []string) error {
	found, whole, err := w.List(ctx, target, keys, lookup.AtOnce, map[store.Subject]bool{})
	var e *backend.Error
	switch {
	case errors.As(err, &e):
		v.Unlisted = true
		if breaker.OfBackend(e) {
			w.Breaker.Failed(target, err)
		}
		return nil
	case err != nil:
		return err
	}
	if v.Relisted = whole && len(found) > 0; !v.Relisted {
		v.Partly = found
	}
	return nil
}

// beginEnd commits that a membership, or an account, is being ended, if it still may be: its users may
// be back, or an operator may have decided meanwhile.
func (w *sender) beginEnd(ctx context.Context, s step) error {
	id, target := s.offboards.ID, s.target
	return w.Store.Update(ctx, func(tx store.Tx) error {
		now := view.NewAccount(id)
		if err := w.Load(tx, target, id, now, nil); err != nil {
			return err
		}
		targets, err := tx.Ledger(w.Name).TargetsOf(id)
		if err != nil {
			return err
		}
		roles := slices.Contains(targets, target) || w.Traits().OneListing && len(targets) > 0
		over, err := w.KeptOrEnded(tx, target, id)
		if err != nil {
			return err
		}
		if !now.Offboarded || roles || over {
			return errDecided
		}
		if err := w.countEnd(tx, target, id); err != nil {
			return err
		}
		before, _, err := store.Get(tx, w.EndingRow(target, id))
		if err != nil {
			return err
		}
		s.offboards.Membership.Attempted = before.At
		return errors.Join(w.NoteCalled(tx), w.PutEnding(tx, target, id, w.Clock()))
	})
}

// finishEnd commits the outcome of a call that ends a membership or an account. A failure that concerns
// the credential pauses the backend; any other is tried again, and nothing else waits for it.
func (w *sender) finishEnd(ctx context.Context, s step, failure *backend.Error) error {
	a, target := s.offboards, s.target
	switch {
	case failure == nil:
		a.left = true
	case breaker.OfBackend(failure):
		w.Breaker.Failed(target, failure)
		a.later = true
	case failure.Kind == backend.Transient:
		a.later = true
	default:
		w.Log.Warn("a membership or account cannot be ended; it is tried again", "backend", w.Name, "target", target, "status", failure.Status, "code", failure.Code)
		a.block(reasonOf(failure))
	}
	var done []store.Mark
	c := w.Breaker.Condition()
	err := w.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) (err error) {
		if err := w.Breaker.Put(tx, c); err != nil {
			return err
		}
		switch {
		case failure == nil:
			err = w.noteEnd(tx, target, a)
		case failure.Unsent || failure.Kind != backend.Transient: // that of an earlier call is still unknown
			err = w.PutEnding(tx, target, a.ID, a.Membership.Attempted)
		default: // the window begins with the answer
			err = w.PutEnding(tx, target, a.ID, w.Clock())
		}
		if err != nil {
			return err
		}
		done, err = w.settle(tx, target, a)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording an off-boarding: %w", err)
	}
	w.Breaker.Noted(c)
	w.report(done)
	return nil
}

// noteEnd records that an account was ended. A user who comes back is looked up again, and invited
// again: an earlier invitation was for what is over. An earlier call may still take effect.
func (w *sender) noteEnd(tx store.Tx, target string, a *account) error {
	now := w.Clock()
	if err := w.ForgetAccount(tx, target, a.ID, a.Key); err != nil {
		return err
	}
	if before := a.Membership.Attempted; memory.Within(now, before, w.Straggler) {
		if err := w.PutEnding(tx, target, a.ID, before); err != nil {
			return err
		}
	}
	ended := w.OffboardedRow(target, a.ID)
	ended.At = now
	if err := store.Put(tx, ended); err != nil {
		return err
	}
	if err := w.DropEnd(tx, target, a.ID); err != nil {
		return err
	}
	_, err := tx.Events().Append(memory.Initiated(store.Event{At: now, Type: "offboard", Actor: "bridge", Backend: w.Name, Target: target, Account: a.ID, Name: a.Key}, a.Origin))
	return err
}
