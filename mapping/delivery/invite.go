package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// inviteAgain is how long after an invitation a user is not invited again: the vendor may send an
// e-mail each time.
const inviteAgain = 7 * 24 * time.Hour

// missing lists users who should have something and have no account by a complete listing with accounts
// in it.
func missing(people []*person, found map[string]backend.Account, whole bool) (out []*person) {
	if !whole || len(found) == 0 {
		return nil
	}
	for _, p := range people {
		if p.desired && !p.blocked && !p.stale && p.account(found) == "" {
			out = append(out, p)
		}
	}
	return out
}

// loadMissing reads for which of the missing users an account was requested lately.
func (w *Worker) loadMissing(tx store.Tx, target string, people []*person) (out []plan.Missing, err error) {
	for _, p := range people {
		may, err := w.mayInvite(tx, target, p)
		if err != nil {
			return nil, err
		}
		out = append(out, plan.Missing{Key: p.key, Invited: !may})
	}
	return out, nil
}

// mayInvite reports whether the vendor may be asked for an account now. If the account that a user had
// may have been ended, an earlier invitation was for that one.
func (w *Worker) mayInvite(tx store.Tx, target string, p *person) (bool, error) {
	if old := p.link.Account; old != "" {
		ending, there, err := store.Get(tx, w.endingRow(target, old))
		if err != nil || there {
			return !within(w.now(), ending.At, w.Straggler) && !w.lag.After(w.now()), err
		}
	}
	i, there, err := store.Get(tx, w.invitationRow(target, p.key))
	ago := w.now().Sub(i.At) // a clock that was set back a little leads to no second invitation
	return !there || ago >= inviteAgain || ago < -24*time.Hour, err
}

// beginInvitation commits that an account is requested: a crash loses an invitation rather than
// sending two.
func (w *Worker) beginInvitation(ctx context.Context, s step) error {
	now, target, p := w.now().UTC(), s.target, s.invites
	return w.Store.Update(ctx, func(tx store.Tx) error {
		may, err := w.mayInvite(tx, target, p)
		if err != nil {
			return err
		}
		if !may {
			return errDecided
		}
		if _, err := tx.Events().Append(initiated(store.Event{At: now, Type: "invite", Actor: "bridge", Backend: w.Name, Target: target, Name: p.key}, p.mark.Origin)); err != nil {
			return err
		}
		if old := p.link.Account; old != "" { // what was ended begins again
			if err := errors.Join(store.Delete(tx, w.offboardedRow(target, old)), store.Delete(tx, w.endingRow(target, old))); err != nil {
				return err
			}
		}
		return w.putInvitation(tx, target, p.key, now.Truncate(time.Second), false)
	})
}

// finishInvitation commits what an answer says about when to ask again: at once if nothing was sent, in
// an hour if the outcome is unknown, in seven days if the vendor refuses. A refusal concerns one
// address; any other failure pauses the target.
func (w *Worker) finishInvitation(ctx context.Context, s step, failure *backend.Error) error {
	refused := failure != nil && (failure.Kind == backend.Rejected || failure.Kind == backend.Missing)
	if refused {
		w.Log.Warn("an account is refused; it is asked for again in seven days", "backend", w.Name, "target", s.target, "status", failure.Status, "code", failure.Code)
	} else if failure != nil {
		w.failed(s.target, failure)
	}
	c, row := w.condition(), w.invitationRow(s.target, s.invites.key)
	err := w.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		switch {
		case failure == nil: // an account that was made at once is found at once
			return tx.Work(w.Name).Touch(s.target, w.now(), store.Origin{}, s.invites.mark.Subject)
		case refused:
			i, _, err := store.Get(tx, row)
			if err != nil {
				return err
			}
			return w.putInvitation(tx, s.target, s.invites.key, i.At, true)
		}
		err := store.Delete(tx, row)
		if !failure.Unsent && failure.Kind == backend.Transient {
			err = w.putInvitation(tx, s.target, s.invites.key, w.now().Add(time.Hour-inviteAgain).UTC(), false)
		}
		return errors.Join(err, w.putCondition(tx, c))
	})
	if err != nil {
		return fmt.Errorf("recording when to ask for an account again: %w", err)
	}
	if failure != nil && !refused {
		w.noted = c
	}
	return nil
}

// askLater lets a user have their turn soon if an account was not requested, because other rules are in
// force, the target is paused or an off-boarding waits.
func (w *Worker) askLater(ctx context.Context, s step) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		return tx.Work(w.Name).Touch(s.target, w.now(), store.Origin{}, s.invites.mark.Subject)
	})
	if err != nil {
		return fmt.Errorf("postponing the request for an account: %w", err)
	}
	return nil
}

// invited reports whether the bridge asked for the account that a value finds, and was not refused.
func (w *Worker) invited(tx store.Tx, target, key string) (bool, error) {
	i, there, err := store.Get(tx, w.invitationRow(target, key))
	return there && !i.Refused, err
}

// whyNoAccount is the reason for which a user without an account waits.
func (w *Worker) whyNoAccount(p *person) string {
	if w.Invite && !p.blocked && !plan.Address(p.key) {
		return noAddress
	}
	return noAccount
}
