package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// single deals with a change that the vendor refuses by itself. If the target is as wanted, there was nothing
// to do; else the change is blocked and the person is looked up again the next time.
func (w *sender) single(ctx context.Context, s step, failure *backend.Error) error {
	if forbidden(failure) && !s.settings() {
		if w.Breaker.Refused(s.target) >= manyForbidden { // not one of the people: everything there
			w.Breaker.Failed(s.target, failure)
			return w.commit(ctx, s, s.untouched(failure), func(a *account) { a.unfinished = true })
		}
	}
	seen, err := w.readAfter(ctx, s, failure)
	switch {
	case errors.Is(err, flight.ErrUrgent): // it is sent and read again after them
		return w.commit(ctx, s, s.untouched(failure), func(a *account) { a.unfinished = true })
	case err != nil: // not the person: the target itself is gone
		return w.gone(ctx, s, failure)
	}
	v, err := w.judge(ctx, s, seen)
	if err != nil {
		return fmt.Errorf("looking what was refused: %w", err)
	}
	now := w.Clock()
	w.cannotTell(v.soon, now.Add(w.Straggler))
	return w.commit(ctx, s, func(tx store.Tx, e *store.Entry, role string, want bool) error {
		note, ok := v.right[role]
		if !ok {
			e.Note = "refused"
			if !failure.Unsent { // it may be done all the same
				e.State = store.Unknown
			}
			if slices.ContainsFunc(s.accounts[e.Account].Marks, func(m store.Mark) bool { return m.Tries > 0 }) { // a repetition is no event
				return nil
			}
			event := w.event(*e, s.accounts[e.Account].Account, want, false, fmt.Sprintf("refused with %d %s", failure.Status, failure.Code), now)
			event.Type, event.Detail = event.Type+".refused", reasonOf(failure)
			_, err := tx.Events().Append(event)
			return err
		}
		_, known := s.accounts[e.Account].Owned[role]
		adopted := want && (!known || e.Adopted && e.Since.IsZero())
		e.State, e.Note = confirmed(want), note
		if !e.Doubt.After(now) {
			e.Doubt = time.Time{}
		}
		_, err := tx.Events().Append(w.event(*e, s.accounts[e.Account].Account, want, adopted, fmt.Sprintf("refused with %d %s; %s", failure.Status, failure.Code, note), now))
		return err
	}, func(a *account) {
		switch {
		case v.blocked:
			a.block(reasonOf(failure))
		case len(v.soon) > 0:
			a.Wait = now.Add(w.Straggler)
		}
	})
}

// readAfter looks at a target after a refusal; what cannot be read says nothing. The error is that there is no such target, or that
// another user leaves.
func (w *sender) readAfter(ctx context.Context, s step, failure *backend.Error) (seen backend.Observation, err error) {
	if conclusive(failure) || s.settings() {
		return backend.Observation{}, nil
	}
	look := func(ctx context.Context) (err error) {
		seen, err = w.Backend.Observe(ctx, s.target)
		return err
	}
	if s.urgent() {
		err = look(ctx)
	} else {
		err = w.Patiently(ctx, look)
	}
	switch {
	case errors.Is(err, flight.ErrUrgent), backend.KindOf(err) == backend.Missing:
		return backend.Observation{}, err
	case err != nil:
		return backend.Observation{}, nil
	}
	return seen, nil
}

// conclusive reports whether a refusal says all about what was refused: a read of the target adds nothing.
func conclusive(failure *backend.Error) bool {
	return reason.Block(failure.Code).Final
}

// settings says whether a step is about the target's own settings alone, of which a reading of people says nothing.
func (s step) settings() bool { return len(s.delta.Changes) == 0 }

// urgent says whether a step is about a user who leaves, if only one identity provider.
func (s step) urgent() bool {
	for _, a := range s.accounts {
		if a.Offboarded || slices.ContainsFunc(a.Marks, func(m store.Mark) bool { return m.Urgent }) {
			return true
		}
	}
	return false
}

// cannotTell notes removals that were refused and that no read can judge before some moment. What waits of the same account is put
// off with them: tried by themselves, two would touch the account in turns, and no read of it would ever be trusted.
func (w *sender) cannotTell(removals map[memory.Grant]bool, until time.Time) {
	for g := range removals {
		w.Recent.Unread[g] = until
		for other := range w.Recent.Unread {
			if other.Target == g.Target && other.Account == g.Account {
				w.Recent.Unread[other] = until
			}
		}
	}
}

// verdict is what a reading says about a change that was refused.
type verdict struct {
	right   map[string]string     // roles that are as wanted, and how that is known
	blocked bool                  // something is not
	soon    map[memory.Grant]bool // what cannot be known before a window has passed
}

func (w *sender) judge(ctx context.Context, s step, seen backend.Observation) (v verdict, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		v = verdict{right: map[string]string{}, soon: map[memory.Grant]bool{}}
		return s.each(func(a *account, role string, want bool) error {
			e, err := entry(tx.Ledger(w.Name), s.target, a, role)
			note, ok := settledByReading(seen, e, want)
			switch {
			case ok && !want && (a.Recent || e.Doubt.After(w.Clock())): // what the bridge gave a moment ago a list may not show yet
				v.soon[memory.Grant{Target: s.target, Account: a.ID, Role: role}] = true
			case ok:
				v.right[role] = note
			default:
				v.blocked = true
			}
			return err
		})
	})
	return v, err
}

// gone parks everything on a target that vanished; what is left of the visit is not sent.
func (w *sender) gone(ctx context.Context, s step, failure *backend.Error) error {
	if err := w.commit(ctx, s, s.untouched(failure), func(a *account) { a.block(reason.NoTarget) }); err != nil {
		return err
	}
	w.Breaker.Pause(s.target)
	return w.blockTarget(ctx, s.target)
}

// manyForbidden is after how many refusals in a row the credential is said to have no rights to a target at all.
const manyForbidden = 3

func reasonOf(e *backend.Error) string {
	if forbidden(e) {
		return reason.Forbidden
	}
	if reason.Block(e.Code).OfVendor {
		return e.Code
	}
	return reason.Rejected
}

// settledByReading says whether what was refused is so already. A removal of what may be gone, or was never confirmed, counts as "absent, unverified" where
// the vendor shows no roles and the person is in a complete listing.
func settledByReading(seen backend.Observation, e store.Entry, want bool) (note string, ok bool) {
	if has, known := seen.Has(e.Account, e.Role); known {
		return "read_back", has == want
	}
	_, member := seen.Members[e.Account]
	if unconfirmed := e.MaybeGone || e.Since.IsZero(); !want && unconfirmed && member && seen.Complete && !seen.Shows(e.Role) {
		return "absent_unverified", true
	}
	return "", false
}
