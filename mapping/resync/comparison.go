package resync

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// recordComparison stores when a target was compared, and the grants at the vendor that are not in
// the ledger, for the report of access. It reads everything in one View and writes only what is
// different from the comparison before, in parts.
func (w *Resync) recordComparison(ctx context.Context, target string, seen backend.Observation) error {
	now := w.Clock()
	var fresh, gone []store.ForeignGrant
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		fresh, gone, err = w.outsideLedger(tx, target, seen, now)
		return err
	})
	if err == nil {
		err = memory.InParts(ctx, w.Store, gone, func(tx store.Tx, part []store.ForeignGrant) error { return eachRecord(tx, part, store.Delete) })
	}
	if err == nil {
		err = memory.InParts(ctx, w.Store, fresh, func(tx store.Tx, part []store.ForeignGrant) error { return eachRecord(tx, part, store.Put) })
	}
	if err == nil {
		shows := seen.Only
		if seen.Roles {
			shows = store.AnyRole
		}
		err = w.Store.Update(ctx, func(tx store.Tx) error {
			return store.Put(tx, store.Comparison{Backend: w.Name, Target: target, At: now, Settled: now.Add(-w.Straggler), Shows: shows})
		})
	}
	if err != nil {
		return fmt.Errorf("recording a comparison: %w", err)
	}
	return nil
}

// eachRecord writes or deletes records.
func eachRecord(tx store.Tx, all []store.ForeignGrant, do func(store.Tx, store.ForeignGrant) error) error {
	for _, s := range all {
		if err := do(tx, s); err != nil {
			return err
		}
	}
	return nil
}

// outsideLedger compares what is seen with the ledger and with what the comparison before saw. A listing may still
// show what a call of ours took away a moment ago: Comparison.Settled says from when on.
func (w *Resync) outsideLedger(tx store.Tx, target string, seen backend.Observation, now time.Time) (fresh, gone []store.ForeignGrant, err error) {
	ours := map[string]map[string]bool{}
	for e, err := range tx.Ledger(w.Name).Entries(target, "") {
		if err != nil {
			return nil, nil, err
		}
		if ours[e.Account] == nil {
			ours[e.Account] = map[string]bool{}
		}
		ours[e.Account][e.Role] = true
	}
	there := func(account, role string) bool {
		return !ours[account][role] && slices.Contains(seen.Holders[account], role)
	}
	before := map[memory.Grant]bool{}
	for s, err := range store.List(tx, store.ForeignGrant{Backend: w.Name, Target: target}) {
		if err != nil {
			return nil, nil, err
		}
		if there(s.Account, s.Role) {
			before[memory.Grant{Target: target, Account: s.Account, Role: s.Role}] = true
		} else {
			gone = append(gone, s)
		}
	}
	for _, account := range slices.Sorted(maps.Keys(seen.Holders)) {
		for _, role := range seen.Holders[account] {
			if known := before[memory.Grant{Target: target, Account: account, Role: role}]; known || !there(account, role) {
				continue
			}
			fresh = append(fresh, store.ForeignGrant{Backend: w.Name, Target: target, Account: account, Role: role, Key: seen.Members[account].Key, Since: now})
		}
	}
	return fresh, gone, w.nameForeign(tx, target, fresh)
}

// nameForeign adds the values that find the accounts, where the vendor does not show them with the
// roles.
func (w *Resync) nameForeign(tx store.Tx, target string, all []store.ForeignGrant) error {
	if !slices.ContainsFunc(all, func(s store.ForeignGrant) bool { return s.Key == "" }) {
		return nil
	}
	keys := map[string]string{}
	for _, s := range all {
		keys[s.Account] = s.Key
	}
	for c, err := range tx.Accounts(w.Name).CachedOn(w.Listing(target)) {
		if err != nil {
			return err
		}
		if key, wanted := keys[c.ID]; wanted && key == "" {
			keys[c.ID] = c.Key
		}
	}
	for i := range all {
		all[i].Key = keys[all[i].Account]
	}
	return nil
}
