package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/mapping/lookup"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/resync"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// recorder writes what a plan decides that needs no call: what is held, and what is the bridge's.
type recorder struct {
	*lookup.Finder
	admins *resync.Admins
}

// record commits what a plan decides besides its calls: whose grants are the bridge's, which users
// must be looked up, and what is held.
func (w *recorder) record(ctx context.Context, target string, v *visitWork, p plan.Plan) error {
	owns := len(p.LookUp) > 0
	for id, d := range p.Decisions {
		if d.Dropped != nil && w.ModeNow() == view.Observe {
			w.Log.Info("observe: would change roles", "backend", w.Name, "account", memory.Label(id), "add", d.Dropped.Add, "remove", d.Dropped.Remove)
		}
		owns = owns || len(d.Keep)+len(d.GiveBack)+len(d.Disown)+len(d.Claim) > 0
	}
	if owns {
		if err := w.Store.Update(ctx, func(tx store.Tx) error { return w.recordOwners(tx, target, v, p) }); err != nil {
			return fmt.Errorf("recording whose grants are the bridge's: %w", err)
		}
		for id, d := range p.Decisions {
			for _, role := range d.Claim {
				w.Recent.Taken[memory.Grant{Target: target, Account: id, Role: role}] = w.Clock()
			}
		}
	}
	if err := w.recordHolds(ctx, target, v, p); err != nil {
		return err
	}
	return w.recordEnds(ctx, target, v)
}

// recordOwners writes which grants the bridge keeps, gives back, disowns and takes over. A grant about
// which something else was decided meanwhile is left to the next visit.
func (w *recorder) recordOwners(tx store.Tx, target string, v *visitWork, p plan.Plan) error {
	for _, l := range p.LookUp {
		if err := tx.Work(w.Name).Touch(target, w.Clock(), v.accounts[l.Account].Origin, l.User); err != nil {
			return err
		}
	}
	for id, d := range p.Decisions {
		a := v.accounts[id]
		err := errors.Join(w.eachUnchanged(tx, a, d.Keep, w.keepOne), w.eachUnchanged(tx, a, d.GiveBack, w.giveBackOne),
			w.eachUnchanged(tx, a, d.Disown, w.disownOne))
		if err != nil {
			return err
		}
		for _, role := range d.Claim {
			if err := w.TakeOver(tx, memory.Grant{Target: target, Account: id, Role: role}, a.Key, a.Origin); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachUnchanged writes the grants of an account that are as the plan saw them.
func (w *recorder) eachUnchanged(tx store.Tx, a *account, roles []string, write func(store.Tx, store.Entry, *account) error) error {
	for _, role := range roles {
		seen := a.Ledger[role]
		current, err := tx.Ledger(w.Name).Entry(seen.Target, seen.Account, role)
		if errors.Is(err, store.ErrNotFound) || err == nil && (current.Attempt != seen.Attempt || current.Hold != seen.Hold) {
			continue
		}
		if err == nil {
			err = write(tx, current, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keepOne makes a borrowed grant the bridge's.
func (w *recorder) keepOne(tx store.Tx, e store.Entry, _ *account) error {
	e.Borrowed = false
	return tx.Ledger(w.Name).PutEntry(e)
}

// giveBackOne gives up a borrowed grant.
func (w *recorder) giveBackOne(tx store.Tx, e store.Entry, a *account) error {
	if err := errors.Join(w.Disown(tx, e), tx.Ledger(w.Name).DeleteEntry(e.Target, e.Account, e.Role)); err != nil {
		return err
	}
	event := store.Event{At: w.Clock(), Type: "disown", Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key,
		Detail: "it was there before, and the user who was given it came by a changed value"}
	if _, err := tx.Events().Append(memory.Initiated(event, a.Origin)); err != nil {
		return err
	}
	return w.wakeHold(tx, e.Hold)
}

// disownOne gives up a foreign grant whose authoritative rule no longer speaks.
func (w *recorder) disownOne(tx store.Tx, e store.Entry, _ *account) error {
	if err := tx.Ledger(w.Name).DeleteEntry(e.Target, e.Account, e.Role); err != nil {
		return err
	}
	if err := w.Noticed(tx, "disown", "no group of the authoritative rule is there", e, w.ByResync()); err != nil {
		return err
	}
	return w.wakeHold(tx, e.Hold)
}

// wakeHold lets what waits for a hold be looked at again; "" is none.
func (w *recorder) wakeHold(tx store.Tx, hold string) error {
	if hold == "" {
		return nil
	}
	return w.Wake(tx, w.Clock(), func(m store.Mark) bool { return m.State == store.Held && m.Reason == hold })
}
