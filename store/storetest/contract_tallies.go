package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// blocked parks a mark as blocked.
func blocked(tx store.Tx, target, reason string, who store.Subject) error {
	w := tx.Work(backend)
	if err := w.Touch(target, At(1), store.Origin{}, who); err != nil {
		return err
	}
	m, err := w.Mark(target, who)
	if err != nil {
		return err
	}
	m.State, m.Reason = store.Blocked, reason
	_, err = w.Park(m)
	return err
}

// blockedUsers checks the counts; Check compares them with a recount.
func blockedUsers(t *testing.T, s store.Store, when string, all int, want map[string]int) {
	t.Helper()
	View(t, s, func(tx store.Tx) error {
		got, byReason, err := tx.Work(backend).BlockedUsers()
		Same(t, when, got, all)
		Same(t, when, byReason, want)
		return err
	})
	Check(t, s)
}

func testBlockedUsers(t *testing.T, s store.Store) {
	ada, adaToo, bob := store.Subject{IdP: "okta", User: "ada"}, store.Subject{IdP: "entra", User: "ada"}, store.Subject{IdP: "okta", User: "bob"}
	link := func(who store.Subject, account string) func(tx store.Tx) error {
		return func(tx store.Tx) error {
			return tx.Accounts(backend).PutLink(store.Link{IdP: who.IdP, User: who.User, Account: account})
		}
	}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(link(ada, "a")(tx), link(adaToo, "a")(tx), blocked(tx, "t1", "x", ada), blocked(tx, "t2", "x", ada), blocked(tx, "t1", "x", adaToo),
			blocked(tx, "t3", "x", store.Subject{Account: "a"}), blocked(tx, "t4", "y", ada), blocked(tx, "t1", "z", bob),
			blocked(tx, "t4", "y", store.Subject{Account: store.TargetSettings}), blocked(tx, "t5", "y", store.Subject{Account: store.TargetSettings}))
	})
	blockedUsers(t, s, "one account is one", 4, map[string]int{"x": 1, "y": 3, "z": 1})
	update(t, s, link(adaToo, "b"))
	blockedUsers(t, s, "two accounts", 5, map[string]int{"x": 2, "y": 3, "z": 1})
	update(t, s, link(adaToo, ""))
	blockedUsers(t, s, "a user without an account", 5, map[string]int{"x": 2, "y": 3, "z": 1})
	update(t, s, link(bob, "a"))
	blockedUsers(t, s, "a third user of an account", 4, map[string]int{"x": 2, "y": 3, "z": 1})
	update(t, s, func(tx store.Tx) error { return tx.Accounts(backend).DeleteLink("okta", "bob") })
	update(t, s, func(tx store.Tx) error { return tx.Work(backend).Touch("t1", At(2), store.Origin{}, ada, adaToo) })
	blockedUsers(t, s, "touched", 4, map[string]int{"x": 1, "y": 3, "z": 1})
	update(t, s, func(tx store.Tx) error {
		m, err := tx.Work(backend).Mark("t1", bob)
		if err == nil {
			_, err = tx.Work(backend).Settle(m)
		}
		return err
	})
	blockedUsers(t, s, "settled", 3, map[string]int{"x": 1, "y": 3})
}

func testHoldSizes(t *testing.T, s store.Store) {
	entry := func(target, account, role, hold, why string) store.Entry {
		return store.Entry{Target: target, Account: account, Role: role, Hold: hold, Why: why}
	}
	put := func(all ...store.Entry) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			for _, e := range all {
				if err := tx.Ledger(backend).PutEntry(e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	sizes := func(when string, entries, held int, want ...store.HoldSize) {
		t.Helper()
		View(t, s, func(tx store.Tx) error {
			tallies, err := store.TalliesOf(tx, backend)
			Same(t, when, [2]int{tallies.Entries, tallies.HeldAccounts}, [2]int{entries, held})
			Same(t, when, tallies.Holds, want)
			return err
		})
		Check(t, s)
	}
	put(entry("t", "a", "r1", "h1", "limit"), entry("t", "a", "r2", "h1", "limit"), entry("t", "b", "r1", "h1", "limit"), entry("u", "a", "r1", "", ""))
	sizes("two accounts", 4, 2, store.HoldSize{ID: "h1", Target: "t", Why: "limit", Entries: 3})
	put(entry("t", "a", "r2", "h2", "protected"))
	sizes("another hold", 4, 2, store.HoldSize{ID: "h1", Target: "t", Why: "limit", Entries: 2}, store.HoldSize{ID: "h2", Target: "t", Why: "protected", Entries: 1})
	put(entry("t", "a", "r1", "", ""), entry("t", "b", "r1", "", ""))
	sizes("let go", 4, 1, store.HoldSize{ID: "h2", Target: "t", Why: "protected", Entries: 1})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Ledger(backend).DeleteEntry("t", "a", "r2"), record.Put(tx, record.HeldOffboarding{Backend: backend, Account: "c", Target: "t", ID: "h3", Why: "w"}))
	})
	sizes("an off-boarding", 3, 0, store.HoldSize{ID: "h3", Target: "t", Why: "w", Offboardings: 1})
	update(t, s, func(tx store.Tx) error {
		return record.Put(tx, record.HeldOffboarding{Backend: backend, Account: "c", Target: "t", ID: "h3", Why: "w", Approved: true})
	})
	sizes("approved", 3, 0)
}

func testOldestPending(t *testing.T, s store.Store) {
	want := func(when string, want time.Time) {
		t.Helper()
		View(t, s, func(tx store.Tx) error {
			got, err := tx.Work(backend).OldestPending()
			Same(t, when, got, want)
			return err
		})
	}
	want("nothing", time.Time{})
	ada, bob := store.Subject{IdP: "okta", User: "ada"}, store.Subject{IdP: "okta", User: "bob"}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Work(backend).Touch("z", At(5), store.Origin{}, ada), tx.Work(backend).Touch("a", At(9), store.Origin{}, bob))
	})
	want("two", At(5))
	update(t, s, func(tx store.Tx) error { return tx.Work(backend).Touch("z", At(20), store.Origin{}, ada) })
	want("touched again", At(5))
	update(t, s, func(tx store.Tx) error { return blocked(tx, "z", "x", ada) })
	want("blocked", At(9))
}
