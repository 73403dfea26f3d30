package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// bind commits what was learnt: who is which account. If a user has another account now, or none, the
// account they had is marked wherever it holds something: an e-mail change is a revoke and a grant.
func (w *Worker) bind(ctx context.Context, target string, v *visitWork, people []*person, found map[string]backend.Account) error {
	now := w.now()
	idle, former := map[*person]bool{}, map[*person]store.Mark{}
	err := inParts(ctx, w.Store, bySubject(people), func(tx store.Tx, people []*person) error {
		for _, p := range people {
			delete(idle, p) // it may run more than once
			delete(former, p)
			fresh, err := tx.Accounts(w.Name).Link(p.mark.Subject.IdP, p.mark.Subject.User)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if p.stale = fresh.Account != p.link.Account || fresh.Key != p.link.Key; p.stale {
				continue
			}
			id := p.account(found)
			if p.blocked, err = w.disputed(tx, target, p, id); err != nil {
				return err
			} else if p.blocked {
				id = ""
			}
			if err := w.relink(tx, p, id, now); err != nil {
				return err
			}
			if old := p.link.Account; old != "" && old != id {
				m, err := tx.Work(w.Name).Mark(target, store.Subject{Account: old})
				if err == nil {
					former[p] = m
				} else if !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
			switch {
			case id == "" && p.desired:
				if len(found) == 0 { // an empty list is no evidence: look again soon
					p.mark.Tries = 0
				}
				if err := w.block(tx, p.mark, w.whyNoAccount(p), longestBlock); err != nil {
					return err
				}
			case id == "":
				idle[p] = true
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remembering who is who: %w", err)
	}
	for _, p := range people {
		if p.stale {
			continue
		}
		if old := p.link.Account; old != "" && old != p.account(found) {
			w.moves(target, old, p.account(found))
		}
		if idle[p] {
			v.idle = append(v.idle, p.mark)
		}
		v.add(p, p.account(found))
	}
	for _, p := range people { // what they had goes in this visit, not in the next
		m, had := former[p]
		if !had {
			continue
		}
		a := v.account(m.Subject.Account)
		if !slices.Contains(a.marks, m) {
			a.marks = append(a.marks, m)
		}
	}
	return nil
}

// relink records that the user is this account now, and marks the user and the account they had wherever
// that has something. That a user is not found under the same value as before does not prove that they
// are another account: the link stays, unless a complete listing shows the account under another value.
func (w *Worker) relink(tx store.Tx, p *person, id string, now time.Time) error {
	accounts, s, old := tx.Accounts(w.Name), p.mark.Subject, p.link
	if id == "" && p.exists && p.key == old.Key && !p.renamed || id == old.Account && (p.key == old.Key || p.leaves) {
		return nil
	}
	if old.Account != "" && old.Account != id {
		if err := w.markFormer(tx, p, now); err != nil {
			return err
		}
	}
	if id == "" {
		if old.Account == "" {
			return nil
		}
		left, err := tx.Ledger(w.Name).TargetsOf(old.Account)
		if err != nil || !p.exists && (len(left) > 0 || w.offboards()) {
			return err // until everything is revoked it says that the user left: see forget
		}
		if p.exists { // it says since when the user is not that account
			return accounts.PutLink(store.Link{IdP: s.IdP, User: s.User, Key: p.key, Seen: now})
		}
		return accounts.DeleteLink(s.IdP, s.User)
	}
	made, err := w.invited(tx, p.mark.Target, p.key)
	if err != nil {
		return err
	}
	l := store.Link{IdP: s.IdP, User: s.User, Key: p.key, Account: id, Seen: now, Changed: p.changed, Made: made}
	if id == old.Account { // by another value the same account: it was theirs before
		l.Seen, l.Changed, l.Made = old.Seen, old.Changed, old.Made
	}
	return accounts.PutLink(l)
}
