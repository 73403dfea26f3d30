package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

func testMarks(t *testing.T, s store.Store) {
	u, v := store.Subject{IdP: "idp", User: "u"}, store.Subject{IdP: "idp", User: "v"}
	account, sweep := store.Subject{Account: "acc"}, store.Subject{}
	update(t, s, func(tx store.Tx) error {
		d, w := tx.Directory("idp"), tx.Work(backend)
		return errors.Join(d.PutUser(user("u", "u")), d.PutUser(user("v", "v")),
			w.Touch("b", At(1), store.Origin{}, u), w.Touch("a", At(2), store.Origin{}, v), w.Touch("b", At(3), store.Origin{}, v), w.Touch("b", At(4), store.Origin{}, account),
			w.Touch("b", At(5), store.Origin{}, sweep), w.Touch("b", At(6), store.Origin{}, u), tx.Work("other").Touch("b", At(7), store.Origin{}, u))
	})
	var old store.Mark
	View(t, s, func(tx store.Tx) error {
		w := tx.Work(backend)
		got := List(t, w.Marks("b"))
		for i, want := range []store.Subject{v, account, sweep, u} {
			Same(t, "in the order of the numbers", got[i].Subject, want)
		}
		marks := List(t, w.Marks(""))
		Same(t, "number of marks", len(marks), 5)
		Same(t, "by target", marks[0].Target, "a")
		var err error
		old, err = w.Mark("b", u)
		Same(t, "touched again", old, store.Mark{Target: "b", Subject: u, Seq: old.Seq, Since: At(1)})
		other, err2 := tx.Work("other").Mark("b", u)
		if other.Seq <= old.Seq {
			t.Errorf("sequence numbers are not store-wide: %d, %d", old.Seq, other.Seq)
		}
		return errors.Join(err, err2)
	})
	park := func(state store.MarkState) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			m := old
			m.State, m.NotBefore, m.Reason, m.Tries = state, At(9), "why", 3
			m.Since = At(100) // not Park's to change
			ok, err := tx.Work(backend).Park(m)
			Same(t, "parked", ok, true)
			return err
		})
	}
	counts := func(pending, blocked, held int) {
		t.Helper()
		View(t, s, func(tx store.Tx) error {
			p, b, h := tx.Work(backend).Counts()
			Same(t, "counts", [3]int{p, b, h}, [3]int{pending, blocked, held})
			return nil
		})
	}
	park(store.Blocked)
	counts(4, 1, 0)
	park(store.Held)
	counts(4, 0, 1)
	testDue(t, s)
	View(t, s, func(tx store.Tx) error {
		m, err := tx.Work(backend).Mark("b", u)
		Same(t, "held", m, store.Mark{Target: "b", Subject: u, Seq: old.Seq, Since: At(1), State: store.Held, NotBefore: At(9), Reason: "why", Tries: 3})
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.Work(backend).Touch("b", At(20), store.Origin{}, u) })
	counts(5, 0, 0)
	update(t, s, func(tx store.Tx) error {
		w := tx.Work(backend)
		settled, err := w.Settle(old)
		parked, err2 := w.Park(old)
		Same(t, "an older sequence number settles or parks nothing", settled || parked, false)
		now, err3 := w.Mark("b", u)
		Same(t, "touched", now, store.Mark{Target: "b", Subject: u, Seq: now.Seq, Since: At(1)})
		settled, err4 := w.Settle(now)
		Same(t, "settled", settled, true)
		settled, err5 := w.Settle(now)
		Same(t, "settled again", settled, false)
		return errors.Join(err, err2, err3, err4, err5)
	})
	counts(4, 0, 0)
}

// testOrigins checks that a mark keeps its newest Origin.
func testOrigins(t *testing.T, s store.Store) {
	u, v := store.Subject{Account: "u"}, store.Subject{Account: "v"}
	by := func(request string, sec int64) store.Origin {
		return store.Origin{Initiator: "idp", Token: "t\x00", Request: request, Groups: fmt.Sprintf("idp/g%d\x00", sec%3), At: At(sec)}
	}
	with := func(o store.Origin, groups ...string) store.Origin { // of both, the newer one's first
		for _, g := range groups {
			o.Groups += "\nidp/" + g + "\x00"
		}
		return o
	}
	step := func(what string, touch func(w store.Work) error, want store.Origin) {
		t.Helper()
		update(t, s, func(tx store.Tx) error { return touch(tx.Work(backend)) })
		View(t, s, func(tx store.Tx) error {
			m, err := tx.Work(backend).Mark("t", u)
			Same(t, what, m.Origin, want)
			for _, listed := range List(t, tx.Work(backend).Marks("t")) {
				if listed.Subject == u {
					Same(t, what+", in the list", listed, m)
				}
			}
			return err
		})
	}
	step("without an origin", func(w store.Work) error { return w.Touch("t", At(1), store.Origin{}, u, v) }, store.Origin{})
	step("with an origin", func(w store.Work) error { return w.Touch("t", At(2), by("one", 2), u) }, by("one", 2))
	step("without an origin again", func(w store.Work) error { return w.Touch("t", At(3), store.Origin{}, v, u) }, by("one", 2))
	step("one that goes first", func(w store.Work) error { return w.TouchUrgent("t", At(4), by("two", 4), u, v) }, with(by("two", 4), "g2"))
	step("what was asked earlier", func(w store.Work) error { return w.Touch("t", At(5), by("one", 3), u) }, with(by("two", 4), "g2", "g0"))
	step("at one moment", func(w store.Work) error { return w.Touch("t", At(6), by("three", 4), v, u) }, with(by("three", 4), "g2", "g0"))
	step("parked", func(w store.Work) error {
		m, err := w.Mark("t", u)
		m.State, m.Origin = store.Held, by("not Park's to change", 9)
		_, err2 := w.Park(m)
		return errors.Join(err, err2)
	}, with(by("three", 4), "g2", "g0"))
	step("settled and marked again", func(w store.Work) error {
		m, err := w.Mark("t", u)
		_, err2 := w.Settle(m)
		return errors.Join(err, err2, w.Touch("t", At(7), by("one", 1), u))
	}, by("one", 1))
}

// testDue parks marks of another backend in every state.
func testDue(t *testing.T, s store.Store) {
	u := store.Subject{IdP: "idp", User: "u"}
	due := func(what string, sec int64, want bool) {
		t.Helper()
		View(t, s, func(tx store.Tx) error {
			got, err := tx.Work("due").Due(At(sec))
			Same(t, what, got, want)
			return err
		})
	}
	park := func(state store.MarkState, notBefore int64) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			m, err := tx.Work("due").Mark("t", u)
			if err != nil {
				return err
			}
			m.State, m.NotBefore = state, At(notBefore)
			_, err = tx.Work("due").Park(m)
			return err
		})
	}
	due("nothing is marked", 100, false)
	update(t, s, func(tx store.Tx) error { return tx.Work("due").Touch("t", At(50), store.Origin{}, u) })
	due("touched, by a clock that is ahead", 1, true)
	park(store.Blocked, 9)
	due("blocked, before its time", 8, false)
	due("blocked, at its time", 9, true)
	park(store.Held, 9)
	due("held", 10, false)
	park(store.Pending, 9)
	due("waits", 8, false)
	due("has waited", 10, true)
}

func testLedger(t *testing.T, s store.Store) {
	e := store.Entry{
		Target: "t1", Account: "acc", Role: "admin", Key: "k", State: store.Present, Wanted: true, Open: true, Attempt: 7,
		Doubt: At(1), Sent: At(2), Since: At(3), Adopted: true, Note: "ok",
	}
	others := []store.Entry{{Target: "t1", Account: "acc", Role: "user"}, {Target: "t1", Account: "acc2", Role: "user"}, {Target: "t2", Account: "acc", Role: "user", State: store.Absent}}
	update(t, s, func(tx store.Tx) error {
		l := tx.Ledger(backend)
		err := l.PutEntry(e)
		for _, o := range others {
			err = errors.Join(err, l.PutEntry(o))
		}
		return errors.Join(err, tx.Ledger("other").PutEntry(store.Entry{Target: "t9", Account: "acc"}))
	})
	View(t, s, func(tx store.Tx) error {
		l := tx.Ledger(backend)
		got, err := l.Entry("t1", "acc", "admin")
		Same(t, "entry", got, e)
		Same(t, "all", len(List(t, l.Entries("", ""))), 4)
		Same(t, "of a target", len(List(t, l.Entries("t1", ""))), 3)
		Same(t, "of an account", len(List(t, l.Entries("t1", "acc"))), 2)
		targets, err2 := l.TargetsOf("acc")
		slices.Sort(targets)
		Same(t, "targets of", targets, []string{"t1", "t2"})
		return errors.Join(err, err2)
	})
	e.Open, e.Doubt, e.Note = false, At(0).AddDate(-1, 0, 0), "changed"
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Ledger(backend).PutEntry(e), tx.Ledger(backend).DeleteEntry("t2", "acc", "user"))
	})
	View(t, s, func(tx store.Tx) error {
		got, err := tx.Ledger(backend).Entry("t1", "acc", "admin")
		Same(t, "changed", got, e)
		targets, err2 := tx.Ledger(backend).TargetsOf("acc")
		Same(t, "targets of", targets, []string{"t1"})
		return errors.Join(err, err2)
	})
	seen := map[uint64]bool{}
	for i := range 6 {
		var n uint64
		update(t, s, func(tx store.Tx) (err error) {
			n, err = tx.Ledger([]string{backend, "other"}[i%2]).NextAttempt()
			return err
		})
		if seen[n] {
			t.Errorf("attempt %d was given twice", n)
		}
		seen[n] = true
	}
}

func testAccounts(t *testing.T, s store.Store) {
	one := store.Link{IdP: "idp", User: "u", Key: "u@example.com", Account: "acc", Seen: At(1)}
	two := store.Link{IdP: "idp2", User: "u", Key: "u@example.com", Account: "acc", Seen: At(2), Changed: true, Made: true}
	none := store.Link{IdP: "idp", User: "v", Key: "v@example.com"}
	cached := store.CachedAccount{Target: "t", Key: "k", ID: "id", Status: "active", Seen: At(3)}
	update(t, s, func(tx store.Tx) error {
		a := tx.Accounts(backend)
		return errors.Join(a.PutLink(one), a.PutLink(two), a.PutLink(none), a.PutCached(cached), a.PutCached(store.CachedAccount{Key: "k"}),
			a.PutCached(store.CachedAccount{Target: "t", Key: "j", ID: "other"}), a.PutCached(store.CachedAccount{Target: "tt", Key: "k"}))
	})
	linked := func(account string, want ...store.Link) {
		t.Helper()
		View(t, s, func(tx store.Tx) error {
			got, err := tx.Accounts(backend).Linked(account)
			Same(t, "linked to "+account, got, want)
			return err
		})
	}
	linked("acc", one, two)
	linked("")
	View(t, s, func(tx store.Tx) error {
		Same(t, "backends", tx.Backends(), []string{backend})
		Same(t, "links", List(t, tx.Accounts(backend).Links()), []store.Link{one, none, two})
		return nil
	})
	View(t, s, func(tx store.Tx) error {
		a := tx.Accounts(backend)
		l, err := a.Link("idp", "v")
		Same(t, "link", l, none)
		c, err2 := a.Cached("t", "k")
		Same(t, "cached", c, cached)
		c, err3 := a.Cached("", "k")
		Same(t, "cached without target", c, store.CachedAccount{Key: "k"})
		_, notHere := tx.Accounts("other").Cached("t", "k")
		is(t, "of another backend", notHere, store.ErrNotFound)
		Same(t, "cached on a target", List(t, a.CachedOn("t")), []store.CachedAccount{{Target: "t", Key: "j", ID: "other"}, cached})
		Same(t, "cached on no target", List(t, a.CachedOn("")), []store.CachedAccount{{Key: "k"}})
		Same(t, "cached elsewhere", len(List(t, tx.Accounts("other").CachedOn("t"))), 0)
		return errors.Join(err, err2, err3)
	})
	one.Account, none.Account, two.Seen = "moved", "moved", At(30)
	update(t, s, func(tx store.Tx) error {
		a := tx.Accounts(backend)
		return errors.Join(a.PutLink(one), a.PutLink(none), a.PutLink(two), a.DeleteCached("t", "k"))
	})
	linked("acc", two)
	linked("moved", one, none)
	update(t, s, func(tx store.Tx) error { return tx.Accounts(backend).DeleteLink("idp", "u") })
	linked("moved", none)
	View(t, s, func(tx store.Tx) error {
		_, err := tx.Accounts(backend).Cached("t", "k")
		is(t, "deleted", err, store.ErrNotFound)
		return nil
	})
}

func testEvents(t *testing.T, s store.Store) {
	e := store.Event{
		At: At(1), Type: "group.members", Actor: "idp", Initiator: "i", Token: "t1", Request: "req", IdP: "idp", Subject: "g", Name: "G",
		Added: []string{"v", "u", "stranger", "u2"}, Removed: []string{"u"},
		Before: `{"a":1}`, After: `{"a":2}`, Backend: backend, Target: "t", Account: "a", Role: "r", Causes: []string{"idp/G", ""}, Evidence: "e", Detail: "d", Reason: "w",
	}
	strange := store.Event{At: At(2), Type: "x", IdP: "nowhere", Subject: "s", Added: []string{"p", "q"}}
	update(t, s, func(tx store.Tx) error {
		d := tx.Directory("idp")
		err := d.PutGroup(group("g", "G"))
		for _, v := range []string{"u", "u2", "v"} {
			err = errors.Join(err, d.PutUser(user(v, v)))
		}
		known := e
		known.Added = []string{"v", "u", "u2"}
		return errors.Join(err, appended(tx, e), appended(tx, strange), appended(tx, known), appended(tx, store.Event{}))
	})
	update(t, s, func(tx store.Tx) error { // the trail keeps deleted names
		return errors.Join(tx.Directory("idp").DeleteUser("v"), tx.Directory("idp").DeleteGroup("g"))
	})
	View(t, s, func(tx store.Tx) error {
		got := List(t, tx.Events().Since(0))
		Same(t, "number of events", len(got), 4)
		for i, want := range []store.Event{e, strange, e, {}} {
			if i > 0 && got[i].Seq <= got[i-1].Seq {
				t.Errorf("events are not in order: %d, %d", got[i-1].Seq, got[i].Seq)
			}
			want.Seq = got[i].Seq
			if i == 2 {
				want.Added = []string{"v", "u", "u2"}
			}
			Same(t, "event", got[i], want)
			one, err := tx.Events().Event(want.Seq)
			Same(t, "one event", one, want)
			is(t, "one event", err, nil)
		}
		_, err := tx.Events().Event(got[3].Seq + 1)
		is(t, "an event that is not there", err, store.ErrNotFound)
		_, err = tx.Events().Event(0)
		is(t, "no event", err, store.ErrNotFound)
		Same(t, "since", List(t, tx.Events().Since(got[1].Seq)), got[2:])
		Same(t, "since the last", len(List(t, tx.Events().Since(got[3].Seq))), 0)
		Same(t, "since the largest number", len(List(t, tx.Events().Since(math.MaxUint64))), 0)
		Same(t, "identity providers", tx.IdPs(), []string{"idp"})
		Same(t, "backends", tx.Backends(), []string(nil))
		return nil
	})
}

func testSettings(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.SetSetting("a", []byte("1")), tx.SetSetting("empty", []byte{}), tx.SetSetting("gone", []byte("x")))
	})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.SetSetting("a", []byte("2")), tx.SetSetting("gone", nil))
	})
	View(t, s, func(tx store.Tx) error {
		Same(t, "setting", string(tx.Setting("a")), "2")
		if v := tx.Setting("empty"); v == nil || len(v) != 0 {
			t.Errorf("empty setting: %v", v)
		}
		Same(t, "removed", tx.Setting("gone"), []byte(nil))
		return nil
	})
	update(t, s, func(tx store.Tx) error { return tx.SetSetting("b\x00/c", []byte("3")) })
	View(t, s, func(tx store.Tx) error {
		got := ""
		for name, value := range tx.Settings() {
			got += fmt.Sprintf("%q=%s ", name, value)
		}
		Same(t, "settings", got, `"a"=2 "b\x00/c"=3 "empty"= `)
		return nil
	})
}
