package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// offboards reports whether an off-boarding ends more than roles.
func (w *Worker) offboards() bool { return w.Offboard && w.mode() == Sync }

// endingRow is the record of a call that ends a membership, or an account, and has no outcome.
func (w *Worker) endingRow(target, account string) store.Ending {
	return store.Ending{Backend: w.Name, Listing: w.listing(target), Account: account}
}

// loadMemberships reads what is known of what the accounts of a visit have beyond roles.
func (w *Worker) loadMemberships(tx store.Tx, target string, v *visitWork) error {
	for _, a := range v.accounts {
		a.Membership = nil
	}
	if !w.offboards() {
		return nil
	}
	var leaving []*account
	for id, a := range v.accounts {
		if id == store.TargetSettings {
			continue
		}
		ending, _, err := store.Get(tx, w.endingRow(target, id))
		if err != nil {
			return err
		}
		a.Membership = &plan.Membership{Attempted: ending.At}
		held, there, err := w.heldEndAt(tx, target, id)
		if err != nil {
			return err
		}
		if there {
			a.Membership.Hold, a.Membership.Approved = held.ID, held.Approved
		}
		if a.Offboarded {
			leaving = append(leaving, a)
		}
	}
	if len(leaving) == 0 {
		return nil
	}
	sent, err := sentRemovals(tx, w.Name, w.listing(target), w.now())
	if err != nil {
		return err
	}
	for _, a := range leaving {
		m := a.Membership
		m.Counted = slices.ContainsFunc(sent, func(r sentRemoval) bool { return r.Leaving && r.Account == a.ID })
		if err := w.loadMembership(tx, target, v, a); err != nil {
			return err
		}
	}
	return w.loadOwners(tx, target, v, leaving)
}

// loadMembership reads what is known of what an off-boarded account has beyond roles.
func (w *Worker) loadMembership(tx store.Tx, target string, v *visitWork, a *account) error {
	m := a.Membership
	var err error
	if m.Over, err = w.keptOrEnded(tx, target, a.ID); err != nil {
		return err
	}
	targets, err := tx.Ledger(w.Name).TargetsOf(a.ID)
	if err != nil {
		return err
	}
	m.On = targets
	m.Elsewhere = w.Backend.Traits().OneListing && slices.ContainsFunc(targets, func(t string) bool { return t != target })
	m.Claimed = within(w.now(), w.taken[foreignGrant{target, a.ID, w.Backend.Traits().AdminRole}], w.Straggler)
	m.Unlisted = v.unlisted
	for _, l := range a.links {
		m.Found = append(m.Found, plan.Finding{Changed: l.Changed && !l.Made, Since: l.Seen})
	}
	return nil
}

// loadOwners reads whether accounts are still those of the values by which they were found. An account
// that a listing does not show belongs to no other user; an incomplete listing is no reason to keep one.
func (w *Worker) loadOwners(tx store.Tx, target string, v *visitWork, leaving []*account) error {
	listing := w.listing(target)
	unseen := map[string]*account{}
	for _, a := range leaving {
		m := a.Membership
		if found, listed := v.partly[a.Key]; v.partly != nil {
			m.Theirs, m.Verified = !listed || found.ID == a.ID, true
			continue
		}
		c, at, err := w.sighting(tx, listing, a.Key)
		switch {
		case err == nil:
			m.Theirs, m.Verified = c.ID == a.ID, w.current(at)
		case errors.Is(err, store.ErrNotFound):
			listed, err := w.listed(tx, listing)
			if err != nil {
				return err
			}
			m.Theirs, m.Verified = true, w.current(listed)
			unseen[a.ID] = a
		default:
			return err
		}
		m.Verified = m.Verified || v.relisted
	}
	if len(unseen) == 0 {
		return nil
	}
	for c, err := range tx.Accounts(w.Name).CachedOn(listing) {
		if err != nil {
			return err
		}
		if a := unseen[c.ID]; a != nil { // another value's
			a.Membership.Theirs = false
		}
	}
	return nil
}

// listAgain reads the listing of a target once more, before accounts are ended that may be others' by
// now. If that fails they are ended later, and nothing else waits for it.
func (w *Worker) listAgain(ctx context.Context, target string, v *visitWork, keys []string) error {
	found, whole, err := w.list(ctx, target, keys, atOnce, map[store.Subject]bool{})
	var e *backend.Error
	switch {
	case errors.As(err, &e):
		v.unlisted = true
		if ofBackend(e) {
			w.failed(target, err)
		}
		return nil
	case err != nil:
		return err
	}
	if v.relisted = whole && len(found) > 0; !v.relisted {
		v.partly = found
	}
	return nil
}

// ofBackend reports whether a failure concerns the credential or the tenant, not one target.
func ofBackend(e *backend.Error) bool {
	return e.Kind == backend.Throttled || e.Kind == backend.Unauthorized && e.Status != http.StatusForbidden
}

// leavers reads what max_offboardings is measured by where memberships are counted.
func (w *Worker) leavers(tx store.Tx, target string) (*plan.Leavers, error) {
	listing, now := w.listing(target), w.now()
	out, users := &plan.Leavers{Gone: map[string]bool{}}, map[string]bool{}
	sent, err := sentRemovals(tx, w.Name, listing, now)
	if err != nil {
		return nil, err
	}
	for _, s := range sent {
		if s.Leaving && !s.Approved && now.Sub(time.UnixMilli(s.At)) < w.MaxOffboardings.Window {
			out.Gone[s.Account], users[s.Account] = true, true
		}
	}
	for e, err := range tx.Ledger(w.Name).Entries(listing, "") {
		if err != nil {
			return nil, err
		}
		if e.Account != store.TargetSettings && e.State != store.Absent {
			users[e.Account] = true
		}
	}
	out.Users = len(users)
	return out, nil
}

// beginEnd commits that a membership, or an account, is being ended, if it still may be: its users may
// be back, or an operator may have decided meanwhile.
func (w *Worker) beginEnd(ctx context.Context, s step) error {
	id, target := s.offboards.ID, s.target
	return w.Store.Update(ctx, func(tx store.Tx) error {
		now := newAccount(id)
		if err := w.load(tx, target, id, now, nil); err != nil {
			return err
		}
		targets, err := tx.Ledger(w.Name).TargetsOf(id)
		if err != nil {
			return err
		}
		roles := slices.Contains(targets, target) || w.Backend.Traits().OneListing && len(targets) > 0
		over, err := w.keptOrEnded(tx, target, id)
		if err != nil {
			return err
		}
		if !now.Offboarded || roles || over {
			return errDecided
		}
		if err := w.countEnd(tx, target, id); err != nil {
			return err
		}
		before, _, err := store.Get(tx, w.endingRow(target, id))
		if err != nil {
			return err
		}
		s.offboards.Membership.Attempted = before.At
		return errors.Join(w.noteCalled(tx), w.putEnding(tx, target, id, w.now()))
	})
}

// putEnding records when a call that ends an account was last made and had no clean answer; zero: never.
func (w *Worker) putEnding(tx store.Tx, target, id string, at time.Time) error {
	row := w.endingRow(target, id)
	if row.At = at; at.IsZero() {
		return store.Delete(tx, row)
	}
	return store.Put(tx, row)
}

// finishEnd commits the outcome of a call that ends a membership or an account. A failure that concerns
// the credential pauses the backend; any other is tried again, and nothing else waits for it.
func (w *Worker) finishEnd(ctx context.Context, s step, failure *backend.Error) error {
	a, target := s.offboards, s.target
	switch {
	case failure == nil:
		a.left = true
	case ofBackend(failure):
		w.failed(target, failure)
		a.later = true
	case failure.Kind == backend.Transient:
		a.later = true
	default:
		w.Log.Warn("a membership or account cannot be ended; it is tried again", "backend", w.Name, "target", target, "status", failure.Status, "code", failure.Code)
		a.block(reasonOf(failure))
	}
	var done []store.Mark
	c := w.condition()
	err := w.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) (err error) {
		if err := w.putCondition(tx, c); err != nil {
			return err
		}
		switch {
		case failure == nil:
			err = w.noteEnd(tx, target, a)
		case failure.Unsent || failure.Kind != backend.Transient: // that of an earlier call is still unknown
			err = w.putEnding(tx, target, a.ID, a.Membership.Attempted)
		default: // the window begins with the answer
			err = w.putEnding(tx, target, a.ID, w.now())
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
	w.noted = c
	w.delivered(done)
	return nil
}

// noteEnd records that an account was ended. A user who comes back is looked up again, and invited
// again: an earlier invitation was for what is over. An earlier call may still take effect.
func (w *Worker) noteEnd(tx store.Tx, target string, a *account) error {
	now := w.now()
	if err := w.forgetAccount(tx, target, a.ID, a.Key); err != nil {
		return err
	}
	if before := a.Membership.Attempted; within(now, before, w.Straggler) {
		if err := w.putEnding(tx, target, a.ID, before); err != nil {
			return err
		}
	}
	ended := w.offboardedRow(target, a.ID)
	ended.At = now
	if err := store.Put(tx, ended); err != nil {
		return err
	}
	if err := w.dropEnd(tx, target, a.ID); err != nil {
		return err
	}
	_, err := tx.Events().Append(initiated(store.Event{At: now, Type: "offboard", Actor: "bridge", Backend: w.Name, Target: target, Account: a.ID, Name: a.Key}, a.origin))
	return err
}

// forgetAccount drops what is known of an account that is, or may be, ended.
func (w *Worker) forgetAccount(tx store.Tx, target, id, key string) error {
	if err := tx.Accounts(w.Name).DeleteCached(w.listing(target), key); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return errors.Join(store.Delete(tx, w.invitationRow(target, key)), store.Delete(tx, w.endingRow(target, id)))
}
