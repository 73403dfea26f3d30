package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// backend is the backend of the contract's tests.
const backend = "vt"

// Run runs the contract. open returns an empty store that t.Cleanup closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"nothing there", testNothing},
		{"users", testUsers},
		{"user indexes", testUserIndexes},
		{"groups", testGroups},
		{"members", testMembers},
		{"member that becomes a user", testMemberBecomesUser},
		{"member that is a group", testMemberIsGroup},
		{"existing ids", testExisting},
		{"unknown members", testUnknownMembers},
		{"deleting", testDeleting},
		{"order and skip", testOrder},
		{"identity providers apart", testApart},
		{"odd strings", testOddStrings},
		{"marks", testMarks},
		{"marks that are ready", testReady},
		{"origins of marks", testOrigins},
		{"ledger", testLedger},
		{"ledger in pages", testEntriesAfter},
		{"accounts", testAccounts},
		{"events", testEvents},
		{"seals", testSeals},
		{"seals after an anchor", testAnchor},
		{"forgetting events", testForget},
		{"sealers at once", testSealers},
		{"settings", testSettings},
		{"records", testRecords},
		{"records with odd strings", testOddRecords},
		{"records changed while listed", testRecordsWhileListing},
		{"sweeping records", testSweep},
		{"blocked users", testBlockedUsers},
		{"sizes of holds", testHoldSizes},
		{"oldest pending mark", testOldestPending},
		{"changes while listing", testChangeWhileListing},
		{"all or nothing", testAllOrNothing},
		{"writing in a view", testWriteInView},
		{"panic", testPanic},
		{"cancelled", testCancelled},
		{"closed", testClosed},
		{"concurrent counter", testConcurrentCounter},
		{"concurrent members", testConcurrentMembers},
		{"failing among others", testFailingAmongOthers},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				// t.Context is over when cleanup runs
				Check(withContext{t}, s)
			})
			test.test(t, s)
		})
	}
}

type withContext struct{ testing.TB }

func (withContext) Context() context.Context { return context.Background() }

// At returns a moment of the tests.
func At(sec int64) time.Time { return time.Unix(1_700_000_000+sec, 0).UTC() }

func user(id, name string) store.User {
	return store.User{ID: id, UserName: name, Active: true, Version: 1, Created: At(1), Modified: At(2)}
}

func group(id, name string) store.Group {
	return store.Group{ID: id, DisplayName: name, Version: 1, Created: At(1), Modified: At(2)}
}

func update(t *testing.T, s store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

// View runs a View, and ends the test if it fails.
func View(t *testing.T, s store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("view: %v", err)
	}
}

func is(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// Same fails the test if two values differ.
func Same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// all collects; the first error ends it.
func all[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var list []T
	for v, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
	return list, nil
}

// List collects a list, and fails the test if it cannot be read.
func List[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	l, err := all(seq)
	if err != nil {
		t.Errorf("list: %v", err)
	}
	return l
}

// UserIDs lists the ids of users.
func UserIDs(us []store.User) (ids []string) {
	for _, u := range us {
		ids = append(ids, u.ID)
	}
	return ids
}

// GroupIDs lists the ids of groups.
func GroupIDs(gs []store.Group) (ids []string) {
	for _, g := range gs {
		ids = append(ids, g.ID)
	}
	return ids
}

// Changed reports whether a change of one member had an effect.
func Changed(values []string, err error) (bool, error) { return len(values) > 0, err }

// appended appends an event and returns only the error.
func appended(tx store.Tx, e store.Event) error {
	_, err := tx.Events().Append(e)
	return err
}

func testNothing(t *testing.T, s store.Store) {
	read := func(tx store.Tx) error {
		d := tx.Directory("idp")
		_, err := d.User("x")
		is(t, "user", err, store.ErrNotFound)
		_, err = d.Group("x")
		is(t, "group", err, store.ErrNotFound)
		_, err = d.MemberCount("x")
		is(t, "member count", err, store.ErrNotFound)
		_, err = d.IsMember("x", "y")
		is(t, "is member", err, store.ErrNotFound)
		_, err = all(d.Members("x"))
		is(t, "members", err, store.ErrNotFound)
		found, err := d.FindUsers(store.ByEmail, "x")
		if len(found) != 0 || err != nil {
			t.Errorf("find: %v, %v", found, err)
		}
		if len(List(t, d.Users(store.From{}))) != 0 || len(List(t, d.Groups(store.From{Skip: 3}))) != 0 || d.UserCount() != 0 || d.GroupCount() != 0 || len(List(t, d.GroupsOf("x"))) != 0 {
			t.Error("a new directory is not empty")
		}
		_, err = tx.Work(backend).Mark("t", store.Subject{})
		is(t, "mark", err, store.ErrNotFound)
		if p, b, h := tx.Work(backend).Counts(); p+b+h != 0 || len(List(t, tx.Work(backend).Marks(""))) != 0 {
			t.Error("marks")
		}
		_, err = tx.Ledger(backend).Entry("t", "a", "r")
		is(t, "entry", err, store.ErrNotFound)
		if targets, err := tx.Ledger(backend).TargetsOf("a"); len(targets) != 0 || err != nil || len(List(t, tx.Ledger(backend).Entries("", ""))) != 0 {
			t.Error("ledger")
		}
		_, err = tx.Accounts(backend).Link("idp", "u")
		is(t, "link", err, store.ErrNotFound)
		_, err = tx.Accounts(backend).Cached("t", "k")
		is(t, "cached", err, store.ErrNotFound)
		if links, err := tx.Accounts(backend).Linked("a"); len(links) != 0 || err != nil {
			t.Error("linked")
		}
		_, err = tx.Events().Event(1)
		is(t, "event", err, store.ErrNotFound)
		last, err := tx.Events().LastSeal()
		anchor, err2 := tx.Events().Anchor()
		if last != (store.Seal{}) || anchor != last || err != nil || err2 != nil || len(List(t, tx.Events().Unsealed())) != 0 || len(List(t, tx.Events().Seals(0))) != 0 {
			t.Errorf("seals: %v, %v; %v, %v", last, err, anchor, err2)
		}
		if len(List(t, tx.Events().Since(0))) != 0 || tx.Setting("x") != nil || len(tx.IdPs()) != 0 {
			t.Error("events, settings, identity providers")
		}
		return nil
	}
	View(t, s, read)
	update(t, s, read)
	update(t, s, func(tx store.Tx) error {
		is(t, "delete user", tx.Directory("idp").DeleteUser("x"), store.ErrNotFound)
		is(t, "delete group", tx.Directory("idp").DeleteGroup("x"), store.ErrNotFound)
		_, err := tx.Directory("idp").AddMembers("x", "y")
		is(t, "add member", err, store.ErrNotFound)
		_, err = tx.Directory("idp").RemoveMembers("x", "y")
		is(t, "remove member", err, store.ErrNotFound)
		is(t, "delete entry", tx.Ledger(backend).DeleteEntry("t", "a", "r"), store.ErrNotFound)
		is(t, "delete link", tx.Accounts(backend).DeleteLink("idp", "u"), store.ErrNotFound)
		is(t, "delete cached", tx.Accounts(backend).DeleteCached("t", "k"), store.ErrNotFound)
		return nil
	})
	View(t, s, read)
}

func testUsers(t *testing.T, s store.Store) {
	u := user("1", "Alice@Example.com")
	u.ExternalID, u.Emails, u.Version = "ext", []string{"a@example.com", "b@example.com"}, 7
	u.Attributes = json.RawMessage(`{"userName":"Alice@Example.com"}`)
	u.Modified = time.Unix(1_700_000_000, 123_456_789).UTC()
	plain := store.User{ID: "2"}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Directory("idp").PutUser(u), tx.Directory("idp").PutUser(plain))
	})
	View(t, s, func(tx store.Tx) error {
		got, err := tx.Directory("idp").User("1")
		Same(t, "user", got, u)
		Same(t, "listed", List(t, tx.Directory("idp").Users(store.From{})), []store.User{u, plain})
		Same(t, "identity providers", tx.IdPs(), []string{"idp"})
		return err
	})
	u.Active, u.Emails, u.Attributes = false, nil, nil
	update(t, s, func(tx store.Tx) error { return tx.Directory("idp").PutUser(u) })
	View(t, s, func(tx store.Tx) error {
		got, err := tx.Directory("idp").User("1")
		Same(t, "replaced", got, u)
		Same(t, "count", tx.Directory("idp").UserCount(), 2)
		return err
	})
}

func testUserIndexes(t *testing.T, s store.Store) {
	a, b := user("a", "Alice"), user("b", "Bob")
	a.ExternalID, b.ExternalID = "X", "X"
	a.Emails, b.Emails = []string{"One@example.com", "ONE@example.com", "two@example.com"}, []string{"one@EXAMPLE.com"}
	find := func(by store.Index, value string, want ...string) {
		t.Helper()
		View(t, s, func(tx store.Tx) error {
			found, err := tx.Directory("idp").FindUsers(by, value)
			Same(t, value, UserIDs(found), want)
			return err
		})
	}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Directory("idp").PutUser(b), tx.Directory("idp").PutUser(a))
	})
	find(store.ByUserName, "aLICE", "a")
	find(store.ByUserName, "alic")
	find(store.ByUserName, "alice2")
	find(store.ByExternalID, "X", "b", "a")
	find(store.ByExternalID, "x")
	find(store.ByEmail, "oNe@example.com", "b", "a")
	find(store.ByEmail, "two@example.com", "a")
	err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Directory("idp").PutUser(user("c", "ALICE")) })
	is(t, "userName of another", err, store.ErrConflict)
	a.UserName, a.ExternalID, a.Emails = "alice", "", []string{"three@example.com"}
	update(t, s, func(tx store.Tx) error { return tx.Directory("idp").PutUser(a) })
	find(store.ByUserName, "ALICE", "a")
	find(store.ByEmail, "two@example.com")
	find(store.ByEmail, "three@example.com", "a")
	find(store.ByExternalID, "X", "b")
	a.UserName = "Alison"
	update(t, s, func(tx store.Tx) error { return tx.Directory("idp").PutUser(a) })
	find(store.ByUserName, "ALICE")
	update(t, s, func(tx store.Tx) error { return tx.Directory("idp").PutUser(user("c", "ALICE")) })
	find(store.ByUserName, "ALICE", "c")
	View(t, s, func(tx store.Tx) error {
		if _, err := tx.Directory("idp").FindUsers(store.ByDisplayName, "x"); err == nil {
			t.Error("users have no displayName index")
		}
		return nil
	})
}

func testGroups(t *testing.T, s store.Store) {
	g := group("g", "Admins")
	g.ExternalID, g.Attributes = "ext", json.RawMessage(`{"displayName":"Admins"}`)
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Directory("idp").PutGroup(g), tx.Directory("idp").PutGroup(group("h", "Others")))
	})
	err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Directory("idp").PutGroup(group("h", "ADMINS")) })
	is(t, "displayName of another", err, store.ErrConflict)
	View(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		got, err := d.Group("g")
		Same(t, "group", got, g)
		byName, err2 := d.FindGroups(store.ByDisplayName, "aDMINS")
		Same(t, "by displayName", byName, []store.Group{g})
		byExt, err3 := d.FindGroups(store.ByExternalID, "ext")
		Same(t, "by externalId", byExt, []store.Group{g})
		Same(t, "count", d.GroupCount(), 2)
		return errors.Join(err, err2, err3)
	})
	g.DisplayName, g.ExternalID = "Operators", ""
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Directory("idp").PutGroup(g), tx.Directory("idp").PutGroup(group("i", "admins")))
	})
	View(t, s, func(tx store.Tx) error {
		byName, err := tx.Directory("idp").FindGroups(store.ByDisplayName, "Admins")
		Same(t, "the name is free for another", GroupIDs(byName), []string{"i"})
		byExt, err2 := tx.Directory("idp").FindGroups(store.ByExternalID, "ext")
		Same(t, "by the former externalId", len(byExt), 0)
		return errors.Join(err, err2)
	})
}

func testOddStrings(t *testing.T, s store.Store) {
	odd := []string{"a", "a\x00", "a\x00\x01", "a\x00\xff", "a\x01", "ab", "\xff\xfe", "ä", strings.Repeat("x", 1024), strings.Repeat("x", 1023)}
	long := strings.Repeat("n", 5000)
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp\x00")
		if err := d.PutGroup(group("g", long)); err != nil {
			return err
		}
		for i, v := range odd {
			u := user(v, v+"!")
			u.ExternalID, u.Emails = v, []string{v + "@" + long + string(rune('a'+i))}
			if err := d.PutUser(u); err != nil {
				return err
			}
			if _, err := d.AddMembers("g", v); err != nil {
				return err
			}
			if err := tx.Work(backend).Touch(v, At(1), store.Origin{}, store.Subject{IdP: "idp\x00", User: v}); err != nil {
				return err
			}
			if err := tx.Ledger(backend).PutEntry(store.Entry{Target: v, Account: v, Role: v}); err != nil {
				return err
			}
		}
		_, err := d.AddMembers("g", "")
		return err
	})
	View(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp\x00")
		Same(t, "in order", UserIDs(List(t, d.Users(store.From{}))), odd)
		for _, v := range odd {
			found, err := d.FindUsers(store.ByExternalID, v)
			if err != nil {
				return err
			}
			Same(t, "by externalId", UserIDs(found), []string{v})
			Same(t, "marks", len(List(t, tx.Work(backend).Marks(v))), 1)
			Same(t, "entries", len(List(t, tx.Ledger(backend).Entries(v, v))), 1)
		}
		n, err := d.MemberCount("g")
		Same(t, "members", n, len(odd)+1)
		return err
	})
	err := s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.Directory("idp\x00").AddMembers("g", strings.Repeat("x", 1025))
		return err
	})
	if err == nil {
		t.Error("a member value over 1 KiB was taken")
	}
}
