package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

func testExisting(t *testing.T, s store.Store) {
	long := strings.Repeat("x", 1024)
	View(t, s, func(tx store.Tx) error {
		got, err := tx.Directory("idp").Existing("u")
		Same(t, "before anything", len(got), 0)
		return err
	})
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		_, add := tx.Directory("other").AddMembers("g", "u")
		err := errors.Join(d.PutUser(user("u", "u")), d.PutUser(user(long, "long")), d.PutGroup(group("g", "g")), d.PutUser(user("gone", "gone")), d.DeleteUser("gone"))
		_, members := d.AddMembers("g", "u", "stranger")
		is(t, "group of another", add, store.ErrNotFound)
		return errors.Join(err, members)
	})
	View(t, s, func(tx store.Tx) error {
		got, err := tx.Directory("idp").Existing("stranger", "g", "U", "gone", "u", "never", long, long[1:])
		slices.Sort(got)
		Same(t, "existing", got, []string{"g", "u", long})
		none, err2 := tx.Directory("other").Existing("u", "g")
		Same(t, "of another", len(none), 0)
		empty, err3 := tx.Directory("idp").Existing()
		Same(t, "of none", len(empty), 0)
		return errors.Join(err, err2, err3)
	})
}

// UnknownOf maps groups to how many of their members are unknown.
func UnknownOf(t *testing.T, d store.Directory) map[string]int {
	t.Helper()
	out := map[string]int{}
	all, err := d.UnknownMembers()
	if err != nil {
		t.Errorf("unknown members: %v", err)
	}
	for _, u := range all {
		if _, twice := out[u.Group]; twice || u.Count == 0 {
			t.Errorf("unknown members of %q: %d, listed before: %v", u.Group, u.Count, twice)
		}
		out[u.Group] = u.Count
	}
	return out
}

func testUnknownMembers(t *testing.T, s store.Store) {
	want := func(what string, want map[string]int) {
		t.Helper()
		View(t, s, func(tx store.Tx) error {
			Same(t, what, UnknownOf(t, tx.Directory("idp")), want)
			Same(t, what+", of another", UnknownOf(t, tx.Directory("other")), map[string]int{})
			return nil
		})
	}
	want("before anything", map[string]int{})
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		err := errors.Join(d.PutUser(user("u", "u")), d.PutGroup(group("g", "g")), d.PutGroup(group("h", "h")), d.PutGroup(group("i", "i")),
			tx.Directory("other").PutUser(user("stranger", "s")))
		_, add := d.AddMembers("g", "u", "h", "stranger", "later")
		_, add2 := d.AddMembers("h", "stranger", "u")
		_, add3 := d.AddMembers("i", "u", "g")
		Same(t, "within the change", UnknownOf(t, d), map[string]int{"g": 2, "h": 1})
		return errors.Join(err, add, add2, add3)
	})
	want("users and groups are known", map[string]int{"g": 2, "h": 1})
	update(t, s, func(tx store.Tx) error { return tx.Directory("idp").PutUser(user("later", "later")) })
	want("a member became a user", map[string]int{"g": 1, "h": 1})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Directory("idp").RemoveMembers("h", "stranger")
		return errors.Join(err, tx.Directory("idp").DeleteUser("u"))
	})
	want("removed and deleted", map[string]int{"g": 1})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Directory("idp").AddMembers("i", "u")
		return errors.Join(err, tx.Directory("idp").DeleteGroup("g"))
	})
	want("a deleted user is added again", map[string]int{"i": 1})
}
