package plan

import (
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// ChangedValue is why an off-boarding is held: the user came to the account by a changed value, so it
// may be another user's.
const ChangedValue = "changed_value"

// Membership is what is known of what an account has beyond roles: the membership of the target, or
// the account itself, as the vendor has it. It ends when all users of the account are gone.
type Membership struct {
	Over      bool      // it is ended, or an operator rejected to end it
	Attempted time.Time // a call to end it was begun and has no outcome
	On        []string  // targets on which the account has grants
	Elsewhere bool      // some of them are others that need it
	Counted   bool      // its off-boarding is on record
	Claimed   bool      // the admin's role was taken over a moment ago: reads may still show it
	Hold      string    // the id of the hold that keeps it
	Approved  bool      // an operator released that hold
	Theirs    bool      // the account is still that of the value by which it was found
	Verified  bool      // and a listing that is young enough says so
	Unlisted  bool      // the listing cannot be read now
	Found     []Finding // how its users came to it
}

// Finding is how a user came to an account.
type Finding struct {
	Changed bool // by a changed value, and the bridge had not asked for the account
	Since   time.Time
}

// Leavers is what max_offboardings is measured by where memberships are counted.
type Leavers struct {
	Users int             // accounts of the ledger, and those that left within the window
	Gone  map[string]bool // accounts whose end was sent within the window and that count
}

// End is what becomes of a membership.
type End struct {
	Call    bool   // it is ended
	Hold    string // why a hold of it begins
	Held    bool   // a hold keeps it
	Release bool   // its users are back: no hold or approval is left
	Forget  bool   // its users are back, and it may be ended: the account must be looked up
	Left    bool   // nothing must be ended
	Later   bool   // it cannot be ended yet
}

// ends plans what off-boarded accounts lose beyond roles.
type ends struct{ *run }

// endMemberships decides about the accounts whose users are all gone. Their roles are revoked first.
func (r ends) endMemberships() {
	var ready []*draft
	for _, id := range r.ids {
		d := r.drafts[id]
		switch m := d.Membership; {
		case m == nil || id == store.TargetSettings:
		case !d.Offboarded:
			r.comeBack(d, m)
		case r.reviewEnd(d, m):
			ready = append(ready, d)
		}
	}
	ready = r.claimAdmins(ready)
	gone := map[string]bool{}
	if r.s.Leavers != nil {
		for id := range r.s.Leavers.Gone {
			gone[id] = true
		}
	}
	for _, d := range ready {
		if len(d.Remove) > 0 && d.Counts {
			gone[d.ID] = true // it is counted with its roles
		}
	}
	for _, d := range inOrder(ready) {
		r.endOne(d, gone)
	}
}

// comeBack decides about an account whose users are back. If its end was begun and has no outcome, the
// account gets nothing until that cannot take effect any more; then it is looked up.
func (r ends) comeBack(d *draft, m *Membership) {
	if d.End.Release = m.Hold != ""; m.Attempted.IsZero() {
		return
	}
	d.Add, d.Replace = nil, false
	until := r.s.DistrustReadsUntil
	if end := m.Attempted.Add(r.Straggler); Within(r.now, m.Attempted, r.Straggler) && end.After(until) {
		until = end
	}
	if until.After(r.now) {
		d.Wait = until
		return
	}
	d.End.Forget = true
}

// reviewEnd reports whether an account may be ended: it keeps no role here, and one of its users came
// to it in a way that is reason enough. A link that is young waits.
func (r ends) reviewEnd(d *draft, m *Membership) (ready bool) {
	if d.untouchable != "" {
		d.End.Left = true
	}
	if len(d.Add)+len(d.Held) > 0 || !d.Wait.IsZero() || len(d.Remove) > 0 && !d.losesAll() {
		return false
	}
	if d.untouchable != "" || m.Approved {
		return true
	}
	sure, wait := false, time.Time{}
	for _, f := range m.Found {
		switch until := f.Since.Add(r.Straggler); {
		case f.Changed:
		case !Within(r.now, f.Since, r.Straggler):
			sure = true
		case wait.IsZero() || until.Before(wait):
			wait = until
		}
	}
	switch {
	case sure:
		return true
	case !wait.IsZero():
		d.Wait = wait
	case m.Over:
		d.End.Left = true
	case m.Hold != "":
		d.End.Held = true
	default:
		d.End.Held, d.End.Hold = true, ChangedValue
	}
	return false
}

// claimAdmins takes over the admin's role of accounts that got it by hand: it is revoked first, under
// the brakes, so that the last administrator stays. It returns the others.
func (r ends) claimAdmins(ready []*draft) (others []*draft) {
	if r.Traits.AdminRole == "" {
		return ready
	}
	for _, d := range ready {
		if m := d.Membership; m.Over || m.Claimed || m.Unlisted || slices.Contains(d.Remove, r.Traits.AdminRole) {
			others = append(others, d)
			continue
		}
		if r.s.Seen == nil && r.revokesFirst() {
			continue
		}
		seen, _ := r.observation()
		if has, _ := seen.Has(d.ID, r.Traits.AdminRole); has {
			d.Claim = append(d.Claim, r.Traits.AdminRole)
			continue
		}
		others = append(others, d)
	}
	return others
}

// revokesFirst reports whether the plan revokes anything: an end that needs a read waits for the next plan then, and no
// revocation waits for that read.
func (r ends) revokesFirst() bool {
	for _, d := range r.drafts {
		if len(d.Remove) > 0 {
			return !r.s.Blind
		}
	}
	return false
}

// endOne decides about an account that may be ended, as far as the limit and its grants elsewhere
// allow.
func (r ends) endOne(d *draft, gone map[string]bool) {
	m := d.Membership
	switch {
	case d.End.Left:
	case m.Over:
		d.End.Left = true
	case m.Elsewhere || m.Unlisted || len(d.Remove) < len(d.Owned):
		d.End.Later = true
	case m.Hold != "" && !m.Approved:
		d.End.Held = true
	case m.Hold == "" && !m.Counted && len(d.Remove) == 0 && r.exceeds(gone):
		d.End.Held, d.End.Hold = true, Offboardings
	case !m.Verified && r.revokesFirst():
	case !m.Verified && !r.s.Blind:
		r.needs.Listing = append(r.needs.Listing, d.Key)
	case !m.Theirs:
		d.End.Left = true
	default:
		d.End.Call = true
		if m.Hold == "" && !m.Counted {
			gone[d.ID] = true
		}
	}
}

// exceeds reports whether one more end is beyond max_offboardings.
func (r ends) exceeds(gone map[string]bool) bool {
	if r.s.Leavers == nil {
		r.needs.Leavers = true
		return false
	}
	return len(gone) >= r.MaxOffboardings.Allows(r.s.Leavers.Users)
}
