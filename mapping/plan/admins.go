package plan

import (
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
)

// keepAdmin holds the revocation of the admin's role from the last account that has it, if the vendor
// shows who has it: accounts that got it by hand count. The ledger alone is trusted only if it names
// many others: the role may have been revoked by hand. What Replace would clear is a revocation, too.
func (r *run) keepAdmin() {
	role := r.Traits.AdminRole
	if role == "" {
		return
	}
	losing, replaced := r.losingAdmins(role)
	if len(losing)+len(replaced) == 0 || len(r.ledger.Holders[role])-len(losing) >= wholeTeam {
		return
	}
	seen, ok := r.observation()
	if !ok {
		r.keepHeldAdmins()
		return
	}
	for id, d := range replaced { // an incomplete listing does not name the account: only what the ledger has is revoked
		if _, known := seen.Has(id, role); !known && seen.Shows(role) {
			d.Replace = false
		}
	}
	maps.DeleteFunc(replaced, func(id string, _ *draft) bool { return !slices.Contains(seen.Holders[id], role) })
	maps.Copy(losing, replaced)
	shown := len(seen.Members) == 0 || seen.Shows(role) // a listing without accounts does not tell who is left
	switch {
	case len(losing) == 0:
	case !shown:
		r.keepHeldAdmins()
	case r.s.DistrustReadsUntil.After(r.now) && len(r.ledger.Lately[role]) == 0: // a list may show what was revoked before the start
		r.waitForAdmins(role, losing, replaced)
	case seen.Complete && !seen.Partial && r.adminRemains(role, seen, losing):
	default:
		r.holdAdmins(role, losing, replaced)
	}
}

// holdAdmins holds the last administrators. Those whose role Replace would clear are taken over first.
func (r *run) holdAdmins(role string, losing, replaced map[string]*draft) {
	for id, d := range replaced {
		d.Claim = append(d.Claim, role)
		d.Owned[role] = Taken(r.s.Target, id, role, d.Key, r.now)
		d.Remove = append(slices.Clone(d.Remove), role)
	}
	for _, d := range losing {
		d.hold(role, LastAdmin)
	}
}

// waitForAdmins lets the revocation of the admin's role wait until reads are trusted again.
func (r *run) waitForAdmins(role string, losing, replaced map[string]*draft) {
	for id, d := range losing {
		if r.heldAdmin(d) {
			d.hold(role, LastAdmin)
			continue
		}
		d.Wait = r.s.DistrustReadsUntil
		if d.drop(role); replaced[id] != nil {
			d.Add, d.Remove, d.Replace = nil, nil, false
		}
	}
}

// keepHeldAdmins keeps the holds of last administrators while the vendor does not tell who has the
// role.
func (r *run) keepHeldAdmins() {
	for _, d := range slices.Concat(r.ordinary, r.leaving) {
		if r.heldAdmin(d) {
			d.hold(r.Traits.AdminRole, LastAdmin)
		}
	}
}

// heldAdmin reports whether an account is held as the last administrator.
func (r *run) heldAdmin(d *draft) bool {
	e := d.Owned[r.Traits.AdminRole]
	return e.Hold != "" && e.Why == LastAdmin && slices.Contains(d.Remove, e.Role)
}

// losingAdmins are the accounts that lose the admin's role by what the ledger says, and those that may
// lose it by Replace.
func (r *run) losingAdmins(role string) (losing, replaced map[string]*draft) {
	losing, replaced = map[string]*draft{}, map[string]*draft{}
	for _, d := range slices.Concat(r.ordinary, r.leaving) {
		if slices.Contains(d.fresh(), role) {
			losing[d.ID] = d
		}
	}
	for _, d := range r.replaced {
		_, want := d.Want[role]
		if _, known := d.Owned[role]; !want && !known {
			replaced[d.ID] = d
		}
	}
	return losing, replaced
}

func (r *run) adminRemains(role string, seen backend.Observation, losing map[string]*draft) bool {
	ids := map[string]bool{}
	for id := range losing {
		ids[id] = true
	}
	return AdminRemains(role, seen, r.ledger, r.s.Revoked, ids)
}

// AdminRemains reports whether an account is left that has the role and does not lose it. A list may
// still show an account that lost it a moment ago.
func AdminRemains(role string, seen backend.Observation, l *Ledger, revoked map[Grant]bool, losing map[string]bool) bool {
	for id := range l.Lately[role] {
		if !losing[id] {
			return true
		}
	}
	for id, roles := range seen.Holders {
		if slices.Contains(roles, role) && !revoked[Grant{id, role}] && !l.Begun[role][id] && !losing[id] {
			return true
		}
	}
	return false
}
