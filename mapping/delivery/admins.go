package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// keepAnAdmin holds the removal of the admin's role from the last who has it, if the vendor shows who has it: those
// whom the bridge did not make admins count. The ledger alone is believed only if it names many others: somebody may have
// taken the role from them by hand. What replacing would clear is a removal, too.
func (b *brakes) keepAnAdmin(ctx context.Context) error {
	w, role := b.worker, b.worker.Backend.Traits().AdminRole
	if role == "" {
		return nil
	}
	losing, replaced := b.losingAdmins(role)
	if len(losing)+len(replaced) == 0 || len(b.holders[role])-len(losing) >= wholeTeam {
		return nil
	}
	var seen backend.Observation
	err := w.patiently(ctx, func(ctx context.Context) (err error) {
		seen, err = w.Backend.Observe(ctx, b.target)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for another admin: %w", err)
	}
	for id, a := range replaced { // of whom a listing that is not whole does not tell, only what the ledger knows of is taken
		if _, known := seen.Has(id, role); !known && seen.Shows(role) {
			a.replace = false
		}
	}
	maps.DeleteFunc(replaced, func(id string, _ *account) bool { return !slices.Contains(seen.Holders[id], role) })
	maps.Copy(losing, replaced)
	shown := len(seen.Members) == 0 || seen.Shows(role) // a listing without people says nothing about who is left
	switch {
	case len(losing) == 0:
		return nil
	case !shown:
		b.keepHeldAdmins()
		return nil
	case w.lag.After(w.now()) && len(b.lately[role]) == 0: // a list may show what was taken before the start
		for _, a := range losing {
			if b.heldAdmin(a) {
				b.hold(a, role, whyLastAdmin)
				continue
			}
			a.wait = w.lag
			if a.remove = slices.DeleteFunc(a.remove, func(r string) bool { return r == role }); replaced[a.ID] != nil {
				a.add, a.remove, a.replace = nil, nil, false
			}
		}
		return nil
	case seen.Complete && !seen.Partial && b.adminRemains(role, seen, losing):
		return nil
	}
	if err := b.claim(ctx, role, replaced); err != nil {
		return err
	}
	for _, a := range losing {
		b.hold(a, role, whyLastAdmin)
	}
	return nil
}

// keepHeldAdmins keeps the holds of last administrators while the vendor does not tell who administers.
func (b *brakes) keepHeldAdmins() {
	for _, a := range slices.Concat(b.ordinary, b.leaving) {
		if b.heldAdmin(a) {
			b.hold(a, b.worker.Backend.Traits().AdminRole, whyLastAdmin)
		}
	}
}

// heldAdmin reports whether an account is held as the last administrator.
func (b *brakes) heldAdmin(a *account) bool {
	e := a.mine[b.worker.Backend.Traits().AdminRole]
	return e.Hold != "" && e.Why == whyLastAdmin && slices.Contains(a.remove, e.Role)
}

// losingAdmins are those who are to lose the admin's role by what the ledger says, and those who may lose it by being given
// exactly other roles.
func (b *brakes) losingAdmins(role string) (losing, replaced map[string]*account) {
	losing, replaced = map[string]*account{}, map[string]*account{}
	for _, a := range slices.Concat(b.ordinary, b.leaving) {
		if slices.Contains(b.fresh(a), role) {
			losing[a.ID] = a
		}
	}
	for _, a := range b.replaced {
		_, want := a.want[role]
		if _, known := a.mine[role]; !want && !known {
			replaced[a.ID] = a
		}
	}
	return losing, replaced
}

// adminRemains says whether somebody is left who has the role and does not lose it. Who lost it a moment ago a list may still show.
func (b *brakes) adminRemains(role string, seen backend.Observation, losing map[string]*account) bool {
	w := b.worker
	for id := range b.lately[role] {
		if losing[id] == nil {
			return true
		}
	}
	for id, roles := range seen.Holders {
		if _, revoked := w.revoked[foreignGrant{b.target, id, role}]; slices.Contains(roles, role) && !revoked && !b.begun[role][id] && losing[id] == nil {
			return true
		}
	}
	return false
}

// claim makes the role of admins whom somebody made by hand the bridge's, so that it can be held.
func (b *brakes) claim(ctx context.Context, role string, admins map[string]*account) error {
	if len(admins) == 0 {
		return nil
	}
	w := b.worker
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		for _, id := range slices.Sorted(maps.Keys(admins)) {
			a := admins[id]
			if err := w.takeOver(tx, foreignGrant{b.target, id, role}, a.Key, a.origin); err != nil {
				return err
			}
			e, err := tx.Ledger(w.Name).Entry(b.target, id, role)
			if err != nil {
				return err
			}
			a.mine[role] = e
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("taking over an admin's role: %w", err)
	}
	for _, a := range admins {
		a.remove = append(a.remove, role)
	}
	return nil
}
