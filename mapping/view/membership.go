package view

import (
	"errors"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// InviteAgain is how long after an invitation a user is not invited again: the vendor may send an
// e-mail each time.
const InviteAgain = 7 * 24 * time.Hour

// loadMissing reads for which of the missing users an account was requested lately.
func (w *View) loadMissing(tx store.Tx, target string, people []*Person) (out []plan.Missing, err error) {
	for _, p := range people {
		may, err := w.MayInvite(tx, target, p)
		if err != nil {
			return nil, err
		}
		out = append(out, plan.Missing{Key: p.Key, Invited: !may})
	}
	return out, nil
}

// MayInvite reports whether the vendor may be asked for an account now. If the account that a user had
// may have been ended, an earlier invitation was for that one.
func (w *View) MayInvite(tx store.Tx, target string, p *Person) (bool, error) {
	if old := p.Link.Account; old != "" {
		ending, there, err := record.Get(tx, w.EndingRow(target, old))
		if err != nil || there {
			return !memory.Within(w.Clock(), ending.At, w.Straggler) && !w.Recent.Lag.After(w.Clock()), err
		}
	}
	i, there, err := record.Get(tx, w.InvitationRow(target, p.Key))
	ago := w.Clock().Sub(i.At) // a clock that was set back a little leads to no second invitation
	return !there || ago >= InviteAgain || ago < -24*time.Hour, err
}

// Offboards reports whether an off-boarding ends more than roles.
func (w *View) Offboards() bool { return w.Offboard && w.ModeNow() == Sync }

// loadMemberships reads what is known of what the accounts of a visit have beyond roles.
func (w *View) loadMemberships(tx store.Tx, target string, v *Visit) error {
	for _, a := range v.Accounts {
		a.Membership = nil
	}
	if !w.Offboards() {
		return nil
	}
	var leaving []*Account
	for id, a := range v.Accounts {
		if id == store.TargetSettings {
			continue
		}
		ending, _, err := record.Get(tx, w.EndingRow(target, id))
		if err != nil {
			return err
		}
		a.Membership = &plan.Membership{Attempted: ending.At}
		held, there, err := w.HeldEndAt(tx, target, id)
		if err != nil {
			return err
		}
		if there {
			a.Membership.Hold, a.Membership.Approved = held.ID, held.Approved
		}
		if a.Offboarded {
			leaving = append(leaving, a)
		}
	}
	if len(leaving) == 0 {
		return nil
	}
	sent, err := memory.SentRemovals(tx, w.Name, w.Listing(target), w.Clock())
	if err != nil {
		return err
	}
	for _, a := range leaving {
		m := a.Membership
		m.Counted = slices.ContainsFunc(sent, func(r record.Removal) bool { return memory.ByOffboarding(r) && r.Account == a.ID })
		if err := w.loadMembership(tx, target, v, a); err != nil {
			return err
		}
	}
	return w.loadOwners(tx, target, v, leaving)
}

// loadMembership reads what is known of what an off-boarded account has beyond roles.
func (w *View) loadMembership(tx store.Tx, target string, v *Visit, a *Account) error {
	m := a.Membership
	var err error
	if m.Over, err = w.KeptOrEnded(tx, target, a.ID); err != nil {
		return err
	}
	targets, err := tx.Ledger(w.Name).TargetsOf(a.ID)
	if err != nil {
		return err
	}
	m.On = targets
	m.Elsewhere = w.Traits().OneListing && slices.ContainsFunc(targets, func(t string) bool { return t != target })
	m.Claimed = memory.Within(w.Clock(), w.Recent.Taken[memory.Grant{Target: target, Account: a.ID, Role: w.Traits().AdminRole}], w.Straggler)
	m.Unlisted = v.Unlisted
	for _, l := range a.Links {
		m.Found = append(m.Found, plan.Finding{Changed: l.Changed && !l.Made, Since: l.Seen})
	}
	return nil
}

// loadOwners reads whether accounts are still those of the values by which they were found. An account
// that a listing does not show belongs to no other user; an incomplete listing is no reason to keep one.
func (w *View) loadOwners(tx store.Tx, target string, v *Visit, leaving []*Account) error {
	listing := w.Listing(target)
	unseen := map[string]*Account{}
	for _, a := range leaving {
		m := a.Membership
		if found, listed := v.Partly[a.Key]; v.Partly != nil {
			m.Theirs, m.Verified = !listed || found.ID == a.ID, true
			continue
		}
		c, at, err := w.Sighting(tx, listing, a.Key)
		switch {
		case err == nil:
			m.Theirs, m.Verified = c.ID == a.ID, w.Current(at)
		case errors.Is(err, store.ErrNotFound):
			listed, err := w.Listed(tx, listing)
			if err != nil {
				return err
			}
			m.Theirs, m.Verified = true, w.Current(listed)
			unseen[a.ID] = a
		default:
			return err
		}
		m.Verified = m.Verified || v.Relisted
	}
	if len(unseen) == 0 {
		return nil
	}
	for c, err := range tx.Accounts(w.Name).CachedOn(listing) {
		if err != nil {
			return err
		}
		if a := unseen[c.ID]; a != nil { // another value's
			a.Membership.Theirs = false
		}
	}
	return nil
}

// Leavers reads what max_offboardings is measured by where memberships are counted.
func (w *View) Leavers(tx store.Tx, target string) (*plan.Leavers, error) {
	listing, now := w.Listing(target), w.Clock()
	out, users := &plan.Leavers{Gone: map[string]bool{}}, map[string]bool{}
	sent, err := memory.SentRemovals(tx, w.Name, listing, now)
	if err != nil {
		return nil, err
	}
	for _, s := range sent {
		if memory.ByOffboarding(s) && !s.Approved && now.Sub(s.At) < w.InForce().MaxOffboardings.Window {
			out.Gone[s.Account], users[s.Account] = true, true
		}
	}
	for e, err := range tx.Ledger(w.Name).Entries(listing, "") {
		if err != nil {
			return nil, err
		}
		if e.Account != store.TargetSettings && e.State != store.Absent {
			users[e.Account] = true
		}
	}
	out.Users = len(users)
	return out, nil
}
