package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// A user may be able to change the value that finds their account, and so come to the account of another person. What that
// account had before is borrowed: it is adopted while the user is that account, and given back instead of revoked.

// borrow gives back what was borrowed and is not wanted any more, and looks at what accounts have before they are given more
// for users who came by a changed value.
func (w *Worker) borrow(ctx context.Context, t dueTarget, v *visitWork) error {
	if w.mode() != Sync && w.mode() != AddOnly {
		return nil
	}
	if w.mode() == Sync {
		if err := w.giveBack(ctx, t.name, v); err != nil {
			return err
		}
	}
	var borrowers []*account
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		if a := v.accounts[id]; len(a.newlyBorrowed()) > 0 {
			borrowers = append(borrowers, a)
		}
	}
	if len(borrowers) == 0 {
		return nil
	}
	return w.seeWhatIsThere(ctx, t, borrowers)
}

// newlyBorrowed lists the roles that the account is to get only for users who came by a changed value.
func (a *account) newlyBorrowed() []string {
	if len(a.links) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a.add), func(role string) bool {
		_, known := a.mine[role]
		return known || a.firm[role]
	})
}

// seeWhatIsThere notes what accounts have before they are given it. What cannot be told yet is not given yet.
func (w *Worker) seeWhatIsThere(ctx context.Context, t dueTarget, borrowers []*account) error {
	how := w.patiently
	if t.urgent {
		how = atOnce
	}
	var seen backend.Observation
	err := how(ctx, func(ctx context.Context) (err error) {
		seen, err = w.Backend.Observe(ctx, t.name)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking at what an account has: %w", err)
	}
	now := w.now()
	for _, a := range borrowers {
		a.there = map[string]bool{}
		for _, role := range a.newlyBorrowed() {
			has, tells := seen.Has(a.ID, role)
			switch {
			case !tells && seen.Complete && len(seen.Members) > 0: // the vendor does not show it
				continue
			case a.recent: // what a call of ours changed a read may not show yet
				a.wait = now.Add(w.Straggler)
			case !tells:
				a.wait = now.Add(secondLook)
			default:
				a.there[role] = has
				continue
			}
			a.add, a.replace = slices.DeleteFunc(a.add, func(r string) bool { return r == role }), false
		}
	}
	return nil
}

// giveBack disowns what was borrowed and nothing gives any more. What a user gives who did not come by a changed value is
// borrowed no longer.
func (w *Worker) giveBack(ctx context.Context, target string, v *visitWork) error {
	var keeps, ends []store.Entry
	for _, a := range v.accounts {
		for role, e := range a.mine {
			switch {
			case !e.Borrowed || e.Open:
			case a.firm[role]:
				keeps = append(keeps, e)
			case slices.Contains(a.back, role):
				ends = append(ends, e)
			}
		}
	}
	if len(keeps)+len(ends) == 0 {
		return nil
	}
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		for i, e := range slices.Concat(keeps, ends) {
			now, err := tx.Ledger(w.Name).Entry(target, e.Account, e.Role)
			if errors.Is(err, store.ErrNotFound) || err == nil && now.Attempt != e.Attempt {
				continue // decided meanwhile
			}
			if err != nil {
				return err
			}
			if i < len(keeps) {
				now.Borrowed = false
				err = tx.Ledger(w.Name).PutEntry(now)
			} else {
				err = w.giveBackOne(tx, now, v.accounts[e.Account])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("giving back what was borrowed: %w", err)
	}
	for _, e := range keeps {
		e.Borrowed = false
		v.accounts[e.Account].mine[e.Role] = e
	}
	for _, e := range ends {
		delete(v.accounts[e.Account].mine, e.Role)
	}
	return nil
}

func (w *Worker) giveBackOne(tx store.Tx, e store.Entry, a *account) error {
	if err := errors.Join(w.disown(tx, e), tx.Ledger(w.Name).DeleteEntry(e.Target, e.Account, e.Role)); err != nil {
		return err
	}
	event := store.Event{At: w.now(), Type: "disown", Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key,
		Detail: "it was there before, and the user who was given it came by a changed value"}
	if _, err := tx.Events().Append(initiated(event, a.origin)); err != nil || e.Hold == "" {
		return err
	}
	return w.wake(tx, w.now(), func(m store.Mark) bool { return m.State == store.Held && m.Reason == e.Hold })
}
