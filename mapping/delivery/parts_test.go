package delivery_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// part is how many users one transaction may concern.
const part = 500

// measured is a store that measures how many links, marks and entries each transaction changes.
type measured struct {
	store.Store
	most  int
	total int
	fails func(tx store.Tx) error // nil: nothing fails
}

func (m *measured) Update(ctx context.Context, fn func(store.Tx) error) error {
	changed := 0
	err := m.Store.Update(ctx, func(tx store.Tx) error {
		before := m.rows(tx)
		if err := fn(tx); err != nil {
			return err
		}
		if m.fails != nil {
			if err := m.fails(tx); err != nil {
				return err
			}
		}
		after := m.rows(tx)
		kinds := map[byte]int{}
		for key, row := range after {
			if before[key] != row {
				kinds[key[0]]++
			}
			delete(before, key)
		}
		for key := range before {
			kinds[key[0]]++
		}
		changed = max(kinds['l'], kinds['m']/2, kinds['e']) // an account can have a mark besides its user's
		return nil
	})
	m.most, m.total = max(m.most, changed), m.total+changed
	return err
}

func (m *measured) rows(tx store.Tx) map[string]string {
	out := map[string]string{}
	for l, err := range tx.Accounts("vt").Links() {
		out["l/"+l.IdP+"/"+l.User] = fmt.Sprint(l, err)
	}
	for mark, err := range tx.Work("vt").Marks("") {
		out[fmt.Sprint("m/", mark.Target, "/", mark.Subject)] = fmt.Sprint(mark, err)
	}
	for e, err := range tx.Ledger("vt").Entries("", "") {
		out["e/"+e.Target+"/"+e.Account+"/"+e.Role] = fmt.Sprint(e, err)
	}
	return out
}

// No transaction is about everybody: requests have their turn between parts.
func TestParts(t *testing.T) {
	const users = 3 * part
	m := &measured{}
	w := newWorld(t, admins)
	m.Store = w.store
	w.config = func(d configured) {
		d.Store, d.ResyncEvery, d.BatchSize = m, time.Hour, part
	}
	w.restart()
	w.group("okta", "Admins")
	w.update(func(tx store.Tx) error {
		d := tx.Directory("okta")
		for i := range users {
			id := fmt.Sprint("u", i)
			email := id + "@example.com"
			if err := d.PutUser(store.User{ID: id, UserName: email, Emails: []string{email}, Active: true, Attributes: []byte(`{}`)}); err != nil {
				return err
			}
			if _, err := d.AddMembers("Admins", id); err != nil {
				return err
			}
			if i%2 == 0 {
				w.vendor.people[email] = fmt.Sprint("a", i)
			}
		}
		return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{})
	})
	for _, step := range []struct {
		name string
		do   func()
		min  int // changes that it makes in all
	}{
		{"a first mapping", func() { w.pass(time.Minute) }, 2 * users},
		{"users who appear at the vendor", func() {
			for i := range users {
				w.vendor.people[fmt.Sprint("u", i, "@example.com")] = fmt.Sprint("a", i)
			}
			w.pass(time.Hour + time.Minute)
		}, users},
		{"roles that are gone at the vendor", func() {
			clear(w.vendor.holds)
			w.pass(time.Hour + time.Minute)
		}, users},
		{"a target that is gone", func() {
			w.vendor.gone["acme"] = true
			w.update(func(tx store.Tx) error {
				return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{})
			})
			clear(w.vendor.holds)
			w.pass(time.Hour + time.Minute)
		}, users},
		{"a target that is back, and another role", func() {
			w.vendor.gone["acme"] = false
			other := admins
			other.Roles = []string{"OTHER"}
			w.remap(other)
			w.restart()
			w.pass(7 * time.Hour)
		}, users},
	} {
		t.Run(step.name, func(t *testing.T) {
			m.most, m.total = 0, 0
			step.do()
			t.Logf("%d changes, at most %d at once", m.total, m.most)
			if m.most > part || m.total < step.min {
				t.Errorf("a transaction changed %d users, of %d changes in all", m.most, m.total)
			}
		})
	}
}

// A crash while a hold is recorded lets nothing go that was to be held, however little of it is left.
func TestHoldInParts(t *testing.T) {
	const users = 2*part + 5
	m := &measured{}
	w := newWorld(t, admins)
	m.Store = w.store
	w.config = func(d configured) { d.Store, d.BatchSize = m, part }
	w.restart()
	w.group("okta", "Admins")
	all := make([]string, users)
	w.update(func(tx store.Tx) error {
		d := tx.Directory("okta")
		for i := range users {
			id := fmt.Sprintf("u%05d", i)
			email := id + "@example.com"
			all[i] = id
			w.vendor.people[email] = "a" + id
			if err := d.PutUser(store.User{ID: id, UserName: email, Emails: []string{email}, Active: true, Attributes: []byte(`{}`)}); err != nil {
				return err
			}
		}
		_, err := d.AddMembers("Admins", all...)
		return err
	})
	sweep := func() {
		w.update(func(tx store.Tx) error {
			return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{})
		})
		w.pass(time.Minute)
	}
	sweep()
	given := w.roles()
	w.update(func(tx store.Tx) error {
		_, err := tx.Directory("okta").RemoveMembers("Admins", all[:users-1]...)
		return err
	})
	m.fails = func(tx store.Tx) error {
		held := 0
		for e, err := range tx.Ledger("vt").Entries("", "") {
			if err != nil {
				return err
			}
			if e.Hold != "" {
				held++
			}
		}
		if held > 2*part {
			return store.ErrFull
		}
		return nil
	}
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{})
	})
	for failed := false; !failed; {
		w.clock = w.clock.Add(time.Second)
		_, err := w.worker.RunOnce(t.Context())
		failed = err != nil
	}
	m.fails = nil
	w.restart()
	w.pass(10 * time.Minute)
	if w.roles() != given {
		t.Error("roles are gone that were to be held")
	}
	held := 0
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		for e, err := range tx.Ledger("vt").Entries("", "") {
			if err != nil {
				return err
			}
			if e.Hold != "" {
				held++
			}
		}
		return nil
	})
	if err != nil || held != users-1 {
		t.Errorf("%d of %d are held: %v", held, users-1, err)
	}
}
