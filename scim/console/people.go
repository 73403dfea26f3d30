package console

import (
	"errors"
	"maps"

	"github.com/scimbridge/scimbridge/store"
)

// blocked are the people whose change waits for somebody, by the reason. Somebody may wait on several targets, as the user of several
// directories, and for several reasons, and is one person all the same: the account, as far as it is known.
type blocked map[string]map[store.Subject]bool

// add counts a mark in, if it is blocked.
func (b blocked) add(accounts store.Accounts, m store.Mark) error {
	if m.State != store.Blocked {
		return nil
	}
	who := m.Subject
	switch {
	case who.Account == store.TargetItself:
		who.IdP = m.Target // nobody: what belongs to the target itself
	case who.User != "":
		link, err := accounts.Link(who.IdP, who.User)
		if err == nil {
			who = store.Subject{Account: link.Account}
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	if b[m.Reason] == nil {
		b[m.Reason] = map[store.Subject]bool{}
	}
	b[m.Reason][who] = true
	return nil
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

// heldPeople counts those of whom something is held, on each target: a person may be marked more than once. It says how much it read.
func heldPeople(tx store.Tx, backend string) (n, read int, err error) {
	last := [2]string{}
	for e, err := range tx.Ledger(backend).Entries("", "") {
		if err != nil {
			return 0, 0, err
		}
		read++
		if at := [2]string{e.Target, e.Account}; e.Hold != "" && at != last { // entries of an account stand together
			n, last = n+1, at
		}
	}
	return n, read, nil
}
