// Package reread checks that a transaction of a store reads its own changes, also of what it has read before.
package reread

import (
	"errors"
	"testing"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
	"github.com/scimbridge/scimbridge/store/storetest"
)

const backend = "vt"

func user(id, name string) store.User {
	return store.User{ID: id, UserName: name, Emails: []string{name + "@example.com"}, Attributes: []byte(`{}`)}
}

func group(id, name string) store.Group {
	return store.Group{ID: id, DisplayName: name, Attributes: []byte(`{}`)}
}

func update(t *testing.T, s store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Errorf("update: %v", err)
	}
}

func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v", what, err)
	}
}

// Run reads, changes and reads again within one transaction: a read shows the changes before it.
func Run(t *testing.T, s store.Store) {
	users := []string{"u", "v", "w"}
	update(t, s, func(tx store.Tx) error {
		var subjects []store.Subject
		for _, u := range users {
			subjects = append(subjects, store.Subject{IdP: "idp", User: u})
		}
		d, a := tx.Directory("idp"), tx.Accounts(backend)
		return errors.Join(d.PutUser(user("u", "u")), d.PutUser(user("v", "v")), d.PutGroup(group("g", "g")), d.PutGroup(group("h", "h")),
			a.PutLink(store.Link{IdP: "idp", User: "u", Account: "a", Key: "k"}), a.PutLink(store.Link{IdP: "idp", User: "v", Account: "b", Key: "l"}),
			tx.Work(backend).Touch("t", storetest.At(0), store.Origin{}, subjects...))
	})
	for _, test := range []func(*testing.T, store.Tx) error{rereadDirectory, rereadAccounts, rereadLedger, rereadRecords} {
		update(t, s, func(tx store.Tx) error {
			if n := len(storetest.List(t, tx.Work(backend).Ready("t", storetest.At(9), false))); n != len(users) { // what is read next
				t.Errorf("%d marks are ready", n)
			}
			return test(t, tx)
		})
	}
}

func rereadDirectory(t *testing.T, tx store.Tx) error {
	d := tx.Directory("idp")
	groups := func(of string) []string { return storetest.GroupIDs(storetest.List(t, d.GroupsOf(of))) }
	storetest.Same(t, "groups before", groups("u"), []string(nil))
	u, err := d.User("u")
	if err != nil {
		return err
	}
	u.UserName, u.Emails = "other", []string{"other@example.com"}
	_, absent := d.User("w")
	is(t, "a user before it is put", absent, store.ErrNotFound)
	_, err = d.AddMembers("g", "u", "w")
	err = errors.Join(err, d.PutUser(u), d.PutUser(user("w", "w")))
	storetest.Same(t, "groups after", groups("u"), []string{"g"})
	storetest.Same(t, "groups of a user that is new", groups("w"), []string{"g"})
	again, err2 := d.User("u")
	storetest.Same(t, "user after", again, u)
	_, err3 := d.User("w")
	again.Emails[0] = "the caller's"
	third, err4 := d.User("u")
	storetest.Same(t, "user after the caller changed a value", third, u)
	g, err5 := d.Group("g")
	g.DisplayName = "renamed"
	err6 := errors.Join(d.PutGroup(g), d.DeleteUser("v"))
	storetest.Same(t, "groups after a renaming", storetest.List(t, d.GroupsOf("u"))[0].DisplayName, "renamed")
	_, gone := d.User("v")
	is(t, "a user that is deleted", gone, store.ErrNotFound)
	is(t, "another user of a name", d.PutUser(user("x", "other")), store.ErrConflict)
	_, err7 := d.RemoveMembers("g", "u")
	storetest.Same(t, "groups after the removal", groups("u"), []string(nil))
	err8 := d.DeleteGroup("g")
	_, gone = d.AddMembers("g", "u")
	is(t, "members of a deleted group", gone, store.ErrNotFound)
	storetest.Same(t, "groups after the deletion", groups("w"), []string(nil))
	return errors.Join(err, err2, err3, err4, err5, err6, err7, err8)
}

func rereadAccounts(t *testing.T, tx store.Tx) error {
	a := tx.Accounts(backend)
	l, err := a.Link("idp", "u")
	storetest.Same(t, "link before", l.Account, "a")
	linked, err2 := a.Linked("a")
	storetest.Same(t, "linked before", len(linked), 1)
	_, absent := a.Cached("t", "k")
	is(t, "cached before", absent, store.ErrNotFound)
	l.Account = "b"
	c := store.CachedAccount{Target: "t", Key: "k", ID: "b"}
	err3 := errors.Join(a.PutLink(l), a.PutCached(c))
	again, err4 := a.Link("idp", "u")
	storetest.Same(t, "link after", again.Account, "b")
	linked, err5 := a.Linked("a")
	storetest.Same(t, "linked after", len(linked), 0)
	linked, err6 := a.Linked("b")
	storetest.Same(t, "linked to the other", len(linked), 2)
	found, err7 := a.Cached("t", "k")
	storetest.Same(t, "cached after", found, c)
	err8 := errors.Join(a.DeleteLink("idp", "u"), a.DeleteCached("t", "k"))
	_, absent = a.Link("idp", "u")
	is(t, "link deleted", absent, store.ErrNotFound)
	_, absent = a.Cached("t", "k")
	is(t, "cached deleted", absent, store.ErrNotFound)
	is(t, "deleted again", a.DeleteLink("idp", "u"), store.ErrNotFound)
	return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, a.PutLink(store.Link{IdP: "idp", User: "u", Account: "a", Key: "k"}))
}

func rereadLedger(t *testing.T, tx store.Tx) error {
	l := tx.Ledger(backend)
	if _, err := tx.Accounts(backend).Link("idp", "u"); err != nil { // its account is read next
		return err
	}
	roles := func() (out []string) {
		for _, e := range storetest.List(t, l.Entries("t", "a")) {
			out = append(out, e.Role+" "+e.Note)
		}
		return out
	}
	storetest.Same(t, "entries before", roles(), []string(nil))
	put := func(role, note string) error {
		return l.PutEntry(store.Entry{Target: "t", Account: "a", Role: role, Note: note, Sent: storetest.At(3).Local()})
	}
	err := errors.Join(put("r", "1"), put("q", "1"), put("s", "1"), put("r", "2"))
	storetest.Same(t, "entries after", roles(), []string{"q 1", "r 2", "s 1"})
	e, err2 := l.Entry("t", "a", "r")
	storetest.Same(t, "entry after", e, store.Entry{Target: "t", Account: "a", Role: "r", Note: "2", Sent: storetest.At(3)})
	err3 := l.DeleteEntry("t", "a", "q")
	is(t, "deleted again", l.DeleteEntry("t", "a", "q"), store.ErrNotFound)
	_, absent := l.Entry("t", "a", "q")
	is(t, "entry deleted", absent, store.ErrNotFound)
	storetest.Same(t, "entries after the deletion", roles(), []string{"r 2", "s 1"})
	for _, err := range l.Entries("t", "a") {
		err3 = errors.Join(err3, err, put("z", "while they are listed"))
	}
	storetest.Same(t, "entries after a list", len(roles()), 3)
	return errors.Join(err, err2, err3)
}

func rereadRecords(t *testing.T, tx store.Tx) error {
	key := record.Command{Name: record.CommandRetry, Backend: backend}
	_, there, err := record.Get(tx, key)
	storetest.Same(t, "record before", there, false)
	put := key
	put.Value = "1"
	err2 := record.Put(tx, put)
	got, _, err3 := record.Get(tx, key)
	storetest.Same(t, "record after", got, put)
	err4 := record.Delete(tx, key)
	_, there, err5 := record.Get(tx, key)
	storetest.Same(t, "record deleted", there, false)
	return errors.Join(err, err2, err3, err4, err5)
}
