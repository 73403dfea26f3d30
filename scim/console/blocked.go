package console

import (
	"errors"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
)

// blocked holds the blocked users by reason. A user may be blocked on several targets, in several
// directories and for several reasons. An account counts once for all of its users.
type blocked map[string]map[store.Subject]bool

// add counts a mark in, if it is blocked.
func (b blocked) add(m store.Mark) {
	if m.State != store.Blocked {
		return
	}
	subject := m.Subject
	if subject.Account == store.TargetItself {
		subject.IdP = m.Target // no user: the settings of the target
	}
	if b[m.Reason] == nil {
		b[m.Reason] = map[store.Subject]bool{}
	}
	b[m.Reason][subject] = true
}

// manyUsers is up to how many users each account is looked up by itself, which is a round trip with
// PostgreSQL. For more users all links are read.
const manyUsers = 500

// identify replaces users by their accounts, as far as they are known, once all marks are added. It
// returns how many links it read.
func (b blocked) identify(accounts store.Accounts) (read int, err error) {
	known := map[store.Subject]string{} // the account of each user; "" while unknown
	for _, subjects := range b {
		for subject := range subjects {
			if subject.User != "" {
				known[subject] = ""
			}
		}
	}
	if len(known) > manyUsers {
		for l, err := range accounts.Links() {
			if err != nil {
				return read, err
			}
			read++
			subject := store.Subject{IdP: l.IdP, User: l.User}
			if _, asked := known[subject]; asked {
				known[subject] = l.Account
			}
		}
	} else {
		for subject := range known {
			l, err := accounts.Link(subject.IdP, subject.User)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return read, err
			}
			known[subject] = l.Account
		}
	}
	for _, subjects := range b {
		for subject := range subjects {
			if account := known[subject]; account != "" {
				delete(subjects, subject)
				subjects[store.Subject{Account: account}] = true
			}
		}
	}
	return read, nil
}

// users returns the number of users, each counted once.
func (b blocked) users() int {
	all := map[store.Subject]bool{}
	for _, subjects := range b {
		maps.Copy(all, subjects)
	}
	return len(all)
}

// counts returns the number of users for each reason.
func (b blocked) counts() map[string]int {
	out := map[string]int{}
	for reason, subjects := range b {
		out[reason] = len(subjects)
	}
	return out
}

// heldGrants counts the holds in the ledger.
type heldGrants struct {
	people int                 // accounts with a held grant, on each target
	over   map[string][]string // by limit: the targets on which it holds grants
	read   int                 // entries
}

// overLimit adds the targets with a held off-boarding that revokes no role.
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
		if at := [2]string{e.Target, e.Account}; at != last { // entries of an account are adjacent
			out.people, last = out.people+1, at
		}
	}
	return out, nil
}
