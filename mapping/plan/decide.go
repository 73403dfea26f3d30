package plan

import (
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/store"
)

// decide compares desired grants and ledger. It is the heart of the bridge: see the state machine in
// package delivery.
func (r *run) decide(a Account) *draft {
	d := &draft{Account: a}
	d.Owned, d.Called = maps.Clone(a.Ledger), a.JustCalled
	if d.Owned == nil {
		d.Owned = map[string]store.Entry{}
	}
	for _, e := range a.Ledger {
		d.Called = d.Called || Within(r.now, e.Sent, r.Straggler) || !e.Doubt.IsZero()
	}
	d.Recent = d.Called || r.s.DistrustReadsUntil.After(r.now)
	diff := Compare(a)
	d.Add, d.Remove, d.GiveBack, d.Replace = diff.Add, diff.Remove, diff.GiveBack, diff.Replace
	if a.ID != store.TargetSettings {
		r.withhold(d)
	}
	return d
}

// Difference is how the ledger of an account differs from its desired grants.
type Difference struct {
	Add, Remove []string
	GiveBack    []string // borrowed grants that nothing gives any more
	Replace     bool     // a rule wants exactly these roles, and something differs
}

// Compare returns the difference, each part sorted.
func Compare(a Account) (out Difference) {
	for role, w := range a.Want {
		out.Replace = out.Replace || w.Replace
		if e, known := a.Ledger[role]; !known || e.State != store.Present { // in doubt or not: see delivery's settle
			out.Add = append(out.Add, role)
		}
	}
	for role, e := range a.Ledger {
		_, want := a.Want[role]
		switch {
		case want, e.State == store.Absent:
		case slices.Contains(a.Frozen, role): // its rule is paused
		case e.Adopted && e.Borrowed: // it was another account's before
			out.GiveBack = append(out.GiveBack, role)
		default:
			out.Remove = append(out.Remove, role)
		}
	}
	slices.Sort(out.Add)
	slices.Sort(out.Remove)
	slices.Sort(out.GiveBack)
	out.Replace = out.Replace && len(out.Add)+len(out.Remove) > 0
	return out
}

// withhold leaves out what is wanted only for users whose account is not known well enough, and lists
// those of them that must be looked up.
func (r *run) withhold(d *draft) {
	unsure := func(role string) bool { return slices.Contains(d.Add, role) && !d.Want[role].Sure }
	left := slices.DeleteFunc(slices.Clone(d.Add), unsure)
	if len(left) == len(d.Add) {
		return
	}
	for _, u := range d.Users {
		if !u.Marked && slices.ContainsFunc(u.Roles, unsure) {
			r.lookUp = append(r.lookUp, LookUp{d.ID, u.Subject})
		}
	}
	d.Add, d.Replace = left, false
}

// disownSilenced gives up foreign grants whose authoritative rule no longer speaks: the bridge must
// not revoke them.
func (r *run) disownSilenced() {
	for _, id := range r.ids {
		d := r.drafts[id]
		for _, role := range d.Silenced {
			if slices.Contains(d.Remove, role) {
				d.Disown = append(d.Disown, role)
				d.drop(role)
				delete(d.Owned, role)
			}
		}
	}
}

// applyMode drops what the mode does not allow.
func (r *run) applyMode() {
	for _, id := range r.ids {
		d := r.drafts[id]
		switch r.Mode {
		case Observe:
			if len(d.Add)+len(d.Remove) > 0 {
				d.Dropped = &Change{d.Add, d.Remove}
			}
			d.Add, d.Remove, d.Replace = nil, nil, false
		case AddOnly:
			d.Remove, d.Replace = nil, false
		}
	}
}

// drop leaves a role out of what is revoked.
func (d *draft) drop(role string) {
	d.Remove = slices.DeleteFunc(slices.Clone(d.Remove), func(r string) bool { return r == role })
}

// waitUnverifiable leaves out refused revocations that no read can judge yet. All else that concerns
// the account waits with them: another refusal would only begin the window again.
func (r *run) waitUnverifiable() {
	for _, id := range r.ids {
		d := r.drafts[id]
		for _, role := range slices.Clone(d.Remove) {
			if until := r.s.UnverifiableUntil[Grant{id, role}]; until.After(r.now) {
				d.Wait = until
				d.drop(role)
			}
		}
	}
}
