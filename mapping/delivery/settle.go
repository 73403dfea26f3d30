package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/breaker"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// settle ends what can be ended for an account: its marks go if everything was done cleanly, wait if doubt has
// not passed, and are parked if they are blocked or held. It returns those that went.
func (w *sender) settle(tx store.Tx, target string, a *account) ([]store.Mark, error) {
	if a.steps > 0 {
		return nil, nil
	}
	wait, err := w.closes(tx, target, a)
	if err != nil {
		return nil, err
	}
	var done []store.Mark
	for _, m := range a.Marks {
		if stays, err := w.stay(tx, target, m, a, wait); err != nil || stays {
			if err != nil {
				return nil, err
			}
			continue
		}
		ok, err := tx.Work(w.Name).Settle(m)
		if err != nil {
			return nil, err
		}
		if ok {
			done = append(done, m)
		}
		if err := w.Forget(tx, m.Subject); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// closes is when the next window of an account closes: until then something older may still land on what is right as far as we
// know. Zero: none is open.
func (w *sender) closes(tx store.Tx, target string, a *account) (time.Time, error) {
	if !a.Wait.IsZero() {
		return a.Wait, nil
	}
	var wait time.Time
	for e, err := range tx.Ledger(w.Name).Entries(target, a.ID) {
		if err != nil {
			return wait, err
		}
		wait = memory.Earlier(wait, e.Doubt)
	}
	return wait, nil
}

// stay parks a mark of an account that cannot be settled, and says whether it did.
func (w *sender) stay(tx store.Tx, target string, m store.Mark, a *account, wait time.Time) (bool, error) {
	switch {
	case a.park == store.Blocked:
		longest := breaker.LongestBlock
		if len(a.Remove) > 0 || a.Offboarded {
			longest = breaker.LongestRetry
		}
		return true, w.blockPeople(tx, target, m, a, longest)
	case a.unfinished: // stays as it is: the target is paused, then tried again
		return true, nil
	case !wait.IsZero():
		m.State, m.Reason, m.NotBefore = store.Pending, "", wait
	case a.park == store.Held: // nothing else is left to do
		there, err := w.holds(tx, target, a)
		if err != nil || !there { // an operator was quicker
			return true, err
		}
		m.State, m.Reason, m.NotBefore = store.Held, a.reason, time.Time{}
	case w.Offboards() && a.Offboarded && !a.left: // is to lose more than roles
		m.State, m.Reason, m.NotBefore = store.Pending, "", time.Time{}
		if a.later {
			m.Tries++
			m.NotBefore = w.Clock().Add(w.Breaker.Backoff(m.Tries))
		}
	default:
		return false, nil
	}
	_, err := tx.Work(w.Name).Park(m)
	return true, err
}

// holds says whether what an account is held by is still there.
func (w *sender) holds(tx store.Tx, target string, a *account) (bool, error) {
	ends, err := memory.HeldEndsLike(tx, w.Name, a.ID)
	if err != nil || slices.ContainsFunc(ends, func(h record.HeldOffboarding) bool { return h.ID == a.reason && !h.Approved }) {
		return err == nil, err
	}
	of := a.ID
	if of == store.TargetSettings { // it waits with the people: see package plan
		of = ""
	}
	for e, err := range tx.Ledger(w.Name).Entries(target, of) {
		if err != nil || e.Hold != "" && e.Hold == a.reason {
			return true, err
		}
	}
	return false, nil
}

// blockPeople parks the mark of an account to which something cannot be given. The user who is bound to it is parked in its place:
// they are looked up again the next time, since the account may be another by then.
func (w *sender) blockPeople(tx store.Tx, target string, m store.Mark, a *account, longest time.Duration) error {
	work := tx.Work(w.Name)
	links, err := tx.Accounts(w.Name).Linked(a.ID)
	if err != nil {
		return err
	}
	if m.Subject.Account == "" || !reason.Block(a.reason).LookAgain || len(a.Add) == 0 || len(links) == 0 {
		return w.Breaker.Park(tx, m, a.reason, longest)
	}
	for _, l := range links {
		s := store.Subject{IdP: l.IdP, User: l.User}
		by, err := w.originFor(work, target, m, s)
		if err != nil {
			return err
		}
		if err := work.Touch(target, m.Since, by, s); err != nil {
			return err
		}
		person, err := work.Mark(target, s)
		if err != nil {
			return err
		}
		if err := w.Breaker.Park(tx, person, a.reason, longest); err != nil {
			return err
		}
	}
	if len(a.Remove) > 0 {
		return w.Breaker.Park(tx, m, a.reason, longest)
	}
	_, err = work.Settle(m)
	return err
}

// originFor returns the origin that an account's mark gives to the mark of a user of the account. A request may be about a
// user who had the account before, so it is not passed on: a mark that the user has already keeps its own origin.
func (w *sender) originFor(work store.Work, target string, m store.Mark, s store.Subject) (store.Origin, error) {
	if m.Origin.Request == "" {
		return m.Origin, nil
	}
	_, err := work.Mark(target, s)
	if errors.Is(err, store.ErrNotFound) {
		return w.ByResync(), nil
	}
	return store.Origin{}, err
}

// idle ends the marks of a visit for which there is no call to make.
func (w *sender) idle(ctx context.Context, target string, v *visitWork) error {
	var quiet []*account
	for _, a := range v.accounts {
		if a.steps == 0 {
			quiet = append(quiet, a)
		}
	}
	if len(quiet)+len(v.Idle) == 0 {
		return nil
	}
	err := memory.InParts(ctx, w.Store, v.Idle, func(tx store.Tx, marks []store.Mark) error {
		for _, m := range marks {
			if _, err := tx.Work(w.Name).Settle(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = w.settleQuiet(ctx, target, quiet)
	}
	if err != nil {
		return fmt.Errorf("settling marks: %w", err)
	}
	if !w.Breaker.Tells(target) {
		return nil
	}
	over := false // nothing concerns the target any more
	err = w.Store.View(ctx, func(tx store.Tx) error {
		targets, err := w.AllTargets(tx)
		over = !slices.Contains(targets, target)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking whether a target is over: %w", err)
	}
	if over {
		w.Breaker.Say(target, "ok", "")
	}
	return nil
}

// settleQuiet settles accounts for which there is no call to make, and reports what went after each part.
func (w *sender) settleQuiet(ctx context.Context, target string, quiet []*account) error {
	slices.SortFunc(quiet, func(a, b *account) int { return cmp.Compare(a.ID, b.ID) })
	for part := range slices.Chunk(quiet, memory.Part) {
		var done []store.Mark
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			done = nil
			for _, a := range part {
				marks, err := w.settle(tx, target, a)
				if err != nil {
					return err
				}
				done = append(done, marks...)
			}
			return nil
		})
		if err != nil {
			return err
		}
		w.report(done)
	}
	return nil
}

// report says how long settled work took, from the request's answer.
func (w *sender) report(done []store.Mark) {
	now := w.Clock()
	for _, m := range done {
		w.delivered(now.Sub(m.Since))
	}
}
