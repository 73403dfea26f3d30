package storetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// Check fails the test if the store is inconsistent: every index leads to its resource and back, counts are
// right, memberships agree in both directions, and each lookup finds its marks, entries and links.
func Check(t testing.TB, s store.Store) {
	t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		if err := checkEvents(t, tx.Events()); err != nil {
			return err
		}
		backends := tx.Backends()
		if !slices.IsSorted(tx.IdPs()) || !slices.IsSorted(backends) {
			t.Errorf("identity providers or backends are not sorted: %q, %q", tx.IdPs(), backends)
		}
		for _, idp := range tx.IdPs() {
			if err := checkDirectory(t, tx, idp, backends); err != nil {
				return err
			}
		}
		for _, b := range backends {
			if err := checkWork(t, tx, b); err != nil {
				return err
			}
			if err := checkLedger(t, tx, b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrClosed) {
		t.Errorf("check: %v", err)
	}
}

// checkEvents checks that every event is either sealed or unsealed, and that places have no gap.
func checkEvents(t testing.TB, e store.Events) error {
	last, err := e.Anchor()
	if err != nil {
		return err
	}
	unsealed := map[uint64]bool{}
	for ev, err := range e.Since(0) {
		if err != nil {
			return err
		}
		unsealed[ev.Seq] = true
	}
	for s, err := range e.Seals(0) {
		if err != nil {
			return err
		}
		if s.Place != last.Place+1 || !unsealed[s.Event] {
			t.Errorf("place %d after %d is of event %d, which is sealed elsewhere or not there", s.Place, last.Place, s.Event)
		}
		delete(unsealed, s.Event)
		last = s
	}
	for ev, err := range e.Unsealed() {
		if err != nil {
			return err
		}
		if !unsealed[ev.Seq] {
			t.Errorf("event %d has a place and is unsealed", ev.Seq)
		}
		delete(unsealed, ev.Seq)
	}
	if len(unsealed) > 0 {
		t.Errorf("%d events have no place and are not unsealed", len(unsealed))
	}
	if end, err := e.LastSeal(); err != nil || end != last {
		t.Errorf("the last seal is %v, the last in order %v: %v", end, last, err)
	}
	return nil
}

func checkDirectory(t testing.TB, tx store.Tx, idp string, backends []string) error {
	d := tx.Directory(idp)
	users := 0
	for u, err := range d.Users(store.From{}) {
		if err != nil {
			return err
		}
		users++
		has := func(by store.Index, value string) error {
			found, err := d.FindUsers(by, value)
			if err == nil && value != "" && !slices.ContainsFunc(found, func(f store.User) bool { return f.ID == u.ID }) {
				t.Errorf("%s: user %s is not found by index %d, %q", idp, u.ID, by, value)
			}
			return err
		}
		err := errors.Join(has(store.ByUserName, u.UserName), has(store.ByExternalID, u.ExternalID))
		for _, m := range u.Emails {
			err = errors.Join(err, has(store.ByEmail, m))
		}
		if err != nil {
			return err
		}
		if same, err := d.User(u.ID); err != nil || same.UserName != u.UserName {
			t.Errorf("%s: user %s is not found by id: %v", idp, u.ID, err)
		}
		for g, err := range d.GroupsOf(u.ID) {
			if err != nil {
				return err
			}
			if in, err := d.IsMember(g.ID, u.ID); err != nil || !in {
				t.Errorf("%s: group %s of user %s does not know of it: %v", idp, g.ID, u.ID, err)
			}
		}
		for _, b := range backends {
			if err := checkLink(t, tx.Accounts(b), idp, u.ID); err != nil {
				return err
			}
		}
	}
	if n := d.UserCount(); n != users {
		t.Errorf("%s: %d users, %d by the count", idp, users, n)
	}
	return checkGroups(t, d, idp)
}

func checkGroups(t testing.TB, d store.Directory, idp string) error {
	groups := 0
	for g, err := range d.Groups(store.From{}) {
		if err != nil {
			return err
		}
		groups++
		for by, value := range map[store.Index]string{store.ByDisplayName: g.DisplayName, store.ByExternalID: g.ExternalID} {
			found, err := d.FindGroups(by, value)
			if err != nil {
				return err
			}
			if value != "" && !slices.ContainsFunc(found, func(f store.Group) bool { return f.ID == g.ID }) {
				t.Errorf("%s: group %s is not found by index %d, %q", idp, g.ID, by, value)
			}
		}
		members := 0
		for m, err := range d.Members(g.ID) {
			if err != nil {
				return err
			}
			members++
			if in, err := d.IsMember(g.ID, m.Value); err != nil || !in {
				t.Errorf("%s: member %q of group %s is none when asked for: %v", idp, m.Value, g.ID, err)
			}
			if _, err := d.User(m.Value); (err == nil) != m.User {
				t.Errorf("%s: member %q: user %v, but looking it up says %v", idp, m.Value, m.User, err)
			}
			back := false
			for of, err := range d.GroupsOf(m.Value) {
				if err != nil {
					return err
				}
				back = back || of.ID == g.ID
			}
			if !back {
				t.Errorf("%s: member %q does not know of group %s", idp, m.Value, g.ID)
			}
		}
		if n, err := d.MemberCount(g.ID); err != nil || n != members {
			t.Errorf("%s: group %s has %d members, %d by the count: %v", idp, g.ID, members, n, err)
		}
	}
	if n := d.GroupCount(); n != groups {
		t.Errorf("%s: %d groups, %d by the count", idp, groups, n)
	}
	return nil
}

func checkLink(t testing.TB, a store.Accounts, idp, user string) error {
	l, err := a.Link(idp, user)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || l.Account == "" {
		return err
	}
	back, err := a.Linked(l.Account)
	if !slices.Contains(back, l) {
		t.Errorf("%s: link of user %s is not found by its account %s", idp, user, l.Account)
	}
	return err
}

func checkWork(t testing.TB, tx store.Tx, backend string) error {
	kept, err := store.TalliesOf(tx, backend)
	if err != nil {
		return err
	}
	counted, err := store.Recount(tx, backend)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(kept, counted) {
		t.Errorf("%s: there is %+v, by the tallies %+v", backend, counted, kept)
	}
	w := tx.Work(backend)
	var counts [3]int
	urgent := 0
	for m, err := range w.Marks("") {
		if err != nil {
			return err
		}
		counts[m.State]++
		if m.Urgent && m.State == store.Pending {
			urgent++
		}
		if same, err := w.Mark(m.Target, m.Subject); err != nil || same.Seq != m.Seq {
			t.Errorf("%s: mark %d is not found by its subject: %v", backend, m.Seq, err)
		}
		if m.Subject.Event != 0 {
			if _, err := tx.Events().Event(m.Subject.Event); err != nil {
				t.Errorf("%s: mark %d is about the users that event %d names: %v", backend, m.Seq, m.Subject.Event, err)
			}
		}
	}
	if n := w.Urgent(); n != urgent {
		t.Errorf("%s: %d urgent marks, by the count %d", backend, urgent, n)
	}
	if p, b, h := w.Counts(); [3]int{p, b, h} != counts {
		t.Errorf("%s: marks are %v, by the counts %v", backend, counts, [3]int{p, b, h})
	}
	return nil
}

func checkLedger(t testing.TB, tx store.Tx, backend string) error {
	l := tx.Ledger(backend)
	for e, err := range l.Entries("", "") {
		if err != nil {
			return err
		}
		targets, err := l.TargetsOf(e.Account)
		if err != nil {
			return err
		}
		if !slices.Contains(targets, e.Target) {
			t.Errorf("%s: entry of %s on %s is not among the targets of the account", backend, e.Account, e.Target)
		}
		links, err := tx.Accounts(backend).Linked(e.Account)
		if err != nil {
			return err
		}
		for _, link := range links {
			if same, err := tx.Accounts(backend).Link(link.IdP, link.User); err != nil || same != link {
				t.Errorf("%s: account %s is linked to user %s and not back: %v", backend, e.Account, link.User, err)
			}
		}
	}
	return nil
}
