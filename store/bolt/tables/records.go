package tables

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/record"
)

const (
	topRecords  = "records"  // table -> its key -> its columns
	topExpiries = "expiries" // time, table, key of a record that expires -> nothing
)

type records struct{ tx *kv.Tx }

// Records implements store.Tx.
func (t Tx) Records() record.Records { return records{t.Tx} }

// recordKey returns the key of the first columns of a record.
func recordKey(r record.Record, columns int) []byte {
	var key []byte
	for _, f := range r.Fields()[:columns] {
		if s, ok := f.(*string); ok {
			key = codec.AppendKey(key, *s)
		}
	}
	return key
}

// encodeRecord writes all columns, also those of the key, where a long one is shortened.
func encodeRecord(key []byte, r record.Record) []byte {
	e := codec.NewRecord(128)
	for _, f := range r.Fields() {
		switch f := f.(type) {
		case *string:
			e.String(*f)
		case *time.Time:
			e.Time(*f)
		case *bool:
			e.Bool(*f)
		case *int64:
			e.Int(*f)
		}
	}
	return e.Seal(key)
}

// decodeRecord fills in a record. Columns that a later version added are zero.
func decodeRecord(key, raw []byte, r record.Record) error {
	d, err := codec.OpenRecord(key, raw)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Table().Name, err)
	}
	for _, f := range r.Fields() {
		there := d.More()
		switch f := f.(type) {
		case *string:
			if *f = ""; there {
				*f = d.String()
			}
		case *time.Time:
			if *f = (time.Time{}); there {
				*f = d.Time()
			}
		case *bool:
			if *f = false; there {
				*f = d.Bool()
			}
		case *int64:
			if *f = 0; there {
				*f = d.Int()
			}
		}
	}
	return d.End(key)
}

func (rs records) bucket(table string) *bbolt.Bucket {
	top := rs.tx.Btx.Bucket([]byte(topRecords))
	if top == nil {
		return nil
	}
	return top.Bucket([]byte(table))
}

func (rs records) make(table string) (*bbolt.Bucket, error) {
	if b := rs.bucket(table); b != nil {
		return b, nil
	}
	top, err := rs.tx.Top(topRecords)
	if err != nil {
		return nil, err
	}
	rs.tx.Writes++
	b, err := top.CreateBucket([]byte(table))
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", table, err)
	}
	return b, nil
}

func (rs records) Read(r record.Record) (bool, error) {
	t := r.Table()
	key := recordKey(r, t.Key)
	raw := kv.Get(rs.bucket(t.Name), key)
	if raw == nil {
		return false, nil
	}
	err := decodeRecord(key, raw, r)
	return err == nil, err
}

// expiry returns when a record expires; zero: never.
func expiry(r record.Record) time.Time {
	if !r.Table().Expires {
		return time.Time{}
	}
	fields := r.Fields()
	at, ok := fields[len(fields)-1].(*time.Time)
	if !ok {
		return time.Time{}
	}
	return *at
}

// expiryKey sorts by time. A time before 1970 counts as 1970.
func expiryKey(at time.Time, table string, key []byte) []byte {
	return append(codec.AppendKey(binary.BigEndian.AppendUint64(nil, uint64(max(at.UnixMilli(), 0))), table), key...)
}

// forgetExpiry removes the expiry of the current record under a key.
func (rs records) forgetExpiry(b *bbolt.Bucket, table string, key []byte) error {
	raw := kv.Get(b, key)
	if raw == nil {
		return nil
	}
	before, ok := emptyRecord(table)
	if !ok {
		return fmt.Errorf("no table %q", table)
	}
	if err := decodeRecord(key, raw, before); err != nil {
		return err
	}
	at := expiry(before)
	if at.IsZero() {
		return nil
	}
	return rs.tx.Del(rs.tx.Btx.Bucket([]byte(topExpiries)), expiryKey(at, table, key))
}

// emptyRecord returns a record of the table.
func emptyRecord(table string) (record.Record, bool) {
	for _, r := range record.Tables() {
		if r.Table().Name == table {
			return r, true
		}
	}
	return nil, false
}

func (rs records) Write(r record.Record) error {
	rs.tx.Write()
	t := r.Table()
	b, err := rs.make(t.Name)
	if err != nil {
		return err
	}
	key := recordKey(r, t.Key)
	if t.Expires {
		if err := rs.forgetExpiry(b, t.Name, key); err != nil {
			return err
		}
		if at := expiry(r); !at.IsZero() {
			expiries, err := rs.tx.Top(topExpiries)
			if err != nil {
				return err
			}
			if err := rs.tx.Put(expiries, expiryKey(at, t.Name, key), []byte{}); err != nil {
				return err
			}
		}
	}
	if err := rs.recountHeld(b, key, r); err != nil {
		return err
	}
	return rs.tx.Put(b, key, encodeRecord(key, r))
}

func (rs records) Remove(r record.Record) error {
	rs.tx.Write()
	t := r.Table()
	return rs.remove(t, recordKey(r, t.Key))
}

func (rs records) remove(t record.Table, key []byte) error {
	b := rs.bucket(t.Name)
	if kv.Get(b, key) == nil {
		return nil
	}
	if t.Expires {
		if err := rs.forgetExpiry(b, t.Name, key); err != nil {
			return err
		}
	}
	if like, ok := emptyRecord(t.Name); ok {
		if err := rs.recountHeld(b, key, like); err != nil {
			return err
		}
	}
	return rs.tx.Del(b, key)
}

// recountHeld counts a held off-boarding in place of the previous one under its key; either may be empty.
func (rs records) recountHeld(b *bbolt.Bucket, key []byte, r record.Record) error {
	after, is := r.(*record.HeldOffboarding)
	if !is {
		return nil
	}
	if raw := kv.Get(b, key); raw != nil {
		var before record.HeldOffboarding
		if err := decodeRecord(key, raw, &before); err != nil {
			return err
		}
		if err := rs.tallyHeld(before, -1); err != nil {
			return err
		}
	}
	if *after == (record.HeldOffboarding{}) {
		return nil
	}
	return rs.tallyHeld(*after, 1)
}

// prefixOf counts the key columns of a record before its first empty one.
func prefixOf(r record.Record) int {
	n := r.Table().Key
	for i, f := range r.Fields()[:n] {
		if s, ok := f.(*string); ok && *s == "" {
			return i
		}
	}
	return n
}

func (rs records) Scan(like record.Record, fresh func() record.Record) iter.Seq2[record.Record, error] {
	prefix := recordKey(like, prefixOf(like))
	return func(yield func(record.Record, error) bool) {
		for k, v := range rs.tx.Scan(rs.bucket(like.Table().Name), prefix, 0) {
			r := fresh()
			err := decodeRecord(k, v, r)
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Sweep removes the records that expired first.
func (rs records) Sweep(now time.Time, most int) (removed int, err error) {
	rs.tx.Write()
	for k := range rs.tx.Scan(rs.tx.Btx.Bucket([]byte(topExpiries)), nil, 0) {
		if removed == most || len(k) < 8 || int64(binary.BigEndian.Uint64(k)) > now.UnixMilli() {
			break
		}
		for _, r := range record.Tables() {
			t := r.Table()
			key, ok := cutKey(k[8:], t.Name)
			if !ok {
				continue
			}
			if err := rs.remove(t, key); err != nil {
				return removed, fmt.Errorf("sweep %s: %w", t.Name, err)
			}
			removed++
		}
	}
	return removed, nil
}

// cutKey returns what follows the first part of a key, if the part is this one.
func cutKey(key []byte, part string) (rest []byte, ok bool) {
	first := codec.MakeKey(part)
	if len(key) < len(first) || string(key[:len(first)]) != string(first) {
		return nil, false
	}
	return append([]byte(nil), key[len(first):]...), true
}
