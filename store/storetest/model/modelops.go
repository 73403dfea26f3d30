package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/storetest"
)

// op makes one change to both. An error is a different answer of the store.
type op func(tx store.Tx, m *model) error

func differs(what string, got, want any) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s: got %v, want %v", what, got, want)
}

// expect checks that the error is the sentinel, or nil.
func expect(what string, err, want error) error {
	if want == nil || err == nil {
		return differs(what, err, want)
	}
	if !errors.Is(err, want) {
		return fmt.Errorf("%s: got %w, want %w", what, err, want)
	}
	return nil
}

func drop(list []string, id string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == id })
}

func randomOp(r *rand.Rand) op {
	makers := []func(*rand.Rand) op{
		opPutUser, opPutUser, opPutGroup, opDeleteUser, opDeleteGroup,
		opAddMember, opAddMember, opAddMember, opAddMember, opRemoveMember,
		opTouch, opTouch, opSettle, opPark, opEntry, opDeleteEntry, opAttempt, opLink, opDeleteLink, opCached, opDeleteCached,
		opEvent, opEvent, opSetting, opRecord, opRecord, opDeleteRecord, opSweep, opHeldOffboarding, opSeal, opSeal, opTouchEvent, opForget,
	}
	return makers[r.IntN(len(makers))](r)
}

func idp(r *rand.Rand) string { return named(r, "idp", 2) }

// folded returns a random name; some differ in letter case only.
func folded(r *rand.Rand, prefix string, n int) string {
	s := named(r, prefix, n)
	if r.IntN(2) == 0 {
		return strings.ToUpper(s)
	}
	return s
}

func opPutUser(r *rand.Rand) op {
	in := idp(r)
	u := store.User{
		ID: named(r, "u", 12), UserName: folded(r, "name", 14), ExternalID: named(r, "x", 5), Active: r.IntN(2) == 0,
		Version: r.Uint64N(100), Created: storetest.At(r.Int64N(1000)), Modified: storetest.At(r.Int64N(1000)),
		Attributes: json.RawMessage(`{"n":` + strconv.Itoa(r.IntN(100)) + `}`),
	}
	if r.IntN(3) == 0 {
		u.Original = []string{named(r, "name", 14), "", named(r, "x", 5)}
	}
	for range r.IntN(3) {
		u.Emails = append(u.Emails, folded(r, "mail", 6))
	}
	return func(tx store.Tx, m *model) error {
		d := m.dir(in)
		var want error
		for id, o := range d.users {
			if id != u.ID && store.Fold(o.UserName) == store.Fold(u.UserName) {
				want = store.ErrConflict
			}
		}
		if want == nil {
			if _, known := d.users[u.ID]; !known {
				d.userOrder = append(d.userOrder, u.ID)
			}
			d.users[u.ID] = u
		}
		return expect("put user", tx.Directory(in).PutUser(u), want)
	}
}

func opPutGroup(r *rand.Rand) op {
	in := idp(r)
	g := store.Group{ID: named(r, "g", 5), DisplayName: folded(r, "group", 6), ExternalID: named(r, "x", 3), Version: r.Uint64N(100), Created: storetest.At(r.Int64N(1000))}
	return func(tx store.Tx, m *model) error {
		d := m.dir(in)
		var want error
		for id, o := range d.groups {
			if id != g.ID && store.Fold(o.DisplayName) == store.Fold(g.DisplayName) {
				want = store.ErrConflict
			}
		}
		if want == nil {
			if _, known := d.groups[g.ID]; !known {
				d.groupOrder = append(d.groupOrder, g.ID)
			}
			d.groups[g.ID] = g
		}
		return expect("put group", tx.Directory(in).PutGroup(g), want)
	}
}

// missing returns the expected error: ErrNotFound unless the model has the object.
func missing(there bool) error {
	if there {
		return nil
	}
	return store.ErrNotFound
}

func opDeleteUser(r *rand.Rand) op {
	in, id := idp(r), named(r, "u", 12)
	return func(tx store.Tx, m *model) error {
		d := m.dir(in)
		_, there := d.users[id]
		if there {
			delete(d.users, id)
			d.userOrder = drop(d.userOrder, id)
			for _, ms := range d.members {
				delete(ms, id)
			}
		}
		return expect("delete user", tx.Directory(in).DeleteUser(id), missing(there))
	}
}

func opDeleteGroup(r *rand.Rand) op {
	in, id := idp(r), named(r, "g", 5)
	return func(tx store.Tx, m *model) error {
		d := m.dir(in)
		_, there := d.groups[id]
		if there {
			delete(d.groups, id)
			delete(d.members, id)
			d.groupOrder = drop(d.groupOrder, id)
			for _, ms := range d.members {
				delete(ms, id)
			}
		}
		return expect("delete group", tx.Directory(in).DeleteGroup(id), missing(there))
	}
}

// someValue returns the id of a user or a group, or another value.
func someValue(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return named(r, "g", 5)
	case 1:
		return named(r, "stranger", 4)
	}
	return named(r, "u", 12)
}

func opAddMember(r *rand.Rand) op {
	in, g, v := idp(r), named(r, "g", 5), someValue(r)
	return func(tx store.Tx, m *model) error {
		d := m.dir(in)
		_, there := d.groups[g]
		want := there && !d.members[g][v]
		if want {
			if d.members[g] == nil {
				d.members[g] = map[string]bool{}
			}
			d.members[g][v] = true
		}
		changed, err := storetest.Changed(tx.Directory(in).AddMembers(g, v))
		return errors.Join(expect("add member", err, missing(there)), differs("added", changed, want))
	}
}

func opRemoveMember(r *rand.Rand) op {
	in, g, v := idp(r), named(r, "g", 5), someValue(r)
	return func(tx store.Tx, m *model) error {
		d := m.dir(in)
		_, there := d.groups[g]
		want := there && d.members[g][v]
		delete(d.members[g], v)
		changed, err := storetest.Changed(tx.Directory(in).RemoveMembers(g, v))
		return errors.Join(expect("remove member", err, missing(there)), differs("removed", changed, want))
	}
}
