package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/audit"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/bolt/tables"
)

// TestTamperedTrailIsFound changes the file as an attacker who knows its form and corrects the checksums.
func TestTamperedTrailIsFound(t *testing.T) {
	const events = 1200 // more than a page
	event := func(i int) store.Event {
		return store.Event{At: time.Unix(1_700_000_000+int64(i), 0).UTC(), Type: "grant", Backend: "vt", Account: fmt.Sprint("a", i), Role: "r", Evidence: "200"}
	}
	put := func(b *bbolt.Bucket, n uint64, e store.Event) error {
		record, err := tables.EncodeEvent(codec.SeqKey(n), e, func(string) (codec.Number, bool, error) { return 0, false, nil })
		return errors.Join(err, b.Put(codec.SeqKey(n), record))
	}
	tests := map[string]struct {
		change func(events, seals *bbolt.Bucket) error
		found  string
	}{
		"nothing": {func(_, _ *bbolt.Bucket) error { return nil }, ""},
		"changed": {func(ev, _ *bbolt.Bucket) error {
			e := event(700)
			e.Role = "other"
			return put(ev, 700, e)
		}, "place 700: event 700"},
		"dropped":           {func(ev, _ *bbolt.Bucket) error { return ev.Delete(codec.SeqKey(700)) }, "place 700: event 700 is missing"},
		"the first dropped": {func(ev, _ *bbolt.Bucket) error { return ev.Delete(codec.SeqKey(1)) }, "place 1: event 1 is missing"},
		"the last dropped":  {func(ev, _ *bbolt.Bucket) error { return ev.Delete(codec.SeqKey(events)) }, "place 1200: event 1200 is missing"},
		"exchanged": {func(ev, _ *bbolt.Bucket) error {
			return errors.Join(put(ev, 30, event(31)), put(ev, 31, event(30)))
		}, "place 30: event 30"},
		"moved in the chain": {func(_, seals *bbolt.Bucket) error {
			var all []store.Seal
			for _, place := range []uint64{30, 31} {
				s, err := tables.DecodeSeal(codec.SeqKey(place), seals.Get(codec.SeqKey(place)))
				if err != nil {
					return err
				}
				all = append(all, s)
			}
			for i, place := range []uint64{31, 30} {
				if err := seals.Put(codec.SeqKey(place), tables.EncodeSeal(codec.SeqKey(place), all[i])); err != nil {
					return err
				}
			}
			return nil
		}, "place 30: event 31"},
		"dropped with its place": {func(ev, seals *bbolt.Bucket) error {
			return errors.Join(ev.Delete(codec.SeqKey(700)), seals.Delete(codec.SeqKey(700)))
		}, "place 700 is missing"},
		"the first dropped with its place": {func(ev, seals *bbolt.Bucket) error {
			return errors.Join(ev.Delete(codec.SeqKey(1)), seals.Delete(codec.SeqKey(1)))
		}, "place 1 is missing"},
		"put in before the first": {func(ev, seals *bbolt.Bucket) error {
			if err := ev.Delete(codec.SeqKey(600)); err != nil { // and another event in its place
				return err
			}
			return put(ev, 600, event(9999))
		}, "place 600: event 600"},
		"put in between": {func(ev, seals *bbolt.Bucket) error {
			// the number 1201 was given to an event that was sealed, and then 1202: see below
			return put(ev, 1201, event(1201))
		}, "event 1201 has no place"},
		"damaged": {func(ev, _ *bbolt.Bucket) error {
			record := bytes.Clone(ev.Get(codec.SeqKey(700)))
			record[len(record)-3] ^= 1
			return ev.Put(codec.SeqKey(700), record)
		}, "checksum does not match"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
			do := func(fn func(tx store.Tx) error) {
				t.Helper()
				if err := s.Update(context.Background(), fn); err != nil {
					t.Fatal(err)
				}
			}
			do(func(tx store.Tx) error {
				for i := 1; i <= events; i++ {
					if _, err := tx.Events().Append(event(i)); err != nil {
						return err
					}
				}
				return nil
			})
			sealer := &audit.Sealer{Store: s}
			if err := sealer.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := s.db.Update(func(tx *bbolt.Tx) error { // a number of no name
				_, err := tx.Bucket([]byte(kv.TopEvents)).NextSequence()
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			do(func(tx store.Tx) error { _, err := tx.Events().Append(event(0)); return err })
			if err := sealer.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
			before, err := audit.Verify(t.Context(), s, "")
			if err != nil || before.Broken != "" || before.Events != events+1 {
				t.Fatalf("before: %+v, %v", before, err)
			}
			err = s.db.Update(func(tx *bbolt.Tx) error {
				return test.change(tx.Bucket([]byte(kv.TopEvents)), tx.Bucket([]byte(kv.TopSeals)))
			})
			if err != nil {
				t.Fatal(err)
			}
			after, err := audit.Verify(t.Context(), s, "")
			if err != nil || (after.Broken == "") != (test.found == "") || !strings.Contains(after.Broken, test.found) {
				t.Errorf("found %q, %v; want %q", after.Broken, err, test.found)
			}
			// altered events are not forgotten: Verify must find them later too
			old := &audit.Sealer{Store: s, Keep: time.Second, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
			err = old.Forget(t.Context())
			again, verr := audit.Verify(t.Context(), s, "")
			if verr != nil || (again.Broken == "") != (test.found == "") {
				t.Errorf("after forgetting (%v): %q, %v", err, again.Broken, verr)
			}
		})
	}
	t.Run("cut at its end", func(t *testing.T) { // only a head recorded elsewhere shows it
		s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for i := range 3 {
				if _, err := tx.Events().Append(event(i)); err != nil {
					return err
				}
			}
			return nil
		})
		err = errors.Join(err, (&audit.Sealer{Store: s}).Seal(t.Context()))
		before, verr := audit.Verify(t.Context(), s, "")
		if err := errors.Join(err, verr); err != nil {
			t.Fatal(err)
		}
		err = s.db.Update(func(tx *bbolt.Tx) error {
			return errors.Join(tx.Bucket([]byte(kv.TopEvents)).Delete(codec.SeqKey(3)), tx.Bucket([]byte(kv.TopSeals)).Delete(codec.SeqKey(3)))
		})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := audit.Verify(t.Context(), s, before.Head); err != nil || !strings.Contains(r.Broken, "the recorded head is not") {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
