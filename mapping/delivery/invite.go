package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// inviteAgain is how long after an invitation somebody is not invited again: the vendor may send an e-mail each time.
const inviteAgain = 7 * 24 * time.Hour

// missing lists users who should have something and of whom a complete listing with accounts in it
// shows no account.
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
func (w *Worker) loadMissing(tx store.Tx, target string, people []*person) (out []plan.Missing) {
	for _, p := range people {
		out = append(out, plan.Missing{Key: p.key, Invited: !w.mayInvite(tx, target, p.key)})
	}
	return out
}

// mayInvite reports whether the vendor may be asked for an account now.
func (w *Worker) mayInvite(tx store.Tx, target, key string) bool {
	raw := tx.Setting(w.invitation(target, key))
	if len(raw) == 0 {
		return true
	}
	at, err := time.Parse(time.RFC3339, string(bytes.TrimSuffix(raw, []byte(refusedInvitation))))
	ago := w.now().Sub(at) // a clock that was set back a little leads to no second invitation
	return err != nil || ago >= inviteAgain || ago < -24*time.Hour
}

// beginInvitation commits that an account is requested: a crash loses an invitation rather than
// sending two.
func (w *Worker) beginInvitation(ctx context.Context, s step) error {
	now, target, p := w.now().UTC(), s.target, s.invites
	return w.Store.Update(ctx, func(tx store.Tx) error {
		if !w.mayInvite(tx, target, p.key) {
			return errDecided
		}
		if _, err := tx.Events().Append(initiated(store.Event{At: now, Type: "invite", Actor: "bridge", Backend: w.Name, Target: target, Name: p.key}, p.mark.Origin)); err != nil {
			return err
		}
		if old := p.link.Account; old != "" && tx.Setting(w.ended(target, old)) != nil { // what was ended begins again
			if err := tx.SetSetting(w.ended(target, old), nil); err != nil {
				return err
			}
		}
		return tx.SetSetting(w.invitation(target, p.key), []byte(now.Format(time.RFC3339)))
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
	c, name := w.condition(), w.invitation(s.target, s.invites.key)
	err := w.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		switch {
		case failure == nil: // an account that was made at once is found at once
			return tx.Work(w.Name).Touch(s.target, w.now(), store.Origin{}, s.invites.mark.Subject)
		case refused:
			return tx.SetSetting(name, slices.Concat(bytes.TrimSuffix(tx.Setting(name), []byte(refusedInvitation)), []byte(refusedInvitation)))
		}
		var again []byte
		if !failure.Unsent && failure.Kind == backend.Transient {
			again = []byte(w.now().Add(time.Hour - inviteAgain).UTC().Format(time.RFC3339))
		}
		return errors.Join(tx.SetSetting(name, again), w.putCondition(tx, c))
	})
	if err != nil {
		return fmt.Errorf("recording when to ask for an account again: %w", err)
	}
	if failure != nil && !refused {
		w.told = c
	}
	return nil
}

// askLater lets a user have their turn soon for whom an account was not requested, because other rules
// are in force or an off-boarding waits.
func (w *Worker) askLater(ctx context.Context, s step) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		return tx.Work(w.Name).Touch(s.target, w.now(), store.Origin{}, s.invites.mark.Subject)
	})
	if err != nil {
		return fmt.Errorf("postponing the request for an account: %w", err)
	}
	return nil
}

// refusedInvitation follows the moment of an invitation that the vendor refused: an account that turns up is none that the bridge made.
const refusedInvitation = " refused"

// invited says whether the bridge asked for the account that a value finds, and was not refused.
func (w *Worker) invited(tx store.Tx, target, key string) bool {
	raw := tx.Setting(w.invitation(target, key))
	return len(raw) > 0 && !bytes.HasSuffix(raw, []byte(refusedInvitation))
}

// whyNoAccount is the reason for which a user without an account waits.
func (w *Worker) whyNoAccount(p *person) string {
	if w.Invite && !p.blocked && !plan.Address(p.key) {
		return noAddress
	}
	return noAccount
}

func (w *Worker) invitation(target, key string) string {
	return "invited/" + w.Name + "/" + w.listing(target) + "/" + key
}
