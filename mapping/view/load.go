package view

import (
	"errors"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// ByAuthoritative is the note of a foreign grant that the ledger took over because an authoritative
// rule does not give it.
const ByAuthoritative = "foreign_authoritative"

// Authoritative returns, for the roles of a target, whether an authoritative rule speaks for them
// as the directory is now.
func (w *View) Authoritative(tx store.Tx, target string, groups []mapping.Named) func(role string) bool {
	rules, known := w.Bound(tx), map[string]bool{}
	return func(role string) bool {
		speaks, asked := known[role]
		if !asked {
			speaks = rules.Authoritative(mapping.Target{Backend: w.Name, Target: target}, role, groups)
			known[role] = speaks
		}
		return speaks
	}
}

// loadSilenced notes the foreign grants of an account whose authoritative rule no longer speaks,
// because no group of it is in the directory any more: they are not the bridge's to revoke. All groups
// are read once for a snapshot.
func (w *View) loadSilenced(tx store.Tx, target string, a *Account, speaks *func(string) bool) error {
	for role, e := range a.Ledger {
		if e.Note != ByAuthoritative || !e.Wanted || e.Open {
			continue
		}
		if *speaks == nil {
			groups, err := AllGroups(tx)
			if err != nil {
				return err
			}
			*speaks = w.Authoritative(tx, target, groups)
		}
		if !(*speaks)(role) {
			a.Silenced = append(a.Silenced, role)
		}
	}
	return nil
}

// Bound are those in force, over the names as they are bound.
func (w *View) Bound(tx store.Tx) *mapping.Rules { return pin.Bound(tx, w.InForce().Rules) }

// Load reads one account: the union over all users of all identity providers that are bound to it.
// known has values whose account a listing has just shown.
func (w *View) Load(tx store.Tx, target, id string, a *Account, known map[string]string) error {
	a.Want, a.Ledger, a.Users, a.Frozen, a.Silenced = map[string]plan.Wish{}, map[string]store.Entry{}, nil, nil, nil
	a.Causes, a.Links, a.Former = nil, nil, nil
	for e, err := range tx.Ledger(w.Name).Entries(target, id) {
		if err != nil {
			return err
		}
		a.Ledger[e.Role] = e
		a.Key = e.Key
		if w.InForce().Frozen(mapping.Target{Backend: w.Name, Target: target}, e.Role) {
			a.Frozen = append(a.Frozen, e.Role)
		}
	}
	if id == store.TargetSettings {
		return w.loadSettings(tx, target, a)
	}
	links, err := tx.Accounts(w.Name).Linked(id)
	if err != nil {
		return err
	}
	a.Offboarded = len(links) > 0
	for _, l := range links {
		if err := w.loadUser(tx, target, a, l, known); err != nil {
			return err
		}
	}
	if c, err := tx.Accounts(w.Name).Cached(w.Listing(target), a.Key); err == nil && c.ID == id {
		a.Status = c.Status
	}
	return w.loadMarked(tx, target, a)
}

// loadUser adds what a user wants who is bound to the account.
func (w *View) loadUser(tx store.Tx, target string, a *Account, l store.Link, known map[string]string) error {
	a.Key = l.Key
	u := plan.User{Subject: store.Subject{IdP: l.IdP, User: l.User}}
	a.Links = append(a.Links, l)
	user, groups, err := UserAndGroups(tx, u.Subject)
	a.Offboarded = a.Offboarded && (err != nil || !user.Active)
	if err != nil || w.Key(user) != l.Key { // gone, or about to be bound again: nothing is wanted through this link
		a.Users = append(a.Users, u)
		return nil
	}
	var sure func(role string) bool
	for _, g := range w.Bound(tx).Desired(l.IdP, user, groups) {
		if g.Target != (mapping.Target{Backend: w.Name, Target: target}) {
			continue
		}
		if sure == nil {
			if sure, err = w.sure(tx, target, a.ID, l, known); err != nil {
				return err
			}
		}
		wish := a.Want[g.Role]
		a.Want[g.Role] = plan.Wish{Replace: wish.Replace || g.Replace, Firm: wish.Firm || !l.Changed, Sure: wish.Sure || sure(g.Role)}
		u.Roles = append(u.Roles, g.Role)
		a.because(l.IdP, g)
	}
	a.Users = append(a.Users, u)
	return w.loadFormer(tx, target, a, l.IdP, user, groups)
}

// loadMarked notes which users wait to be looked up, if a wish of the account is not sure.
func (w *View) loadMarked(tx store.Tx, target string, a *Account) error {
	for i, u := range a.Users {
		if !slices.ContainsFunc(u.Roles, func(role string) bool { return !a.Want[role].Sure }) {
			continue
		}
		_, err := tx.Work(w.Name).Mark(target, u.Subject)
		if a.Users[i].Marked = err == nil; err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// AllGroups reads the groups of all identity providers.
func AllGroups(tx store.Tx) (all []mapping.Named, err error) {
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return nil, err
			}
			all = append(all, mapping.Named{IdP: idp, Group: g})
		}
	}
	return all, nil
}

func (w *View) loadSettings(tx store.Tx, target string, a *Account) error {
	all, err := AllGroups(tx)
	if err != nil {
		return err
	}
	t := mapping.Target{Backend: w.Name, Target: target}
	for _, set := range w.Bound(tx).PermissionSets(t, all) {
		a.Want[set] = plan.Wish{Firm: true, Sure: true}
	}
	f, err := w.former(tx)
	for _, rules := range f.Rules {
		for _, set := range pin.Bound(tx, rules).PermissionSets(t, all) {
			a.wasGiven(set)
		}
	}
	return err
}
