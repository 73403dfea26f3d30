package view

import (
	"errors"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// Named are the targets that the rules name, and those that groups give by a pattern.
func (w *View) Named(tx store.Tx) ([]string, error) {
	out := w.InForce().FixedTargets(w.Name)
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return nil, err
			}
			for _, t := range w.InForce().Targets(idp, g) {
				if t.Backend == w.Name {
					out = append(out, t.Target)
				}
			}
		}
	}
	return out, nil
}

// AllTargets returns those that are named, and those in use.
func (w *View) AllTargets(tx store.Tx) ([]string, error) {
	out, err := w.Named(tx)
	if err != nil {
		return nil, err
	}
	used, err := w.Used(tx)
	out = append(out, used...)
	slices.Sort(out)
	return slices.Compact(out), err
}

// PlacesOf lists the targets on which an account has something or a group of the user counts.
func (w *View) PlacesOf(tx store.Tx, s store.Subject, account string) ([]string, error) {
	out, err := tx.Ledger(w.Name).TargetsOf(account)
	if err != nil {
		return nil, err
	}
	more, err := w.Counts(tx, s)
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Counts lists the targets on which a group of the user counts.
func (w *View) Counts(tx store.Tx, s store.Subject) ([]string, error) {
	var out []string
	for g, err := range tx.Directory(s.IdP).GroupsOf(s.User) {
		if err != nil {
			return nil, err
		}
		for _, t := range w.InForce().Targets(s.IdP, g) {
			if t.Backend == w.Name {
				out = append(out, t.Target)
			}
		}
	}
	return out, nil
}

// Whereabouts lists the targets on which a user has something, and, if off-boardings end more than roles, those where
// the user is known to be a member.
func (w *View) Whereabouts(tx store.Tx, s store.Subject) ([]string, error) {
	link, err := tx.Accounts(w.Name).Link(s.IdP, s.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && link.Account == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out, err := tx.Ledger(w.Name).TargetsOf(link.Account)
	if err != nil || !w.Offboards() {
		return out, err
	}
	all, err := w.AllTargets(tx)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if c, err := tx.Accounts(w.Name).Cached(w.Listing(t), link.Key); err == nil && c.ID == link.Account {
			out = append(out, t)
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if w.Traits().OneListing && len(out) > 0 {
			break // the account is ended once
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// EachMember yields each user once who is a member of one of the groups.
func (w *View) EachMember(tx store.Tx, of func(idp string, g store.Group) bool, yield func(store.Subject) error) error {
	seen := map[store.Subject]bool{}
	for _, idp := range tx.IdPs() {
		dir := tx.Directory(idp)
		for g, err := range dir.Groups(store.From{}) {
			if err != nil {
				return err
			}
			if !of(idp, g) {
				continue
			}
			for member, err := range dir.Members(g.ID) {
				if err != nil {
					return err
				}
				if s := (store.Subject{IdP: idp, User: member.Value}); member.User && !seen[s] {
					seen[s] = true
					if err := yield(s); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// Beyond returns the targets beyond max_targets, and the rules whose groups name them.
func (w *View) Beyond(tx store.Tx) (map[string]bool, []mapping.Excess, error) {
	over, err := w.InForce().Excesses(w.Name, func(yield func(mapping.Named) error) error {
		for _, idp := range tx.IdPs() {
			for g, err := range tx.Directory(idp).Groups(store.From{}) {
				if err != nil {
					return err
				}
				if err := yield(mapping.Named{IdP: idp, Group: g}); err != nil {
					return err
				}
			}
		}
		return nil
	}, func(target string) (bool, error) { return w.HoldsGrants(tx, target) })
	if err != nil {
		return nil, nil, err
	}
	out := map[string]bool{}
	for _, e := range over {
		for _, t := range e.Targets {
			out[t] = true
		}
	}
	return out, over, nil
}

// Forget drops the links of an account to users who are gone, once nothing of it is in the ledger and nothing waits for it.
func (w *View) Forget(tx store.Tx, s store.Subject) error {
	if s.Account == "" || s.Account == store.TargetSettings {
		return nil
	}
	left, err := tx.Ledger(w.Name).TargetsOf(s.Account)
	if err != nil || len(left) > 0 {
		return err
	}
	links, err := tx.Accounts(w.Name).Linked(s.Account)
	if err != nil {
		return err
	}
	var gone []store.Link
	for _, l := range links {
		if _, err := tx.Directory(l.IdP).User(l.User); errors.Is(err, store.ErrNotFound) {
			gone = append(gone, l)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if w.Offboards() { // another membership may have to be ended
		for m, err := range tx.Work(w.Name).Marks("") {
			waits := func(l store.Link) bool {
				return m.Subject.Account == s.Account || m.Subject == store.Subject{IdP: l.IdP, User: l.User}
			}
			if err != nil || slices.ContainsFunc(gone, waits) {
				return err
			}
		}
	}
	for _, l := range gone {
		if err := tx.Accounts(w.Name).DeleteLink(l.IdP, l.User); err != nil {
			return err
		}
	}
	return nil
}
