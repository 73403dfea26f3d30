package lookup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/breaker"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// whyNoAccount is the reason for which a user without an account waits.
func (w *Finder) whyNoAccount(p *view.Person) string {
	if w.Invite && !p.Blocked && !plan.Address(p.Key) {
		return reason.NoAddress
	}
	return reason.NoAccount
}

// bind commits what was learnt: who is which account. If a user has another account now, or none, the
// account they had is marked wherever it holds something: an e-mail change is a revoke and a grant.
func (w *Finder) bind(ctx context.Context, target string, v *view.Visit, people []*view.Person, found map[string]backend.Account) error {
	now := w.Clock()
	idle, former := map[*view.Person]bool{}, map[*view.Person]store.Mark{}
	err := memory.InParts(ctx, w.Store, bySubject(people), func(tx store.Tx, people []*view.Person) error {
		for _, p := range people {
			delete(idle, p) // it may run more than once
			delete(former, p)
			fresh, err := tx.Accounts(w.Name).Link(p.Mark.Subject.IdP, p.Mark.Subject.User)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if p.Stale = fresh.Account != p.Link.Account || fresh.Key != p.Link.Key; p.Stale {
				continue
			}
			id := p.Account(found)
			if p.Blocked, err = w.disputed(tx, target, p, id); err != nil {
				return err
			} else if p.Blocked {
				id = ""
			}
			if err := w.relink(tx, p, id, now); err != nil {
				return err
			}
			if old := p.Link.Account; old != "" && old != id {
				m, err := tx.Work(w.Name).Mark(target, store.Subject{Account: old})
				if err == nil {
					former[p] = m
				} else if !errors.Is(err, store.ErrNotFound) {
					return err
				}
			}
			switch {
			case id == "" && p.Desired:
				if len(found) == 0 { // an empty list is no evidence: look again soon
					p.Mark.Tries = 0
				}
				if err := w.Breaker.Park(tx, p.Mark, w.whyNoAccount(p), breaker.LongestBlock); err != nil {
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
		if p.Stale {
			continue
		}
		if old := p.Link.Account; old != "" && old != p.Account(found) {
			w.Moves(target, old, p.Account(found))
		}
		if idle[p] {
			v.Idle = append(v.Idle, p.Mark)
		}
		add(v, p, p.Account(found))
	}
	for _, p := range people { // what they had goes in this visit, not in the next
		m, had := former[p]
		if !had {
			continue
		}
		a := v.Account(m.Subject.Account)
		if !slices.Contains(a.Marks, m) {
			a.Marks = append(a.Marks, m)
		}
	}
	return nil
}

// relink records that the user is this account now, and marks the user and the account they had wherever
// that has something. That a user is not found under the same value as before does not prove that they
// are another account: the link stays, unless a complete listing shows the account under another value.
func (w *Finder) relink(tx store.Tx, p *view.Person, id string, now time.Time) error {
	accounts, s, old := tx.Accounts(w.Name), p.Mark.Subject, p.Link
	if id == "" && p.Exists && p.Key == old.Key && !p.Renamed || id == old.Account && (p.Key == old.Key || p.Leaves) {
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
		if err != nil || !p.Exists && (len(left) > 0 || w.Offboards()) {
			return err // until everything is revoked it says that the user left: see forget
		}
		if p.Exists { // it says since when the user is not that account
			return accounts.PutLink(store.Link{IdP: s.IdP, User: s.User, Key: p.Key, Seen: now})
		}
		return accounts.DeleteLink(s.IdP, s.User)
	}
	made, err := w.Invited(tx, p.Mark.Target, p.Key)
	if err != nil {
		return err
	}
	l := store.Link{IdP: s.IdP, User: s.User, Key: p.Key, Account: id, Seen: now, Changed: p.Changed, Made: made}
	if id == old.Account { // by another value the same account: it was theirs before
		l.Seen, l.Changed, l.Made = old.Seen, old.Changed, old.Made
	}
	return accounts.PutLink(l)
}

// disputed says whether another target's listing, as young as this one, shows the account that the user is for the same value.
// Two accounts with one address never share the roles of a user: the one that was seen last for the first time has them all.
func (w *Finder) disputed(tx store.Tx, target string, p *view.Person, id string) (bool, error) {
	if id == "" || p.Link.Account == "" || p.Link.Account == id || p.Link.Key != p.Key || w.Traits().OneListing {
		return false, nil
	}
	here, _, err := w.Sighting(tx, w.Listing(target), p.Key)
	if err != nil {
		return false, err
	}
	targets, err := w.PlacesOf(tx, p.Mark.Subject, p.Link.Account)
	if err != nil {
		return false, err
	}
	for _, t := range targets {
		there, at, err := w.Sighting(tx, w.Listing(t), p.Key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if t == target || there.ID != p.Link.Account || !w.Current(at) || at.Before(here.Seen) { // it is read again first
			continue
		}
		if there.Seen.After(here.Seen) || there.Seen.Equal(here.Seen) && there.ID < id {
			return true, nil
		}
	}
	return false, nil
}

// markFormer marks the account that a user has no longer, and the user, wherever it has something.
func (w *Finder) markFormer(tx store.Tx, p *view.Person, now time.Time) error {
	s, old := p.Mark.Subject, p.Link.Account
	targets, err := tx.Ledger(w.Name).TargetsOf(old)
	if err != nil {
		return err
	}
	ends, err := w.EndsOf(tx, old)
	if err != nil {
		return err
	}
	touch := tx.Work(w.Name).Touch
	if !p.Exists {
		touch = tx.Work(w.Name).TouchUrgent
		if w.Offboards() {
			targets = append(targets, p.Mark.Target)
		}
	}
	for _, t := range slices.Concat(targets, ends) {
		if err := touch(t, now, p.Mark.Origin, store.Subject{Account: old}); err != nil {
			return err
		}
	}
	if !p.Exists {
		return nil
	}
	places, err := w.PlacesOf(tx, s, old)
	if err != nil {
		return err
	}
	for _, t := range places {
		if t == p.Mark.Target { // where they are being worked on
			continue
		}
		if err := tx.Work(w.Name).Touch(t, now, p.Mark.Origin, s); err != nil {
			return err
		}
	}
	return nil
}

// bySubject returns users in the order in which the store keeps what it knows of them.
func bySubject(people []*view.Person) []*view.Person {
	return slices.SortedStableFunc(slices.Values(people), func(a, b *view.Person) int {
		return cmp.Or(cmp.Compare(a.Mark.Subject.IdP, b.Mark.Subject.IdP), cmp.Compare(a.Mark.Subject.User, b.Mark.Subject.User))
	})
}
