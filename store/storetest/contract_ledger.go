package storetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// testEntriesAfter reads a ledger in pages of one entry, each in a transaction of its own: together
// they are the list that one transaction gives, whether the last entry is still there or not.
func testEntriesAfter(t *testing.T, s store.Store) {
	long := strings.Repeat("long", 200)
	update(t, s, func(tx store.Tx) error {
		l := tx.Ledger(backend)
		var err error
		for _, target := range []string{"t", "t1", "t2", long, "", "ü\x00"} {
			for _, account := range []string{"a", "a1", "b" + long} {
				err = errors.Join(err, l.PutEntry(store.Entry{Target: target, Account: account, Role: "r"}),
					l.PutEntry(store.Entry{Target: target, Account: account, Role: "s" + long}))
			}
		}
		return errors.Join(err, tx.Ledger("other").PutEntry(store.Entry{Target: "t9", Account: "acc"}))
	})
	var all []store.Entry
	View(t, s, func(tx store.Tx) error {
		all = List(t, tx.Ledger(backend).Entries("", ""))
		Same(t, "from the first", List(t, tx.Ledger(backend).EntriesAfter(nil)), all)
		Same(t, "of a backend without a ledger", len(List(t, tx.Ledger("none").EntriesAfter(nil))), 0)
		return nil
	})
	Same(t, "entries", len(all), 36)
	var last *store.Entry
	for i, want := range all {
		found := false
		View(t, s, func(tx store.Tx) error {
			for e, err := range tx.Ledger(backend).EntriesAfter(last) {
				Same(t, "next entry", e, want)
				last, found = &e, true
				return err
			}
			return nil
		})
		if Same(t, "found", found, true); i%2 == 0 {
			update(t, s, func(tx store.Tx) error { return tx.Ledger(backend).DeleteEntry(want.Target, want.Account, want.Role) })
		}
	}
	View(t, s, func(tx store.Tx) error {
		Same(t, "after the last", len(List(t, tx.Ledger(backend).EntriesAfter(last))), 0)
		return nil
	})
}
