package live

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// take compares a line of the ledger with the vendor, as package resync does: a grant that a complete
// reading does not show is missing. One that was made a moment ago may not be shown yet.
func (r *reading) take(e store.Entry) {
	g := grantOf(e.Target, e.Account, e.Role)
	r.ledger[g] = e
	if memory.Within(r.now, e.Sent, r.Straggler) {
		r.lately[memory.Spot{Target: e.Target, Account: e.Account}] = true
	}
	seen := r.seen[e.Target]
	if r.how[e.Target].Read != Complete || e.Account == store.TargetSettings || e.State != store.Present || e.Open || !e.Doubt.IsZero() {
		return
	}
	if has, tells := seen.Has(e.Account, e.Role); tells && !has && !memory.Within(r.now, e.Sent, plan.SecondLook) {
		r.missing[g] = true
	}
}

// follow finds the users whose value finds another account now, or none although the vendor shows the
// one they had: a visit would bind them again, and revoke what the other account has.
func (r *reading) follow(tx store.Tx) error {
	r.moved = map[store.Subject]store.Link{}
	for l, err := range tx.Accounts(r.Name).Links() {
		if err != nil {
			return err
		}
		now, moves := r.bound(l)
		if l.Account == "" || !moves {
			continue
		}
		u, err := tx.Directory(l.IdP).User(l.User)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if u.Active && r.Key(u) == l.Key { // of a user who leaves nothing is looked up
			l.Account, l.Seen = now, r.now
			r.moved[store.Subject{IdP: l.IdP, User: l.User}] = l
		}
	}
	return nil
}

// bound is the account that the value of a link finds in the listings that were read to their end. A
// listing that still shows the one before decides for it.
func (r *reading) bound(l store.Link) (account string, moves bool) {
	for _, name := range slices.Sorted(maps.Keys(r.listings)) {
		a, shown := r.listings[name].Accounts[l.Key]
		switch {
		case !r.listings[name].Whole:
		case shown && a.ID == l.Account:
			return "", false
		case shown:
			account, moves = cmp.Or(account, a.ID), true
		case r.keys(name)[l.Account] != "": // under another value
			moves = true
		}
	}
	return account, moves
}

// takeForeign lists the grants that an authoritative rule takes over, because a complete reading shows
// them and no group gives them, and reports whether there are any.
func (r *reading) takeForeign(p desk.Preview) bool {
	given := map[memory.Grant]bool{}
	for _, g := range p.Users {
		given[grantOf(g.Target, g.Account, g.Role)] = true
	}
	for _, t := range r.targets {
		if r.how[t].Read != Complete {
			continue
		}
		for _, account := range slices.Sorted(maps.Keys(r.seen[t].Holders)) {
			for _, role := range r.seen[t].Holders[account] {
				g := grantOf(t, account, role)
				_, ours := r.ledger[g]
				if ours || given[g] || !r.managed[t][role] || r.disowned[t].Has(account, role) || r.lately[memory.Spot{Target: t, Account: account}] {
					continue
				}
				r.taken = append(r.taken, plan.Taken(t, account, role, r.keyOf(t, account), r.now))
			}
		}
	}
	return len(r.taken) > 0
}

// keyOf is the value that finds an account, as far as the vendor shows it.
func (r *reading) keyOf(target, account string) string {
	return cmp.Or(r.seen[target].Members[account].Key, r.keys(r.Listing(target))[account])
}

// keys maps the accounts of a listing to their values.
func (r *reading) keys(listing string) map[string]string {
	if r.byAccount[listing] == nil {
		if r.byAccount == nil {
			r.byAccount = map[string]map[string]string{}
		}
		all := map[string]string{}
		for key, a := range r.listings[listing].Accounts {
			all[a.ID] = key
		}
		r.byAccount[listing] = all
	}
	return r.byAccount[listing]
}
