package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// beginInvitation commits that an account is requested: a crash loses an invitation rather than
// sending two.
func (w *sender) beginInvitation(ctx context.Context, s step) error {
	now, target, p := w.Clock().UTC(), s.target, s.invites
	return w.Store.Update(ctx, func(tx store.Tx) error {
		may, err := w.MayInvite(tx, target, p)
		if err == nil && may { // an earlier call of the visit may have taken long
			may, err = w.StillWanted(tx, target, p)
		}
		if err != nil {
			return err
		}
		if !may {
			return errDecided
		}
		if _, err := tx.Events().Append(memory.Initiated(store.Event{At: now, Type: "invite", Actor: "bridge", Backend: w.Name, Target: target, Name: p.Key}, p.Mark.Origin)); err != nil {
			return err
		}
		if old := p.Link.Account; old != "" { // what was ended begins again
			if err := errors.Join(record.Delete(tx, w.OffboardedRow(target, old)), record.Delete(tx, w.EndingRow(target, old))); err != nil {
				return err
			}
		}
		return w.PutInvitation(tx, target, p.Key, now.Truncate(time.Second), false)
	})
}

// finishInvitation commits what an answer says about when to ask again: at once if nothing was sent, in
// an hour if the outcome is unknown, in seven days if the vendor refuses. A refusal concerns one
// address; any other failure pauses the target.
func (w *sender) finishInvitation(ctx context.Context, s step, failure *backend.Error) error {
	refused := failure != nil && (failure.Kind == backend.Rejected || failure.Kind == backend.Missing)
	if refused {
		w.Log.Warn("an account is refused; it is asked for again in seven days", "backend", w.Name, "target", s.target, "status", failure.Status, "code", failure.Code)
	} else if failure != nil {
		w.Breaker.Failed(s.target, failure)
	}
	c, row := w.Breaker.Condition(), w.InvitationRow(s.target, s.invites.Key)
	err := w.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		switch {
		case failure == nil: // an account that was made at once is found at once
			return tx.Work(w.Name).Touch(s.target, w.Clock(), store.Origin{}, s.invites.Mark.Subject)
		case refused:
			i, _, err := record.Get(tx, row)
			if err != nil {
				return err
			}
			return w.PutInvitation(tx, s.target, s.invites.Key, i.At, true)
		}
		err := record.Delete(tx, row)
		if !failure.Unsent && failure.Kind == backend.Transient {
			err = w.PutInvitation(tx, s.target, s.invites.Key, w.Clock().Add(time.Hour-view.InviteAgain).UTC(), false)
		}
		return errors.Join(err, w.Breaker.Put(tx, c))
	})
	if err != nil {
		return fmt.Errorf("recording when to ask for an account again: %w", err)
	}
	if failure != nil && !refused {
		w.Breaker.Noted(c)
	}
	return nil
}

// askLater lets a user have their turn soon if an account was not requested, because other rules are in
// force, the target is paused or an off-boarding waits.
func (w *sender) askLater(ctx context.Context, s step) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		return tx.Work(w.Name).Touch(s.target, w.Clock(), store.Origin{}, s.invites.Mark.Subject)
	})
	if err != nil {
		return fmt.Errorf("postponing the request for an account: %w", err)
	}
	return nil
}
