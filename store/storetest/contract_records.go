package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// fillRecord sets every column of a record to a value of its own.
func fillRecord(r record.Record, n int) {
	for i, f := range r.Fields() {
		switch f := f.(type) {
		case *string:
			*f = fmt.Sprintf("%s %d of %d", r.Table().Columns[i], i, n)
		case *time.Time:
			*f = time.Unix(1_700_000_000+int64(100*n+i), 123_456_789).UTC()
		case *bool:
			*f = (n+i)%2 == 0
		case *int64:
			*f = int64(n - 2*i)
		}
	}
}

// keyOnly returns an empty record that has the key of another.
func keyOnly(r record.Record) record.Record {
	out, ok := reflect.New(reflect.TypeOf(r).Elem()).Interface().(record.Record)
	if !ok {
		return nil
	}
	for i, f := range out.Fields()[:r.Table().Key] {
		if s, ok := f.(*string); ok {
			*s = fieldString(r, i)
		}
	}
	return out
}

// fieldString returns a text field of a record; the empty text if the field is of another type.
func fieldString(r record.Record, i int) string {
	if s, ok := r.Fields()[i].(*string); ok {
		return *s
	}
	return ""
}

// testRecords checks every typed table with all of its columns.
func testRecords(t *testing.T, s store.Store) {
	for _, r := range record.Tables() {
		t.Run(r.Table().Name, func(t *testing.T) { testTable(t, s, r) })
	}
}

func testTable(t *testing.T, s store.Store, r record.Record) {
	const many = 5
	fresh := func() record.Record { return keyOnly(keyOnly(r)) }
	all := make([]record.Record, many)
	update(t, s, func(tx store.Tx) error {
		for i := range all {
			all[i] = fresh()
			fillRecord(all[i], i)
			if err := tx.Records().Write(all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	read := func(want record.Record) {
		t.Helper()
		View(t, s, func(tx store.Tx) error {
			got := keyOnly(want)
			found, err := tx.Records().Read(got)
			Same(t, "found", found, true)
			Same(t, "read", got, want)
			return err
		})
	}
	read(all[2])
	replaced := keyOnly(all[2])
	update(t, s, func(tx store.Tx) error { return tx.Records().Write(replaced) }) // every other column is empty
	read(replaced)
	scanned := func(like record.Record) (out []record.Record) {
		View(t, s, func(tx store.Tx) error {
			for got, err := range tx.Records().Scan(like, fresh) {
				if err != nil {
					return err
				}
				out = append(out, got)
			}
			return nil
		})
		return out
	}
	Same(t, "in the order of the keys", scanned(fresh()), []record.Record{all[0], all[1], replaced, all[3], all[4]})
	like := fresh()
	if first, ok := like.Fields()[0].(*string); ok {
		*first = fieldString(all[3], 0)
	}
	Same(t, "with the first column of one", scanned(like), []record.Record{all[3]})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Records().Remove(keyOnly(all[1])), tx.Records().Remove(keyOnly(all[1])))
	})
	View(t, s, func(tx store.Tx) error {
		found, err := tx.Records().Read(keyOnly(all[1]))
		Same(t, "removed", found, false)
		return err
	})
	Same(t, "those left", len(scanned(fresh())), many-1)
}

func testOddRecords(t *testing.T, s store.Store) {
	odd := []string{"a\x00", "a\x00\x01", "\xff\xfe", "\x1a~", strings.Repeat("x", 1023), strings.Repeat("x", 5000), strings.Repeat("x", 5000) + "y"}
	update(t, s, func(tx store.Tx) error {
		for _, v := range odd {
			if err := record.Put(tx, record.Invitation{Backend: v, Listing: "", Key: v, At: At(1), Refused: true}); err != nil {
				return err
			}
		}
		return nil
	})
	View(t, s, func(tx store.Tx) error {
		for _, v := range odd {
			got, found, err := record.Get(tx, record.Invitation{Backend: v, Key: v})
			if err != nil {
				return err
			}
			Same(t, fmt.Sprintf("found %.10q", v), found, true)
			Same(t, "odd strings", got, record.Invitation{Backend: v, Key: v, At: At(1), Refused: true})
			Same(t, "listed", len(List(t, record.List(tx, record.Invitation{Backend: v}))), 1)
		}
		return nil
	})
}

func testRecordsWhileListing(t *testing.T, s store.Store) {
	const many = 250
	update(t, s, func(tx store.Tx) error {
		for i := range many {
			if err := record.Put(tx, record.ShownHold{Backend: backend, ID: fmt.Sprintf("%04d", i)}); err != nil {
				return err
			}
		}
		return nil
	})
	n := 0
	update(t, s, func(tx store.Tx) error {
		n = 0
		for h, err := range record.List(tx, record.ShownHold{Backend: backend}) {
			if err != nil {
				return err
			}
			n++
			if err := record.Delete(tx, h); err != nil {
				return err
			}
		}
		return nil
	})
	Same(t, "listed", n, many)
	View(t, s, func(tx store.Tx) error {
		Same(t, "left", len(List(t, record.List(tx, record.ShownHold{}))), 0)
		return nil
	})
}

func testSweep(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		for i := range 10 {
			account := fmt.Sprint(i)
			r := record.Removal{Backend: backend, Target: "t", Account: account, Kind: record.RemovalOfRole, At: At(0), Expires: At(int64(i))}
			if err := record.Put(tx, r); err != nil {
				return err
			}
		}
		later := record.Removal{Backend: backend, Target: "t", Account: "0", Kind: record.RemovalOfRole, Expires: At(100)}
		never := record.Invitation{Backend: backend, Key: "k", At: At(0)}
		other := record.Credential{IdP: "idp", Token: "jwt", LastUse: At(0), Expires: At(2)}
		return errors.Join(record.Put(tx, later), record.Put(tx, never), record.Put(tx, other))
	})
	var sizes []int
	for range 4 {
		update(t, s, func(tx store.Tx) error {
			n, err := tx.Records().Sweep(At(5), 3)
			sizes = append(sizes, n)
			return err
		})
	}
	Same(t, "in parts", sizes, []int{3, 3, 0, 0})
	View(t, s, func(tx store.Tx) error {
		left := map[string]bool{}
		for _, r := range List(t, record.List(tx, record.Removal{Backend: backend})) {
			left[r.Account] = true
		}
		Same(t, "those left", left, map[string]bool{"0": true, "6": true, "7": true, "8": true, "9": true})
		_, there, err := record.Get(tx, record.Invitation{Backend: backend, Key: "k"})
		Same(t, "one that never expires", there, true)
		Same(t, "of another table", len(List(t, record.List(tx, record.Credential{}))), 0)
		return err
	})
}
