package plan

import (
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/store"
)

// limitSets holds the removal of permission sets under max_removals: it is a revocation from every
// account that keeps a role of the target, also from those that the bridge did not give the role.
func (r *run) limitSets() {
	if r.sets == nil {
		return
	}
	losing, counted := maps.Clone(r.ledger.Users), 0
	if len(r.sets.limited()) > 0 {
		seen, _ := r.observation()
		counted = seen.Count
		for id, roles := range seen.Holders {
			if len(roles) > 0 {
				losing[id] = true
			}
		}
	}
	users := len(losing)
	hidden := max(0, counted-users) // accounts that the vendor counts and does not name
	maps.DeleteFunc(losing, func(id string, _ bool) bool {
		return !r.ledger.Users[id] && r.revoked(id) || r.drafts[id] != nil && r.drafts[id].losesAll()
	})
	if len(losing)+hidden == 0 {
		return
	}
	r.sets.SetUsers = slices.Sorted(maps.Keys(losing))
	l := r.MaxRemovals
	maps.Copy(losing, r.within(l.Window, false))
	for _, d := range r.ordinary {
		if len(d.limited()) > 0 {
			losing[d.ID] = true
		}
	}
	if len(losing)+hidden > l.Allows(max(r.base(l.Window), users+hidden)) {
		r.sets.holdFresh(Removals)
	}
}

// losesAll reports whether the plan revokes everything on the target from an account.
func (d *draft) losesAll() bool {
	for role := range d.Owned {
		if !slices.Contains(d.Remove, role) || d.Held[role] != "" {
			return false
		}
	}
	return len(d.Owned) > 0 && len(d.Add) == 0
}

// revoked reports whether a read may show an account whose role was revoked, or is about to be.
func (r *run) revoked(id string) bool {
	for _, accounts := range r.ledger.Begun {
		if accounts[id] {
			return true
		}
	}
	for g := range r.s.Revoked {
		if g.Account == id {
			return true
		}
	}
	return false
}

// keepSets keeps the permission sets of a target for as long as a hold keeps an account on it: without
// them that account would have the role in name only.
func (r *run) keepSets() {
	d := r.drafts[store.TargetSettings]
	if d == nil || len(d.Remove) == 0 {
		return
	}
	held := false
	for id := range r.ledger.HeldBy {
		held = held || r.drafts[id] == nil
	}
	for id, other := range r.drafts {
		held = held || id != store.TargetSettings && len(other.Held) > 0
	}
	if held {
		d.Remove, d.KeepSet = nil, true
	}
}
