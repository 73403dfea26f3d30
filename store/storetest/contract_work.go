package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

func testMarks(t *testing.T, s store.Store) {
	u, v := store.Subject{IdP: "idp", User: "u"}, store.Subject{IdP: "idp", User: "v"}
	account, sweep := store.Subject{Account: "acc"}, store.Subject{}
	update(t, s, func(tx store.Tx) error {
		d, w := tx.Directory("idp"), tx.Work(backend)
		return errors.Join(d.PutUser(user("u", "u")), d.PutUser(user("v", "v")),
			w.Touch("b", at(1), store.Origin{}, u), w.Touch("a", at(2), store.Origin{}, v), w.Touch("b", at(3), store.Origin{}, v), w.Touch("b", at(4), store.Origin{}, account),
			w.Touch("b", at(5), store.Origin{}, sweep), w.Touch("b", at(6), store.Origin{}, u), tx.Work("other").Touch("b", at(7), store.Origin{}, u))
	})
	var old store.Mark
	view(t, s, func(tx store.Tx) error {
		w := tx.Work(backend)
		got := list(t, w.Marks("b"))
		for i, want := range []store.Subject{v, account, sweep, u} {
			same(t, "by sequence", got[i].Subject, want)
		}
		marks := list(t, w.Marks(""))
		same(t, "number of marks", len(marks), 5)
		same(t, "by target", marks[0].Target, "a")
		var err error
		old, err = w.Mark("b", u)
		same(t, "touched again", old, store.Mark{Target: "b", Subject: u, Seq: old.Seq, Since: at(1)})
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
			m.State, m.NotBefore, m.Reason, m.Tries = state, at(9), "why", 3
			m.Since = at(100) // not Park's to change
			ok, err := tx.Work(backend).Park(m)
			same(t, "parked", ok, true)
			return err
		})
	}
	counts := func(pending, blocked, held int) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			p, b, h := tx.Work(backend).Counts()
			same(t, "counts", [3]int{p, b, h}, [3]int{pending, blocked, held})
			return nil
		})
	}
	park(store.Blocked)
	counts(4, 1, 0)
	park(store.Held)
	counts(4, 0, 1)
	testDue(t, s)
	view(t, s, func(tx store.Tx) error {
		m, err := tx.Work(backend).Mark("b", u)
		same(t, "held", m, store.Mark{Target: "b", Subject: u, Seq: old.Seq, Since: at(1), State: store.Held, NotBefore: at(9), Reason: "why", Tries: 3})
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.Work(backend).Touch("b", at(20), store.Origin{}, u) })
	counts(5, 0, 0)
	update(t, s, func(tx store.Tx) error {
		w := tx.Work(backend)
		settled, err := w.Settle(old)
		parked, err2 := w.Park(old)
		same(t, "an older sequence number settles or parks nothing", settled || parked, false)
		now, err3 := w.Mark("b", u)
		same(t, "touched", now, store.Mark{Target: "b", Subject: u, Seq: now.Seq, Since: at(1)})
		settled, err4 := w.Settle(now)
		same(t, "settled", settled, true)
		settled, err5 := w.Settle(now)
		same(t, "settled again", settled, false)
		return errors.Join(err, err2, err3, err4, err5)
	})
	counts(4, 0, 0)
}

// testOrigins: a mark says who asked last, however it was touched since.
func testOrigins(t *testing.T, s store.Store) {
	u, v := store.Subject{Account: "u"}, store.Subject{Account: "v"}
	by := func(request string, sec int64) store.Origin {
		return store.Origin{Initiator: "idp", Token: "t\x00", Request: request, At: at(sec)}
	}
	step := func(what string, touch func(w store.Work) error, want store.Origin) {
		t.Helper()
		update(t, s, func(tx store.Tx) error { return touch(tx.Work(backend)) })
		view(t, s, func(tx store.Tx) error {
			m, err := tx.Work(backend).Mark("t", u)
			same(t, what, m.Origin, want)
			for _, listed := range list(t, tx.Work(backend).Marks("t")) {
				if listed.Subject == u {
					same(t, what+", in the list", listed, m)
				}
			}
			return err
		})
	}
	step("nobody asked", func(w store.Work) error { return w.Touch("t", at(1), store.Origin{}, u, v) }, store.Origin{})
	step("somebody did", func(w store.Work) error { return w.Touch("t", at(2), by("one", 2), u) }, by("one", 2))
	step("nobody again", func(w store.Work) error { return w.Touch("t", at(3), store.Origin{}, v, u) }, by("one", 2))
	step("somebody who goes first", func(w store.Work) error { return w.TouchUrgent("t", at(4), by("two", 4), u, v) }, by("two", 4))
	step("what was asked earlier", func(w store.Work) error { return w.Touch("t", at(5), by("one", 3), u) }, by("two", 4))
	step("at one moment", func(w store.Work) error { return w.Touch("t", at(6), by("three", 4), v, u) }, by("three", 4))
	step("parked", func(w store.Work) error {
		m, err := w.Mark("t", u)
		m.State, m.Origin = store.Held, by("not Park's to change", 9)
		_, err2 := w.Park(m)
		return errors.Join(err, err2)
	}, by("three", 4))
	step("settled and marked anew", func(w store.Work) error {
		m, err := w.Mark("t", u)
		_, err2 := w.Settle(m)
		return errors.Join(err, err2, w.Touch("t", at(7), by("one", 1), u))
	}, by("one", 1))
}

// testDue parks marks of a backend of its own in every state.
func testDue(t *testing.T, s store.Store) {
	u := store.Subject{IdP: "idp", User: "u"}
	due := func(what string, sec int64, want bool) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Work("due").Due(at(sec))
			same(t, what, got, want)
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
			m.State, m.NotBefore = state, at(notBefore)
			_, err = tx.Work("due").Park(m)
			return err
		})
	}
	due("nothing is marked", 100, false)
	update(t, s, func(tx store.Tx) error { return tx.Work("due").Touch("t", at(50), store.Origin{}, u) })
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
		Doubt: at(1), Sent: at(2), Since: at(3), Adopted: true, Note: "ok",
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
	view(t, s, func(tx store.Tx) error {
		l := tx.Ledger(backend)
		got, err := l.Entry("t1", "acc", "admin")
		same(t, "entry", got, e)
		same(t, "all", len(list(t, l.Entries("", ""))), 4)
		same(t, "of a target", len(list(t, l.Entries("t1", ""))), 3)
		same(t, "of an account", len(list(t, l.Entries("t1", "acc"))), 2)
		targets, err2 := l.TargetsOf("acc")
		slices.Sort(targets)
		same(t, "targets of", targets, []string{"t1", "t2"})
		return errors.Join(err, err2)
	})
	e.Open, e.Doubt, e.Note = false, at(0).AddDate(-1, 0, 0), "changed"
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Ledger(backend).PutEntry(e), tx.Ledger(backend).DeleteEntry("t2", "acc", "user"))
	})
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Ledger(backend).Entry("t1", "acc", "admin")
		same(t, "changed", got, e)
		targets, err2 := tx.Ledger(backend).TargetsOf("acc")
		same(t, "targets of", targets, []string{"t1"})
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
	one := store.Link{IdP: "idp", User: "u", Key: "u@example.com", Account: "acc", Seen: at(1)}
	two := store.Link{IdP: "idp2", User: "u", Key: "u@example.com", Account: "acc", Seen: at(2), Changed: true, Made: true}
	none := store.Link{IdP: "idp", User: "v", Key: "v@example.com"}
	cached := store.CachedAccount{Target: "t", Key: "k", ID: "id", Status: "active", Seen: at(3)}
	update(t, s, func(tx store.Tx) error {
		a := tx.Accounts(backend)
		return errors.Join(a.PutLink(one), a.PutLink(two), a.PutLink(none), a.PutCached(cached), a.PutCached(store.CachedAccount{Key: "k"}),
			a.PutCached(store.CachedAccount{Target: "t", Key: "j", ID: "other"}), a.PutCached(store.CachedAccount{Target: "tt", Key: "k"}))
	})
	linked := func(account string, want ...store.Link) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Accounts(backend).Linked(account)
			same(t, "linked to "+account, got, want)
			return err
		})
	}
	linked("acc", one, two)
	linked("")
	view(t, s, func(tx store.Tx) error {
		same(t, "backends", tx.Backends(), []string{backend})
		same(t, "links", list(t, tx.Accounts(backend).Links()), []store.Link{one, none, two})
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		a := tx.Accounts(backend)
		l, err := a.Link("idp", "v")
		same(t, "link", l, none)
		c, err2 := a.Cached("t", "k")
		same(t, "cached", c, cached)
		c, err3 := a.Cached("", "k")
		same(t, "cached without target", c, store.CachedAccount{Key: "k"})
		_, notHere := tx.Accounts("other").Cached("t", "k")
		is(t, "of another backend", notHere, store.ErrNotFound)
		same(t, "cached on a target", list(t, a.CachedOn("t")), []store.CachedAccount{{Target: "t", Key: "j", ID: "other"}, cached})
		same(t, "cached on no target", list(t, a.CachedOn("")), []store.CachedAccount{{Key: "k"}})
		same(t, "cached elsewhere", len(list(t, tx.Accounts("other").CachedOn("t"))), 0)
		return errors.Join(err, err2, err3)
	})
	one.Account, none.Account, two.Seen = "moved", "moved", at(30)
	update(t, s, func(tx store.Tx) error {
		a := tx.Accounts(backend)
		return errors.Join(a.PutLink(one), a.PutLink(none), a.PutLink(two), a.DeleteCached("t", "k"))
	})
	linked("acc", two)
	linked("moved", one, none)
	update(t, s, func(tx store.Tx) error { return tx.Accounts(backend).DeleteLink("idp", "u") })
	linked("moved", none)
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Accounts(backend).Cached("t", "k")
		is(t, "deleted", err, store.ErrNotFound)
		return nil
	})
}

func testEvents(t *testing.T, s store.Store) {
	e := store.Event{
		At: at(1), Type: "group.members", Actor: "idp", Initiator: "i", Token: "t1", Request: "req", IdP: "idp", Subject: "g", Name: "G",
		Added: []string{"v", "u", "nobody", "u2"}, Removed: []string{"u"},
		Before: `{"a":1}`, After: `{"a":2}`, Backend: backend, Target: "t", Account: "a", Role: "r", Causes: []string{"idp/G", ""}, Evidence: "e", Detail: "d",
	}
	strange := store.Event{At: at(2), Type: "x", IdP: "nowhere", Subject: "s", Added: []string{"p", "q"}}
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
	update(t, s, func(tx store.Tx) error { // the trail remembers what is gone
		return errors.Join(tx.Directory("idp").DeleteUser("v"), tx.Directory("idp").DeleteGroup("g"))
	})
	view(t, s, func(tx store.Tx) error {
		got := list(t, tx.Events().Since(0))
		same(t, "number of events", len(got), 4)
		for i, want := range []store.Event{e, strange, e, {}} {
			if i > 0 && got[i].Seq <= got[i-1].Seq {
				t.Errorf("events are not in order: %d, %d", got[i-1].Seq, got[i].Seq)
			}
			want.Seq = got[i].Seq
			if i == 2 {
				want.Added = []string{"v", "u", "u2"}
			}
			same(t, "event", got[i], want)
			one, err := tx.Events().Event(want.Seq)
			same(t, "one event", one, want)
			is(t, "one event", err, nil)
		}
		_, err := tx.Events().Event(got[3].Seq + 1)
		is(t, "an event that is not there", err, store.ErrNotFound)
		_, err = tx.Events().Event(0)
		is(t, "no event", err, store.ErrNotFound)
		same(t, "since", list(t, tx.Events().Since(got[1].Seq)), got[2:])
		same(t, "since the last", len(list(t, tx.Events().Since(got[3].Seq))), 0)
		same(t, "since for ever", len(list(t, tx.Events().Since(math.MaxUint64))), 0)
		same(t, "identity providers", tx.IdPs(), []string{"idp"})
		same(t, "backends", tx.Backends(), []string(nil))
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
	view(t, s, func(tx store.Tx) error {
		same(t, "setting", string(tx.Setting("a")), "2")
		if v := tx.Setting("empty"); v == nil || len(v) != 0 {
			t.Errorf("empty setting: %v", v)
		}
		same(t, "removed", tx.Setting("gone"), []byte(nil))
		return nil
	})
	update(t, s, func(tx store.Tx) error { return tx.SetSetting("b\x00/c", []byte("3")) })
	view(t, s, func(tx store.Tx) error {
		got := ""
		for name, value := range tx.Settings() {
			got += fmt.Sprintf("%q=%s ", name, value)
		}
		same(t, "settings", got, `"a"=2 "b\x00/c"=3 "empty"= `)
		return nil
	})
}

var errWanted = errors.New("wanted")

func testAllOrNothing(t *testing.T, s store.Store) {
	err := s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.Directory("idp").PutUser(user("u", "u")), tx.SetSetting("a", []byte("1")), appended(tx, store.Event{Type: "x"}), errWanted)
	})
	is(t, "update", err, errWanted)
	is(t, "view", s.View(t.Context(), func(store.Tx) error { return errWanted }), errWanted)
	view(t, s, func(tx store.Tx) error {
		if tx.Setting("a") != nil || len(tx.IdPs()) != 0 || len(list(t, tx.Events().Since(0))) != 0 {
			t.Error("a change that failed left something behind")
		}
		return nil
	})
}

func panics(fn func()) (p any) {
	defer func() { p = recover() }()
	fn()
	return nil
}

func testWriteInView(t *testing.T, s store.Store) {
	writes := map[string]func(tx store.Tx){
		"put user":      func(tx store.Tx) { _ = tx.Directory("i").PutUser(user("u", "u")) },
		"delete user":   func(tx store.Tx) { _ = tx.Directory("i").DeleteUser("u") },
		"put group":     func(tx store.Tx) { _ = tx.Directory("i").PutGroup(group("g", "g")) },
		"delete group":  func(tx store.Tx) { _ = tx.Directory("i").DeleteGroup("g") },
		"add member":    func(tx store.Tx) { _, _ = tx.Directory("i").AddMembers("g", "u") },
		"remove member": func(tx store.Tx) { _, _ = tx.Directory("i").RemoveMembers("g", "u") },
		"touch":         func(tx store.Tx) { _ = tx.Work("b").Touch("t", at(1), store.Origin{}, store.Subject{}) },
		"settle":        func(tx store.Tx) { _, _ = tx.Work("b").Settle(store.Mark{}) },
		"park":          func(tx store.Tx) { _, _ = tx.Work("b").Park(store.Mark{}) },
		"put entry":     func(tx store.Tx) { _ = tx.Ledger("b").PutEntry(store.Entry{}) },
		"delete entry":  func(tx store.Tx) { _ = tx.Ledger("b").DeleteEntry("t", "a", "r") },
		"next attempt":  func(tx store.Tx) { _, _ = tx.Ledger("b").NextAttempt() },
		"put link":      func(tx store.Tx) { _ = tx.Accounts("b").PutLink(store.Link{}) },
		"delete link":   func(tx store.Tx) { _ = tx.Accounts("b").DeleteLink("i", "u") },
		"put cached":    func(tx store.Tx) { _ = tx.Accounts("b").PutCached(store.CachedAccount{}) },
		"delete cached": func(tx store.Tx) { _ = tx.Accounts("b").DeleteCached("t", "k") },
		"append event":  func(tx store.Tx) { _, _ = tx.Events().Append(store.Event{}) },
		"seal":          func(tx store.Tx) { _ = tx.Events().Seal(store.Seal{}) },
		"set anchor":    func(tx store.Tx) { _ = tx.Events().SetAnchor(store.Seal{}) },
		"forget":        func(tx store.Tx) { _, _ = tx.Events().Forget(1) },
		"set setting":   func(tx store.Tx) { _ = tx.SetSetting("a", nil) },
	}
	for name, write := range writes {
		if panics(func() { _ = s.View(context.Background(), func(tx store.Tx) error { write(tx); return nil }) }) == nil {
			t.Errorf("%s in a view does not panic", name)
		}
	}
}

func testPanic(t *testing.T, s store.Store) {
	for _, write := range []bool{false, true} {
		p := panics(func() {
			_ = s.Update(context.Background(), func(tx store.Tx) error {
				if write {
					_ = tx.SetSetting("a", []byte("1"))
				}
				panic("mine")
			})
		})
		same(t, "panic", p, any("mine"))
	}
	update(t, s, func(tx store.Tx) error {
		same(t, "after the panic", tx.Setting("a"), []byte(nil))
		return nil
	})
}

func testCancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fn := func(store.Tx) error { t.Error("ran"); return nil }
	is(t, "update", s.Update(ctx, fn), context.Canceled)
	is(t, "view", s.View(ctx, fn), context.Canceled)
}

func testClosed(t *testing.T, s store.Store) {
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	fn := func(store.Tx) error { t.Error("ran"); return nil }
	is(t, "update", s.Update(context.Background(), fn), store.ErrClosed)
	is(t, "view", s.View(context.Background(), fn), store.ErrClosed)
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	select {
	case <-s.Failed():
		t.Error("closing is no failure")
	default:
	}
}

func testConcurrentCounter(t *testing.T, s store.Store) {
	const clients, times = 16, 20
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range times {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					n := 0
					if v := tx.Setting("n"); v != nil {
						if _, err := fmt.Sscan(string(v), &n); err != nil {
							return err
						}
					}
					return tx.SetSetting("n", fmt.Append(nil, n+1))
				})
				if err != nil {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx store.Tx) error {
		same(t, "counter", string(tx.Setting("n")), fmt.Sprint(clients*times))
		return nil
	})
}

func testConcurrentMembers(t *testing.T, s store.Store) {
	const clients, times = 8, 25
	update(t, s, func(tx store.Tx) error { return tx.Directory("idp").PutGroup(group("g", "g")) })
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range times {
				value := fmt.Sprintf("%d-%d", c, i)
				err := s.Update(context.Background(), func(tx store.Tx) error {
					_, err := tx.Directory("idp").AddMembers("g", value)
					return err
				})
				if err != nil {
					t.Errorf("add member: %v", err)
				}
				err = s.View(context.Background(), func(tx store.Tx) error { // what was answered is there for whoever looks
					in, err := tx.Directory("idp").IsMember("g", value)
					same(t, value, in, true)
					return err
				})
				if err != nil {
					t.Errorf("view: %v", err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx store.Tx) error {
		n, err := tx.Directory("idp").MemberCount("g")
		same(t, "members", n, clients*times)
		return err
	})
}

func testFailingAmongOthers(t *testing.T, s store.Store) {
	const clients, times = 12, 20
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range times {
				name := fmt.Sprintf("%d-%d", c, i)
				var err error
				p := panics(func() {
					err = s.Update(context.Background(), func(tx store.Tx) error {
						if c%4 == 1 {
							return fmt.Errorf("%s: %w", name, errWanted)
						}
						if err := tx.SetSetting(name, []byte(name)); err != nil {
							return err
						}
						switch c % 4 {
						case 2:
							return fmt.Errorf("%s: %w", name, errWanted)
						case 3:
							panic(name)
						}
						return nil
					})
				})
				switch {
				case c%4 == 3 && p != any(name):
					t.Errorf("%s: panic %v", name, p)
				case c%4 == 0 && (err != nil || p != nil):
					t.Errorf("%s: %v, %v", name, err, p)
				case (c%4 == 1 || c%4 == 2) && (!errors.Is(err, errWanted) || !strings.HasPrefix(err.Error(), name+":")):
					t.Errorf("%s: error of another: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	view(t, s, func(tx store.Tx) error {
		for c := range clients {
			for i := range times {
				name := fmt.Sprintf("%d-%d", c, i)
				same(t, name, tx.Setting(name) != nil, c%4 == 0)
			}
		}
		return nil
	})
}
