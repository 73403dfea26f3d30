package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// compute fills in what each account should have and what the ledger says, in one View that is closed before
// any call, and decides what to send.
func (w *Worker) compute(ctx context.Context, target string, v *visitWork) error {
	now, unsure := w.now(), []store.Mark{}
	err := w.Store.View(ctx, func(tx store.Tx) error {
		unsure = unsure[:0]
		since, err := w.askedSince(tx, target, v)
		if err != nil {
			return err
		}
		for id, a := range v.accounts {
			if err := w.load(tx, target, id, a); err != nil {
				return fmt.Errorf("computing what is wanted: %w", err)
			}
			if a.origin, err = w.origin(tx, target, a, since); err != nil {
				return fmt.Errorf("computing what is wanted: %w", err)
			}
			if a.decide(now, w.Straggler); id == store.TargetSettings || len(a.add) == 0 {
				continue
			}
			more, err := w.withhold(tx, target, v, a)
			if err != nil {
				return fmt.Errorf("looking who is who: %w", err)
			}
			for _, s := range more {
				unsure = append(unsure, store.Mark{Subject: s, Origin: a.origin})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.lookUpAgain(ctx, target, unsure); err != nil {
		return err
	}
	maps.DeleteFunc(w.touched, func(_ spot, at time.Time) bool { return !within(now, at, w.Straggler) })
	maps.DeleteFunc(w.taken, func(_ foreignGrant, at time.Time) bool { return !within(now, at, w.Straggler) })
	maps.DeleteFunc(w.revoked, func(_ foreignGrant, at time.Time) bool { return !within(now, at, w.Straggler) })
	for id, a := range v.accounts {
		_, touched := w.touched[spot{target, id}] // a removal leaves no entry that would tell
		a.touched = a.recent || touched
		a.recent = a.touched || w.lag.After(now)
	}
	return nil
}

// load reads one account: the union over all users of all identity providers that are bound to it.
func (w *Worker) load(tx store.Tx, target, id string, a *account) error {
	a.want, a.mine, a.frozen = map[string]mapping.Grant{}, map[string]store.Entry{}, nil
	a.people, a.causes, a.links = nil, nil, nil
	a.wants, a.firm = map[store.Subject][]string{}, map[string]bool{}
	for e, err := range tx.Ledger(w.Name).Entries(target, id) {
		if err != nil {
			return err
		}
		a.mine[e.Role] = e
		a.Key = e.Key
		if w.inForce().Frozen(mapping.Target{Backend: w.Name, Target: target}, e.Role) {
			a.frozen = append(a.frozen, e.Role)
		}
	}
	if id == store.TargetSettings {
		return w.loadSettings(tx, target, a)
	}
	links, err := tx.Accounts(w.Name).Linked(id)
	if err != nil {
		return err
	}
	a.offboarded = len(links) > 0
	for _, l := range links {
		a.Key = l.Key
		s := store.Subject{IdP: l.IdP, User: l.User}
		a.people, a.links = append(a.people, s), append(a.links, l)
		user, groups, err := userAndGroups(tx, s)
		a.offboarded = a.offboarded && (err != nil || !user.Active)
		if err != nil || w.key(user) != l.Key {
			continue // gone, or about to be bound anew: nothing is wanted through this link
		}
		for _, g := range w.rules(tx).Desired(l.IdP, user, groups) {
			if g.Target != (mapping.Target{Backend: w.Name, Target: target}) {
				continue
			}
			old := a.want[g.Role]
			g.Replace = g.Replace || old.Replace
			a.want[g.Role] = g
			a.wants[s] = append(a.wants[s], g.Role)
			a.firm[g.Role] = a.firm[g.Role] || !l.Changed
			a.because(l.IdP, g)
		}
	}
	if c, err := tx.Accounts(w.Name).Cached(w.listing(target), a.Key); err == nil && c.ID == id {
		a.Status = c.Status
	}
	return nil
}

// allGroups reads the groups of all identity providers.
func allGroups(tx store.Tx) (all []mapping.Named, err error) {
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return nil, err
			}
			all = append(all, mapping.Named{IdP: idp, Group: g})
		}
	}
	return all, nil
}

func (w *Worker) loadSettings(tx store.Tx, target string, a *account) error {
	all, err := allGroups(tx)
	if err != nil {
		return err
	}
	t := mapping.Target{Backend: w.Name, Target: target}
	for _, set := range w.rules(tx).PermissionSets(t, all) {
		a.want[set] = mapping.Grant{Target: t, Role: set}
	}
	return nil
}

// decide compares wanted and ledger. It is the heart of the bridge: see the state machine in doc.go.
func (a *account) decide(now time.Time, straggler time.Duration) {
	a.add, a.remove, a.back, a.replace = nil, nil, nil, false
	roles := map[string]bool{}
	for r, g := range a.want {
		roles[r] = true
		a.replace = a.replace || g.Replace
	}
	for r, e := range a.mine {
		roles[r] = true
		a.recent = a.recent || within(now, e.Sent, straggler) || !e.Doubt.IsZero()
	}
	for role := range roles {
		_, want := a.want[role]
		e, known := a.mine[role]
		switch {
		case known && e.State == confirmed(want), !known && !want: // in doubt or not: see settle
		case want:
			a.add = append(a.add, role)
		case slices.Contains(a.frozen, role): // its rule is paused
		case e.Adopted && e.Borrowed: // it was another's before
			a.back = append(a.back, role)
		default:
			a.remove = append(a.remove, role)
		}
	}
	a.replace = a.replace && len(a.add)+len(a.remove) > 0
}

func confirmed(want bool) store.EntryState {
	if want {
		return store.Present
	}
	return store.Absent
}

// verify settles doubt whose window has passed, before anything is computed. A grant that is seen is there, unless a removal of it may have landed. One that is not
// seen is not thereby gone, since a read may lag: the newest value is sent once more, and its clean answer counts. For those who
// leave nothing is read: what may be there is removed.
func (w *Worker) verify(ctx context.Context, t dueTarget, v *visitWork) error {
	target, now := t.name, w.now()
	var doubtful []store.Entry
	err := w.Store.View(ctx, func(tx store.Tx) error {
		doubtful = nil
		for id := range v.accounts {
			for e, err := range tx.Ledger(w.Name).Entries(target, id) {
				if err != nil {
					return fmt.Errorf("reading the ledger: %w", err)
				}
				if !e.Doubt.IsZero() && !e.Doubt.After(now) {
					doubtful = append(doubtful, e)
				}
			}
		}
		return nil
	})
	if err != nil || len(doubtful) == 0 {
		return err
	}
	var seen backend.Observation
	if w.Backend.Traits().ShowsAll && !t.urgent {
		err = w.patiently(ctx, func(ctx context.Context) (err error) {
			seen, err = w.Backend.Observe(ctx, target)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading back after a doubtful call: %w", err)
		}
		w.succeeded(target)
	}
	return w.Store.Update(ctx, func(tx store.Tx) error {
		for _, e := range doubtful {
			now, err := tx.Ledger(w.Name).Entry(e.Target, e.Account, e.Role)
			if err != nil || now.Attempt != e.Attempt {
				continue // settled or sent again meanwhile
			}
			e.Doubt, e.Note = time.Time{}, "read_back"
			was := e.State
			e.State = store.Unknown
			if has, _ := seen.Has(e.Account, e.Role); has && !(e.Wanted && e.MaybeGone) { // a list may still show what a late removal took
				e.State = store.Present
				if was != store.Present {
					if err := w.readBack(tx, e, v.accounts[e.Account].marks); err != nil {
						return err
					}
				}
			}
			if err := tx.Ledger(w.Name).PutEntry(e); err != nil {
				return fmt.Errorf("settling doubt: %w", err)
			}
		}
		return nil
	})
}
