package tables

import (
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/record"
)

// Recount computes the tallies of a file without them.
func (t Tx) Recount() error {
	for _, name := range t.Backends() {
		w, l := &work{t.Namespace(kv.TopWork, name)}, &ledger{t.Namespace(kv.TopLedgers, name)}
		for m, err := range w.Marks("") {
			if err == nil {
				err = w.tallyMark(m, 1)
			}
			if err != nil {
				return err
			}
		}
		var before *store.Entry
		sizes := map[string]int{}
		for e, err := range l.Entries("", "") {
			if err != nil {
				return err
			}
			if sizes["entries"]++; e.Hold == "" {
				continue
			}
			if err := l.tallyHold(e.Hold, e.Target, e.Why, 1, 0); err != nil {
				return err
			}
			if before == nil || before.Target != e.Target || before.Account != e.Account { // entries of an account are adjacent
				sizes["held"]++
			}
			before = &e
		}
		for _, of := range slices.Sorted(maps.Keys(sizes)) {
			if _, err := l.Adjust(ledgerCounts, codec.MakeKey(of), sizes[of]); err != nil {
				return err
			}
		}
	}
	for h, err := range record.List(t, record.HeldOffboarding{}) {
		if err == nil {
			err = (records{t.Tx}).tallyHeld(h, 1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ForgetTallies removes all tallies.
func (t Tx) ForgetTallies() error {
	buckets := map[string][]string{kv.TopWork: {workPending, workBlocked, workPeople, workReasons}, kv.TopLedgers: {ledgerCounts, ledgerHolds}}
	for top, names := range buckets {
		for of := range t.Scan(t.Btx.Bucket([]byte(top)), nil, 0) {
			s := t.Namespace(top, string(of))
			for _, name := range names {
				if err := s.Forget(name); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
