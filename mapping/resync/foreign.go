package resync

import (
	"context"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// foreign goes through the grants that are seen and not in the ledger, and says of each whether it must be revoked.
func (w *Resync) foreign(ctx context.Context, target string, seen backend.Observation, known map[string]map[string]bool) (again bool, strangers map[memory.Grant]bool, err error) {
	var disowned memory.Grants
	err = w.Store.Update(ctx, func(tx store.Tx) (err error) {
		disowned, err = w.stillDisowned(tx, target, seen, known)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	t := mapping.Target{Backend: w.Name, Target: target}
	roles := w.InForce().Roles(t)
	var all []memory.Grant
	for _, id := range slices.Sorted(maps.Keys(seen.Holders)) {
		for _, role := range seen.Holders[id] {
			if _, managed := roles[role]; managed && !known[id][role] && !disowned.Has(id, role) && !w.mayLag(target, id) {
				all = append(all, memory.Grant{Target: target, Account: id, Role: role})
			}
		}
	}
	strangers = map[memory.Grant]bool{}
	for part := range slices.Chunk(all, memory.Part) {
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			clear(w.found)
			groups, err := view.AllGroups(tx)
			if err != nil {
				return err
			}
			speaks := w.Authoritative(tx, target, groups)
			for _, g := range part {
				suspect, err := w.stranger(tx, g, seen.Members[g.Account].Key, roles[g.Role] && speaks(g.Role))
				if err != nil {
					return err
				}
				strangers[g] = suspect
			}
			return nil
		})
		if err != nil {
			return false, nil, err
		}
		w.countDrift()
	}
	for g, suspect := range strangers {
		again = again || suspect && !w.suspects[g]
	}
	return again, strangers, nil
}

// mayLag says whether a list may show of an account what a call of ours has ended.
func (w *Resync) mayLag(target, account string) bool {
	return w.Recent.Lag.After(w.Clock()) || memory.Within(w.Clock(), w.Recent.Touched[memory.Spot{Target: target, Account: account}], w.Straggler)
}

// sighted remembers what a reading saw, once it is committed: two sightings in a row count, and what comes again after it was not
// there is reported again.
func (w *Resync) sighted(target string, strangers map[memory.Grant]bool) {
	maps.DeleteFunc(w.foreigners, func(g memory.Grant, _ bool) bool { _, there := strangers[g]; return g.Target == target && !there })
	maps.DeleteFunc(w.suspects, func(g memory.Grant, _ bool) bool { return g.Target == target && !strangers[g] })
	for g, remove := range strangers {
		if w.suspects[g] {
			delete(w.suspects, g) // it was the second one
		} else if remove {
			w.suspects[g] = true
		}
	}
}

// stranger deals with a grant that is seen and not in the ledger: a group that gives it, too, adopts it; else it is reported,
// and taken over for removal if it is seen twice and to be removed.
func (w *Resync) stranger(tx store.Tx, g memory.Grant, key string, remove bool) (again bool, err error) {
	now, work := w.Clock(), tx.Work(w.Name)
	wanted := view.NewAccount(g.Account)
	if err := w.Load(tx, g.Target, g.Account, wanted, nil); err != nil {
		return false, err
	}
	if _, want := wanted.Want[g.Role]; want {
		return false, work.Touch(g.Target, now, w.ByResync(), store.Subject{Account: g.Account})
	}
	w.drifted(DriftForeign, g)
	if !remove {
		return false, nil
	}
	if !w.suspects[g] {
		return true, nil
	}
	return true, w.takeForeign(tx, g, key)
}

// stillDisowned drops what is ours again or not there any more from what was disowned.
func (w *Resync) stillDisowned(tx store.Tx, target string, seen backend.Observation, known map[string]map[string]bool) (memory.Grants, error) {
	all, err := w.Disowned(tx, target)
	if err != nil {
		return nil, err
	}
	for id, roles := range maps.Clone(all) {
		for _, role := range slices.Clone(roles) {
			if has, tells := seen.Has(id, role); known[id][role] || tells && !has {
				all.Drop(id, role)
				if err := store.Delete(tx, store.Disowned{Backend: w.Name, Target: target, Account: id, Role: role}); err != nil {
					return nil, err
				}
			}
		}
	}
	return all, nil
}

// takeForeign takes over a foreign grant that an authoritative rule does not give, to be removed
// under the brakes.
func (w *Resync) takeForeign(tx store.Tx, g memory.Grant, key string) error {
	if err := w.TakeOver(tx, g, key, w.ByResync()); err != nil {
		return err
	}
	e, err := tx.Ledger(w.Name).Entry(g.Target, g.Account, g.Role)
	if err != nil {
		return err
	}
	e.Note = view.ByAuthoritative
	return tx.Ledger(w.Name).PutEntry(e)
}
