package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// keepSets holds the removal of a target's permission sets for as long as a hold keeps an account on
// it: without them that account would have the role in name only.
func (w *Worker) keepSets(ctx context.Context, target string, v *visitWork) error {
	a := v.accounts[store.TargetSettings]
	if a == nil || len(a.remove) == 0 {
		return nil
	}
	hold := ""
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		hold, err = heldOn(tx, w.Name, target)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking whether an account is held: %w", err)
	}
	if hold != "" {
		a.remove, a.park, a.reason = nil, store.Held, hold
	}
	return nil
}

// heldOn returns a hold of accounts on a target, "" if there is none.
func heldOn(tx store.Tx, name, target string) (string, error) {
	for e, err := range tx.Ledger(name).Entries(target, "") {
		if err != nil || e.Hold != "" && e.Account != store.TargetSettings {
			return e.Hold, err
		}
	}
	return "", nil
}

// countUsers reads which accounts have a role of the target, if it is to lose permission sets:
// accounts that the bridge did not give the role lose them, too.
func (b *brakes) countUsers(ctx context.Context) error {
	if b.sets == nil || len(b.fresh(b.sets)) == 0 {
		return nil
	}
	var seen backend.Observation
	err := b.worker.patiently(ctx, func(ctx context.Context) (err error) {
		seen, err = b.worker.Backend.Observe(ctx, b.target)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading which accounts would lose a permission set: %w", err)
	}
	b.seen, b.counted = map[string]bool{}, seen.Count
	for id, roles := range seen.Holders {
		if len(roles) > 0 {
			b.seen[id] = true
		}
	}
	return nil
}

// limitSets holds the removal of permission sets under max_removals: it is a revocation from every
// account that keeps a role of the target.
func (b *brakes) limitSets(v *visitWork) {
	if b.sets == nil {
		return
	}
	losing := maps.Clone(b.users)
	maps.Copy(losing, b.seen)
	users := len(losing)
	hidden := max(0, b.counted-users) // accounts that the vendor counts and does not name
	maps.DeleteFunc(losing, func(id string, _ bool) bool {
		return !b.users[id] && b.revoked(id) || v.accounts[id] != nil && b.losesAll(v.accounts[id])
	})
	if len(losing)+hidden == 0 {
		return
	}
	b.sets.users = slices.Sorted(maps.Keys(losing))
	l := b.worker.MaxRemovals
	maps.Copy(losing, b.within(l.Window, false))
	for _, a := range b.ordinary {
		if len(b.fresh(a)) > 0 {
			losing[a.ID] = true
		}
	}
	if len(losing)+hidden > l.allows(max(b.base(l.Window), users+hidden)) {
		b.holdFresh(b.sets, whyRemovals)
	}
}

// losesAll reports whether this visit takes everything on the target from an account.
func (b *brakes) losesAll(a *account) bool {
	for role := range a.mine {
		if !slices.Contains(a.remove, role) || b.held[a][role] != "" {
			return false
		}
	}
	return len(a.mine) > 0 && len(a.add) == 0
}

// revoked reports whether a read may show an account whose role was taken away, or is about to be.
func (b *brakes) revoked(id string) bool {
	for _, accounts := range b.begun {
		if accounts[id] {
			return true
		}
	}
	for g := range b.worker.revoked {
		if g.target == b.target && g.account == id {
			return true
		}
	}
	return false
}
