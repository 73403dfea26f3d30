package delivery

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// foreignGrant is what a resync saw and no group gives.
type foreignGrant struct{ target, account, role string }

// foreign goes through the grants that are seen and not in the ledger, and says of each whether it must be revoked.
func (w *Worker) foreign(ctx context.Context, target string, seen backend.Observation, known map[string]map[string]bool) (again bool, strangers map[foreignGrant]bool, err error) {
	var disowned grants
	err = w.Store.Update(ctx, func(tx store.Tx) (err error) {
		disowned, err = w.stillDisowned(tx, target, seen, known)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	t := mapping.Target{Backend: w.Name, Target: target}
	roles := w.inForce().Roles(t)
	var all []foreignGrant
	for _, id := range slices.Sorted(maps.Keys(seen.Holders)) {
		for _, role := range seen.Holders[id] {
			if _, managed := roles[role]; managed && !known[id][role] && !disowned.has(id, role) && !w.mayLag(target, id) {
				all = append(all, foreignGrant{target, id, role})
			}
		}
	}
	strangers = map[foreignGrant]bool{}
	for part := range slices.Chunk(all, sweepChunk) {
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			clear(w.found)
			groups, err := allGroups(tx)
			if err != nil {
				return err
			}
			speaks := w.authoritative(tx, target, groups)
			for _, g := range part {
				suspect, err := w.stranger(tx, g, seen.Members[g.account].Key, roles[g.role] && speaks(g.role))
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
func (w *Worker) mayLag(target, account string) bool {
	return w.lag.After(w.now()) || within(w.now(), w.touched[spot{target, account}], w.Straggler)
}

// sighted remembers what a reading saw, once it is committed: two sightings in a row count, and what comes again after it was not
// there is reported again.
func (w *Worker) sighted(target string, strangers map[foreignGrant]bool) {
	maps.DeleteFunc(w.foreigners, func(g foreignGrant, _ bool) bool { _, there := strangers[g]; return g.target == target && !there })
	maps.DeleteFunc(w.suspects, func(g foreignGrant, _ bool) bool { return g.target == target && !strangers[g] })
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
func (w *Worker) stranger(tx store.Tx, g foreignGrant, key string, remove bool) (again bool, err error) {
	now, work := w.now(), tx.Work(w.Name)
	wanted := newAccount(g.account)
	if err := w.load(tx, g.target, g.account, wanted, nil); err != nil {
		return false, err
	}
	if _, want := wanted.Want[g.role]; want {
		return false, work.Touch(g.target, now, w.byResync(), store.Subject{Account: g.account})
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

// takeOver makes a grant that was found the bridge's, to be removed under the brakes.
func (w *Worker) takeOver(tx store.Tx, g foreignGrant, key string, by store.Origin) error {
	now := w.now()
	e := plan.Taken(g.target, g.account, g.role, key, now)
	if err := errors.Join(tx.Ledger(w.Name).PutEntry(e), w.noticed(tx, "takeover", "read", e, by)); err != nil {
		return err
	}
	return tx.Work(w.Name).Touch(g.target, now, by, store.Subject{Account: g.account})
}

// stillDisowned drops what is ours again or not there any more from what was disowned.
func (w *Worker) stillDisowned(tx store.Tx, target string, seen backend.Observation, known map[string]map[string]bool) (grants, error) {
	all, err := w.disowned(tx, target)
	if err != nil {
		return nil, err
	}
	for id, roles := range maps.Clone(all) {
		for _, role := range slices.Clone(roles) {
			if has, tells := seen.Has(id, role); known[id][role] || tells && !has {
				all.drop(id, role)
				if err := store.Delete(tx, store.Disowned{Backend: w.Name, Target: target, Account: id, Role: role}); err != nil {
					return nil, err
				}
			}
		}
	}
	return all, nil
}
