package console

import (
	"errors"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
)

// blocked are the people whose change waits for somebody, by the reason. Somebody may wait on several targets, as the user of several
// directories, and for several reasons, and is one person all the same: the account, as far as it is known.
type blocked map[string]map[store.Subject]bool

// add counts a mark in, if it is blocked.
func (b blocked) add(m store.Mark) {
	if m.State != store.Blocked {
		return
	}
	who := m.Subject
	if who.Account == store.TargetSettings {
		who.IdP = m.Target // nobody: what belongs to the target itself
	}
	if b[m.Reason] == nil {
		b[m.Reason] = map[store.Subject]bool{}
	}
	b[m.Reason][who] = true
}

// manyUsers is for how many each account is looked up by itself, which is a round trip with PostgreSQL; for more all links are read.
const manyUsers = 500

// identify puts accounts in the place of users, as far as they are known, once all marks are added. It says how many links it went
// through.
func (b blocked) identify(accounts store.Accounts) (read int, err error) {
	known := map[store.Subject]string{} // the account of each user; "" while nobody knows
	for _, some := range b {
		for who := range some {
			if who.User != "" {
				known[who] = ""
			}
		}
	}
	if len(known) > manyUsers {
		for l, err := range accounts.Links() {
			if err != nil {
				return read, err
			}
			read++
			who := store.Subject{IdP: l.IdP, User: l.User}
			if _, asked := known[who]; asked {
				known[who] = l.Account
			}
		}
	} else {
		for who := range known {
			l, err := accounts.Link(who.IdP, who.User)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return read, err
			}
			known[who] = l.Account
		}
	}
	for _, some := range b {
		for who := range some {
			if account := known[who]; account != "" {
				delete(some, who)
				some[store.Subject{Account: account}] = true
			}
		}
	}
	return read, nil
}

// people is how many there are, each once.
func (b blocked) people() int {
	all := map[store.Subject]bool{}
	for _, some := range b {
		maps.Copy(all, some)
	}
	return len(all)
}

// counts is how many there are for each reason.
func (b blocked) counts() map[string]int {
	out := map[string]int{}
	for reason, some := range b {
		out[reason] = len(some)
	}
	return out
}

// heldGrants is what the ledger says of holds.
type heldGrants struct {
	people int                 // accounts of which something is held, on each target: an account may be marked more than once
	over   map[string][]string // by limit: the targets on which it holds something
	read   int                 // entries
}

// overLimit adds the targets on which off-boardings that take away no role are held.
func overLimit(held map[string][]string, ends []string) map[string][]string {
	out := map[string][]string{}
	for limit, targets := range held {
		out[limit] = slices.Clone(targets)
	}
	for _, t := range ends {
		if !slices.Contains(out[delivery.LimitOffboardings], t) {
			out[delivery.LimitOffboardings] = append(out[delivery.LimitOffboardings], t)
		}
	}
	return out
}

// readHeld reads the holds of a backend.
func readHeld(tx store.Tx, backend string) (out heldGrants, err error) {
	out.over = map[string][]string{}
	last := [2]string{}
	for e, err := range tx.Ledger(backend).Entries("", "") {
		if err != nil {
			return out, err
		}
		out.read++
		if e.Hold == "" {
			continue
		}
		if slices.Contains(delivery.Limits, e.Why) && !slices.Contains(out.over[e.Why], e.Target) {
			out.over[e.Why] = append(out.over[e.Why], e.Target)
		}
		if at := [2]string{e.Target, e.Account}; at != last { // entries of an account stand together
			out.people, last = out.people+1, at
		}
	}
	return out, nil
}
