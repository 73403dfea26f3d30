package plan

import (
	"slices"
	"time"
)

// A user may be able to change the value that finds their account, and so come to another user's
// account. What that account had before is borrowed: it is adopted while the user is that account,
// and given back instead of revoked.

// SecondLook is how long after a mismatch the target is read again: reads of the vendors lag by
// seconds.
const SecondLook = 5 * time.Second

// borrow decides about borrowed grants, and looks at what accounts have before they are given more
// for users who came by a changed value.
func (r *run) borrow() {
	for _, id := range r.ids {
		d := r.drafts[id]
		r.giveBack(d)
		if r.Mode == Observe {
			continue
		}
		if roles := d.newlyBorrowed(); len(roles) > 0 {
			r.seeWhatIsThere(d, roles)
		}
	}
}

// giveBack gives up what was borrowed and nothing gives any more. What a user gives who did not come
// by a changed value is borrowed no longer.
func (r *run) giveBack(d *draft) {
	back := d.GiveBack
	d.GiveBack = nil
	if r.Mode != Sync {
		return
	}
	for role, e := range d.Ledger {
		switch {
		case !e.Borrowed || e.Open:
		case d.Want[role].Firm:
			d.Keep = append(d.Keep, role)
			e.Borrowed = false
			d.Owned[role] = e
		case slices.Contains(back, role):
			d.GiveBack = append(d.GiveBack, role)
			delete(d.Owned, role)
		}
	}
	slices.Sort(d.Keep)
	slices.Sort(d.GiveBack)
}

// newlyBorrowed lists the roles that the account gets only for users who came by a changed value.
func (d *draft) newlyBorrowed() (out []string) {
	if len(d.Users) == 0 {
		return nil
	}
	for _, role := range d.Add {
		if _, known := d.Ledger[role]; !known && !d.Want[role].Firm {
			out = append(out, role)
		}
	}
	return out
}

// seeWhatIsThere notes what an account has before it is given it. What cannot be known yet is not
// given yet.
func (r *run) seeWhatIsThere(d *draft, roles []string) {
	seen, ok := r.observation()
	if !ok {
		return
	}
	d.There = map[string]bool{}
	for _, role := range roles {
		has, tells := seen.Has(d.ID, role)
		switch {
		case !tells && seen.Complete && len(seen.Members) > 0: // the vendor does not show it
			continue
		case d.Recent: // what a call of ours changed a read may not show yet
			d.Wait = r.now.Add(r.Straggler)
		case !tells:
			d.Wait = r.now.Add(SecondLook)
		default:
			d.There[role] = has
			continue
		}
		d.Add, d.Replace = slices.DeleteFunc(slices.Clone(d.Add), func(other string) bool { return other == role }), false
	}
}
