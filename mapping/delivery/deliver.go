package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// sender makes the calls of a plan and writes their outcomes.
type sender struct {
	*recorder
	timeout   time.Duration       // of one call
	delivered func(time.Duration) // from the IdP's answer to the backend's
}

// deliver makes one call: the open attempt is committed before it, the outcome after it. The error is
// one of the store or of ctx.
func (w *sender) deliver(ctx context.Context, s step) error {
	if !w.Breaker.PausedUntil(s.target).IsZero() || w.UntilEnded(ctx, s.delta) || flight.Fenced(ctx, maps.Keys(s.accounts)) {
		return w.postpone(ctx, s)
	}
	if s.offboards != nil {
		release, ready := w.readyToEnd(s)
		if !ready {
			return w.settleQuiet(ctx, s.target, []*account{s.offboards})
		}
		defer release()
	}
	if err := w.begin(ctx, s); errors.Is(err, errDecided) {
		s.leave()
		return nil
	} else if err != nil {
		return fmt.Errorf("recording an attempt: %w", err)
	}
	outcomes, err := w.call(ctx, s)
	var failure *backend.Error
	if err != nil && !errors.As(err, &failure) {
		failure = &backend.Error{Kind: backend.Transient, Doing: "changing something", Err: err}
	}
	switch {
	case s.invites != nil:
		return w.finishInvitation(ctx, s, failure)
	case s.offboards != nil:
		s.offboards.steps--
		return w.finishEnd(ctx, s, failure)
	case failure == nil:
		w.Breaker.Succeeded(s.target)
		w.Log.Info("delivered", "backend", w.Name, "target", s.target, "people", len(s.delta.Changes))
		return w.confirm(ctx, s, outcomes)
	}
	return w.refused(ctx, s, failure)
}

// readyToEnd claims an account whose membership ends. If its roles were not revoked cleanly, or another
// visit ends it, the account is left for later.
func (w *sender) readyToEnd(s step) (release func(), ready bool) {
	a := s.offboards
	if !a.unfinished && a.park == 0 && a.Wait.IsZero() {
		if release, ready = w.ClaimEnd(s.target, a.ID); ready {
			return release, true
		}
		a.later = true
	}
	a.steps--
	return nil, false
}

// refused deals with a call that changes roles and was not answered cleanly. A rejected batch is halved
// until the offending entry stands alone.
func (w *sender) refused(ctx context.Context, s step, failure *backend.Error) error {
	switch {
	case isolable(failure, s):
		if err := w.outcome(ctx, s, s.untouched(failure), false); err != nil {
			return err
		}
		for _, half := range halves(s) {
			half.isolated, half.sent = true, s.sent || !failure.Unsent
			if err := w.deliver(ctx, half); err != nil {
				return err
			}
		}
		return nil
	case failure.Kind == backend.Rejected, (s.isolated || s.settings()) && forbidden(failure):
		return w.single(ctx, s, failure)
	case failure.Kind == backend.Missing:
		w.Breaker.Say(s.target, reason.NoTarget, "the backend has no such target")
		return w.commit(ctx, s, s.untouched(failure), func(a *account) { a.block(reason.NoTarget) })
	case failure.Unsent, failure.Kind == backend.Throttled, failure.Kind == backend.Unauthorized:
		w.Breaker.Failed(s.target, failure)
		return w.commit(ctx, s, s.untouched(failure), func(a *account) { a.unfinished = true })
	}
	w.Breaker.Failed(s.target, failure)
	return w.doubt(ctx, s)
}

// forbidden: the credential may not do this, though it may do other things.
func forbidden(e *backend.Error) bool {
	return e.Kind == backend.Unauthorized && e.Status == http.StatusForbidden
}

// isolable says whether a part of the call may be what is refused.
func isolable(e *backend.Error, s step) bool {
	return size(s) > 1 && (e.Kind == backend.Rejected || forbidden(e))
}

// call makes the call of a step. It is not cut short by the end of ctx: a graceful stop waits for the
// answer, so that nothing is left open needlessly.
func (w *sender) call(ctx context.Context, s step) ([]backend.Outcome, error) {
	lingering, cancel := w.linger(ctx)
	defer cancel()
	switch {
	case s.offboards != nil:
		return nil, w.Backend.Offboard(lingering, s.target, s.offboards.Account.Account.Account)
	case s.invites != nil:
		return nil, w.Backend.Invite(lingering, s.target, s.invites.Key)
	}
	return w.Backend.Apply(lingering, s.delta)
}

// linger outlasts ctx by as long as one call may take. While ctx lasts there is no deadline: each call of a client has one of its own,
// and how many it makes to read a list is the vendor's.
func (w *sender) linger(ctx context.Context) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(w.timeout, cancel) })
	return lingering, func() { stop(); cancel() }
}

// postpone leaves a step to the next visit.
func (w *sender) postpone(ctx context.Context, s step) error {
	if s.leave(); s.invites != nil {
		return w.askLater(ctx, s)
	}
	return nil
}

// leave ends a step without a call: its marks stay for the next round.
func (s step) leave() {
	for _, a := range s.accounts {
		a.steps--
		a.unfinished = true
	}
}

// each runs f over every grant that the step changes.
func (s step) each(f func(a *account, role string, want bool) error) error {
	for _, c := range s.delta.Changes {
		a := s.accounts[c.Account.ID]
		if err := eachRole(a, c, f); err != nil {
			return err
		}
	}
	for _, set := range s.delta.PermissionSetsToAdd {
		if err := f(s.accounts[store.TargetSettings], set, true); err != nil {
			return err
		}
	}
	for _, set := range s.delta.PermissionSetsToRemove {
		if err := f(s.accounts[store.TargetSettings], set, false); err != nil {
			return err
		}
	}
	return nil
}

func eachRole(a *account, c backend.Change, f func(*account, string, bool) error) error {
	for _, role := range c.Roles {
		if err := f(a, role, c.Op != backend.Remove); err != nil {
			return err
		}
	}
	if c.Op == backend.Replace {
		for _, role := range a.Remove {
			if err := f(a, role, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// errDecided: of what a call is to take away something is not the bridge's any more, because an operator decided so meanwhile.
var errDecided = errors.New("decided meanwhile")

// begin commits that an attempt has started.
func (w *sender) begin(ctx context.Context, s step) error {
	switch {
	case s.offboards != nil:
		return w.beginEnd(ctx, s)
	case s.invites != nil:
		return w.beginInvitation(ctx, s)
	}
	return w.beginChange(ctx, s)
}

// beginChange commits that an attempt has started, for every grant of the call.
func (w *sender) beginChange(ctx context.Context, s step) error {
	now := w.Clock()
	for id := range s.accounts {
		w.Recent.Touched[memory.Spot{Target: s.target, Account: id}] = now
	}
	return w.Store.Update(ctx, func(tx store.Tx) error {
		if err := w.NoteCalled(tx); err != nil {
			return err
		}
		ledger := tx.Ledger(w.Name)
		attempt, err := ledger.NextAttempt()
		if err != nil {
			return err
		}
		if err := w.countRemovals(tx, s, now); err != nil {
			return err
		}
		return s.each(func(a *account, role string, want bool) error {
			e, err := ledger.Entry(s.target, a.ID, role)
			switch {
			case errors.Is(err, store.ErrNotFound) && !want:
				return errDecided
			case errors.Is(err, store.ErrNotFound):
				e = store.Entry{Target: s.target, Account: a.ID, Role: role, Key: a.Key, Adopted: a.There[role],
					Borrowed: want && len(a.Links) > 0 && !a.Want[role].Firm}
			case err != nil:
				return err
			}
			if want { // came back: leaving once more is another decision
				err := errors.Join(store.Delete(tx, w.RetainedRow(a.ID)), store.Delete(tx, w.OffboardedRow(s.target, a.ID)))
				if err != nil {
					return err
				}
			}
			e.Open, e.Attempt, e.Wanted, e.Sent, e.Key = true, attempt, want, now, a.Key
			e.Approved = e.Approved && !want // the next removal is another decision
			return ledger.PutEntry(e)
		})
	})
}

func entry(ledger store.Ledger, target string, a *account, role string) (store.Entry, error) {
	e, err := ledger.Entry(target, a.ID, role)
	if errors.Is(err, store.ErrNotFound) {
		return store.Entry{Target: target, Account: a.ID, Role: role, Key: a.Key}, nil
	}
	return e, err
}

// commit writes the outcome of a call: set changes each entry of the step, then the marks of every account that
// has nothing left to do are settled, if they still have the sequence number that was worked on.
func (w *sender) commit(ctx context.Context, s step, set func(tx store.Tx, e *store.Entry, role string, want bool) error, also func(*account)) error {
	for _, a := range s.accounts {
		a.steps--
		if also != nil {
			also(a)
		}
	}
	return w.outcome(ctx, s, set, true)
}

func (w *sender) outcome(ctx context.Context, s step, set func(tx store.Tx, e *store.Entry, role string, want bool) error, settle bool) error {
	var done []store.Mark
	c, now := w.Breaker.Condition(), w.Clock()
	for id := range s.accounts { // what reads may not show yet begins with the answer
		w.Recent.Touched[memory.Spot{Target: s.target, Account: id}] = now
	}
	err := w.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		done = nil
		if err := w.Breaker.Put(tx, c); err != nil { // what the vendor said to this call holds for the next call
			return err
		}
		ledger := tx.Ledger(w.Name)
		err := s.each(func(a *account, role string, want bool) error {
			e, err := entry(ledger, s.target, a, role)
			if err != nil || !e.Open {
				return err
			}
			e.Open, e.Sent = false, now
			if err := set(tx, &e, role, want); err != nil {
				return err
			}
			if e.State == store.Absent && e.Doubt.IsZero() {
				return ledger.DeleteEntry(e.Target, e.Account, e.Role)
			}
			return ledger.PutEntry(e)
		})
		if err != nil || !settle {
			return err
		}
		for _, a := range s.accounts {
			marks, err := w.settle(tx, s.target, a)
			if err != nil {
				return err
			}
			done = append(done, marks...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recording an outcome: %w", err)
	}
	w.Breaker.Noted(c)
	w.report(done)
	return nil
}

// confirm records a clean success. It takes back the doubt of earlier attempts only if their window has passed.
func (w *sender) confirm(ctx context.Context, s step, outcomes []backend.Outcome) error {
	already, touched := map[string]bool{}, map[string]bool{}
	for id, a := range s.accounts {
		touched[id] = a.Called
	}
	evidence := map[bool]string{false: "clean answer", true: "clean answer; it was so before"}
	for i, o := range outcomes {
		already[s.delta.Changes[i].Account.ID] = o == backend.Already
	}
	now := w.Clock()
	return w.commit(ctx, s, func(tx store.Tx, e *store.Entry, role string, want bool) error {
		_, known := s.accounts[e.Account].Owned[role]
		adopted := already[e.Account] && want && !known && !touched[e.Account] || want && e.Adopted && e.Since.IsZero()
		e.State, e.Note, e.Missed = confirmed(want), "ok", 0
		if !e.Doubt.After(now) {
			e.Doubt, e.MaybeGone = time.Time{}, e.MaybeGone && !want
		}
		if e.Since, e.Adopted = now, adopted; !want {
			e.Since = time.Time{}
			w.Recent.Revoked[memory.Grant{Target: e.Target, Account: e.Account, Role: role}] = now
		}
		_, err := tx.Events().Append(w.event(*e, s.accounts[e.Account].Account, want, adopted, evidence[already[e.Account]], now))
		return err
	}, nil)
}

// untouched closes the attempt of a call that was answered with a no, or never left. Of one that never left what was confirmed
// before still is, and an entry that was made for it goes again, unless it is part of a call that was answered; of any other each
// part may have been applied, but none still can be: nothing has to be waited for before it is sent again.
func (s step) untouched(failure *backend.Error) func(store.Tx, *store.Entry, string, bool) error {
	return func(_ store.Tx, e *store.Entry, role string, want bool) error {
		e.Note = "refused"
		_, known := s.accounts[e.Account].Owned[role]
		switch {
		case failure.Unsent && !known && !s.sent:
			e.State = store.Absent
		case !failure.Unsent: // part of the call may have been applied
			e.State = store.Unknown
			e.MaybeGone = e.MaybeGone || !want && size(s) > 1
		}
		return nil
	}
}

// doubt records that the outcome of the call is unknown, and that it may still take effect.
func (w *sender) doubt(ctx context.Context, s step) error {
	until := w.Clock().Add(w.Straggler)
	return w.commit(ctx, s, func(_ store.Tx, e *store.Entry, _ string, want bool) error {
		e.State, e.Doubt, e.Note = store.Unknown, until, "no_clean_answer"
		e.MaybeGone = e.MaybeGone || !want
		return nil
	}, func(a *account) { a.unfinished = true })
}

// block parks the account's marks once its last step is committed.
func (a *account) block(reason string) { a.park, a.reason = store.Blocked, reason }
