package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// members maps values to whether they are users.
func members(t *testing.T, tx store.Tx, idp, group string) map[string]bool {
	t.Helper()
	m := map[string]bool{}
	for _, v := range List(t, tx.Directory(idp).Members(group)) {
		if _, twice := m[v.Value]; twice {
			t.Errorf("member %q is listed twice", v.Value)
		}
		m[v.Value] = v.User
	}
	return m
}

func testMembers(t *testing.T, s store.Store) {
	change := func(what string, want bool, fn func(d store.Directory) (bool, error)) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			changed, err := fn(tx.Directory("idp"))
			Same(t, what, changed, want)
			return err
		})
	}
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		return errors.Join(d.PutUser(user("u", "u")), d.PutGroup(group("g", "g")), d.PutGroup(group("h", "h")))
	})
	change("add user", true, func(d store.Directory) (bool, error) { return Changed(d.AddMembers("g", "u")) })
	change("add user again", false, func(d store.Directory) (bool, error) { return Changed(d.AddMembers("g", "u")) })
	change("add stranger", true, func(d store.Directory) (bool, error) { return Changed(d.AddMembers("g", "stranger")) })
	change("add group", true, func(d store.Directory) (bool, error) { return Changed(d.AddMembers("g", "h")) })
	change("add to another", true, func(d store.Directory) (bool, error) { return Changed(d.AddMembers("h", "u")) })
	change("remove unknown", false, func(d store.Directory) (bool, error) { return Changed(d.RemoveMembers("g", "else")) })
	change("remove from another", false, func(d store.Directory) (bool, error) { return Changed(d.RemoveMembers("h", "stranger")) })
	change("values are exact", false, func(d store.Directory) (bool, error) { return Changed(d.RemoveMembers("g", "U")) })
	View(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		Same(t, "members", members(t, tx, "idp", "g"), map[string]bool{"u": true, "stranger": false, "h": false})
		n, err := d.MemberCount("g")
		Same(t, "count", n, 3)
		Same(t, "groups of", GroupIDs(List(t, d.GroupsOf("u"))), []string{"g", "h"})
		Same(t, "groups of stranger", GroupIDs(List(t, d.GroupsOf("stranger"))), []string{"g"})
		in, err2 := d.IsMember("h", "stranger")
		Same(t, "is member", in, false)
		return errors.Join(err, err2)
	})
	change("remove", true, func(d store.Directory) (bool, error) { return Changed(d.RemoveMembers("g", "u")) })
	change("remove again", false, func(d store.Directory) (bool, error) { return Changed(d.RemoveMembers("g", "u")) })
	View(t, s, func(tx store.Tx) error {
		Same(t, "groups of", GroupIDs(List(t, tx.Directory("idp").GroupsOf("u"))), []string{"h"})
		return nil
	})
}

func testMemberIsGroup(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		err := errors.Join(d.PutGroup(group("g", "g")), d.PutGroup(group("h", "h")), d.PutUser(user("u", "u")))
		for _, v := range []string{"u", "h", "stranger"} {
			_, add := d.AddMembers("g", v)
			err = errors.Join(err, add)
		}
		return err
	})
	View(t, s, func(tx store.Tx) error {
		for _, m := range List(t, tx.Directory("idp").Members("g")) {
			if m.User != (m.Value == "u") || m.Group != (m.Value == "h") {
				t.Errorf("%+v", m)
			}
		}
		return nil
	})
}

func testMemberBecomesUser(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		err := d.PutGroup(group("g", "g"))
		for _, v := range []string{"later", "alice@example.com"} {
			_, add := d.AddMembers("g", v)
			err = errors.Join(err, add)
		}
		return err
	})
	update(t, s, func(tx store.Tx) error {
		Same(t, "before", members(t, tx, "idp", "g"), map[string]bool{"later": false, "alice@example.com": false})
		u := user("later", "alice@example.com") // matched by id only
		return tx.Directory("idp").PutUser(u)
	})
	View(t, s, func(tx store.Tx) error {
		Same(t, "after", members(t, tx, "idp", "g"), map[string]bool{"later": true, "alice@example.com": false})
		return nil
	})
}

func testDeleting(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		err := errors.Join(d.PutUser(user("u", "u")), d.PutUser(user("v", "v")), d.PutGroup(group("g", "g")), d.PutGroup(group("h", "h")))
		for _, m := range [][2]string{{"g", "u"}, {"g", "v"}, {"h", "u"}, {"g", "h"}, {"h", "x"}} {
			_, add := d.AddMembers(m[0], m[1])
			err = errors.Join(err, add)
		}
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.Directory("idp").DeleteUser("u") })
	View(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		_, err := d.User("u")
		is(t, "deleted user", err, store.ErrNotFound)
		Same(t, "members of g", members(t, tx, "idp", "g"), map[string]bool{"v": true, "h": false})
		Same(t, "members of h", members(t, tx, "idp", "h"), map[string]bool{"x": false})
		found, err := d.FindUsers(store.ByUserName, "u")
		Same(t, "by userName", len(found), 0)
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.Directory("idp").DeleteGroup("h") })
	View(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		Same(t, "members of g", members(t, tx, "idp", "g"), map[string]bool{"v": true})
		Same(t, "groups of x", len(List(t, d.GroupsOf("x"))), 0)
		_, err := d.MemberCount("h")
		is(t, "deleted group", err, store.ErrNotFound)
		Same(t, "counts", [2]int{d.UserCount(), d.GroupCount()}, [2]int{1, 1})
		return nil
	})
	update(t, s, func(tx store.Tx) error { // a group that is created again starts without members, at the end
		d := tx.Directory("idp")
		return errors.Join(d.PutGroup(group("h", "h")), d.PutUser(user("u", "u")))
	})
	View(t, s, func(tx store.Tx) error {
		Same(t, "members of the new h", members(t, tx, "idp", "h"), map[string]bool{})
		Same(t, "users", UserIDs(List(t, tx.Directory("idp").Users(store.From{}))), []string{"v", "u"})
		return nil
	})
}

func testOrder(t *testing.T, s store.Store) {
	var want []string
	update(t, s, func(tx store.Tx) error {
		want = nil
		if err := tx.Directory("idp").PutGroup(group("g", "g")); err != nil {
			return err
		}
		if _, err := tx.Directory("idp").AddMembers("g", "id-03"); err != nil { // a member before it is created
			return err
		}
		for i := 20; i > 0; i-- {
			id := fmt.Sprintf("id-%02d", i)
			want = append(want, id)
			if err := tx.Directory("idp").PutUser(user(id, id)); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, s, func(tx store.Tx) error { // a change does not move it
		return errors.Join(tx.Directory("idp").PutUser(user("id-07", "other")), tx.Directory("idp").DeleteUser("id-12"))
	})
	want = slices.DeleteFunc(want, func(id string) bool { return id == "id-12" })
	View(t, s, func(tx store.Tx) error {
		for skip := range 22 {
			var rest []string
			if skip < len(want) {
				rest = want[skip:]
			}
			Same(t, fmt.Sprint("skip ", skip), UserIDs(List(t, tx.Directory("idp").Users(store.From{Skip: skip}))), rest)
		}
		testOrders(t, tx.Directory("idp"), want)
		for u, err := range tx.Directory("idp").Users(store.From{Skip: 2}) { // ending early
			Same(t, "third", u.ID, want[2])
			return err
		}
		return nil
	})
}

// testOrders lists in both orders and directions from every place; ids are in order of creation.
func testOrders(t *testing.T, d store.Directory, created []string) {
	t.Helper()
	named := slices.Clone(created)
	slices.SortFunc(named, func(a, b string) int { return strings.Compare(nameOf(a), nameOf(b)) })
	for _, descending := range []bool{false, true} {
		if descending {
			created, named = slices.Clone(created), slices.Clone(named)
			slices.Reverse(created)
			slices.Reverse(named)
		}
		for i, id := range created {
			place, err := d.Place(id)
			if err != nil {
				t.Fatal(err)
			}
			got := UserIDs(List(t, d.Users(store.From{AfterPlace: place, Descending: descending})))
			Same(t, fmt.Sprint("after place ", place, descending), got, append([]string(nil), created[i+1:]...))
		}
		Same(t, "by name", UserIDs(List(t, d.Users(store.From{By: store.ByUserName, Descending: descending}))), named)
		for i, id := range named {
			got := UserIDs(List(t, d.Users(store.From{By: store.ByUserName, AfterName: nameOf(id), Skip: 1, Descending: descending})))
			Same(t, fmt.Sprint("after name ", id, descending), got, append([]string(nil), named[min(i+2, len(named)):]...))
		}
	}
	Same(t, "after a name without a user", UserIDs(List(t, d.Users(store.From{By: store.ByUserName, AfterName: "id-05x"}))), namedAfter(created, "id-05x"))
	_, err := all(d.Users(store.From{By: store.ByEmail}))
	if err == nil {
		t.Error("listed by an index that is not unique")
	}
	_, err = d.Place("stranger")
	is(t, "place", err, store.ErrNotFound)
}

// nameOf returns the userName that testOrders gave.
func nameOf(id string) string {
	if id == "id-07" {
		return "other"
	}
	return id
}

func namedAfter(ids []string, after string) []string {
	var out []string
	for _, id := range ids {
		if nameOf(id) > after {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(nameOf(a), nameOf(b)) })
	return out
}

func testApart(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		err := errors.Join(
			tx.Directory("two").PutUser(user("u", "same")), tx.Directory("one").PutUser(user("u", "same")),
			tx.Directory("one").PutGroup(group("g", "same")), tx.Directory("two").PutGroup(group("g", "same")))
		_, add := tx.Directory("one").AddMembers("g", "u")
		return errors.Join(err, add)
	})
	View(t, s, func(tx store.Tx) error {
		Same(t, "identity providers", tx.IdPs(), []string{"one", "two"})
		Same(t, "members", len(members(t, tx, "two", "g")), 0)
		return nil
	})
	update(t, s, func(tx store.Tx) error { return tx.Directory("two").DeleteUser("u") })
	View(t, s, func(tx store.Tx) error {
		Same(t, "members", members(t, tx, "one", "g"), map[string]bool{"u": true})
		return nil
	})
}

func testChangeWhileListing(t *testing.T, s store.Store) {
	const n = 300
	fill := func(tx store.Tx) error {
		d := tx.Directory("idp")
		if err := d.PutGroup(group("g", "g")); err != nil {
			return err
		}
		for i := range n {
			id := fmt.Sprint("u", i)
			if err := d.PutUser(user(id, id)); err != nil {
				return err
			}
			if _, err := d.AddMembers("g", id); err != nil {
				return err
			}
			if err := tx.Work(backend).Touch("t", At(1), store.Origin{}, store.Subject{IdP: "idp", User: id}); err != nil {
				return err
			}
		}
		return nil
	}
	update(t, s, fill)
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		settled, removed, deleted := 0, 0, 0
		for m, err := range tx.Work(backend).Marks("t") {
			if err != nil {
				return err
			}
			if _, err := tx.Work(backend).Settle(m); err != nil {
				return err
			}
			settled++
		}
		for m, err := range d.Members("g") {
			if err != nil {
				return err
			}
			if _, err := d.RemoveMembers("g", m.Value); err != nil {
				return err
			}
			removed++
		}
		for u, err := range d.Users(store.From{}) {
			if err != nil {
				return err
			}
			if err := d.DeleteUser(u.ID); err != nil {
				return err
			}
			deleted++
		}
		Same(t, "settled, removed, deleted", [3]int{settled, removed, deleted}, [3]int{n, n, n})
		return nil
	})
}
