package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// ErrWanted is the error of a function that fails on purpose.
var ErrWanted = errors.New("wanted")

func testAllOrNothing(t *testing.T, s store.Store) {
	err := s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.Directory("idp").PutUser(user("u", "u")), tx.SetSetting("a", []byte("1")), appended(tx, store.Event{Type: "x"}), ErrWanted)
	})
	is(t, "update", err, ErrWanted)
	is(t, "view", s.View(t.Context(), func(store.Tx) error { return ErrWanted }), ErrWanted)
	View(t, s, func(tx store.Tx) error {
		if tx.Setting("a") != nil || len(tx.IdPs()) != 0 || len(List(t, tx.Events().Since(0))) != 0 {
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
		"touch":         func(tx store.Tx) { _ = tx.Work("b").Touch("t", At(1), store.Origin{}, store.Subject{}) },
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
		Same(t, "panic", p, any("mine"))
	}
	update(t, s, func(tx store.Tx) error {
		Same(t, "after the panic", tx.Setting("a"), []byte(nil))
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
	View(t, s, func(tx store.Tx) error {
		Same(t, "counter", string(tx.Setting("n")), fmt.Sprint(clients*times))
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
				err = s.View(context.Background(), func(tx store.Tx) error { // an answered change is visible
					in, err := tx.Directory("idp").IsMember("g", value)
					Same(t, value, in, true)
					return err
				})
				if err != nil {
					t.Errorf("view: %v", err)
				}
			}
		})
	}
	wg.Wait()
	View(t, s, func(tx store.Tx) error {
		n, err := tx.Directory("idp").MemberCount("g")
		Same(t, "members", n, clients*times)
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
							return fmt.Errorf("%s: %w", name, ErrWanted)
						}
						if err := tx.SetSetting(name, []byte(name)); err != nil {
							return err
						}
						switch c % 4 {
						case 2:
							return fmt.Errorf("%s: %w", name, ErrWanted)
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
				case (c%4 == 1 || c%4 == 2) && (!errors.Is(err, ErrWanted) || !strings.HasPrefix(err.Error(), name+":")):
					t.Errorf("%s: error of another: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	View(t, s, func(tx store.Tx) error {
		for c := range clients {
			for i := range times {
				name := fmt.Sprintf("%d-%d", c, i)
				Same(t, name, tx.Setting(name) != nil, c%4 == 0)
			}
		}
		return nil
	})
}
