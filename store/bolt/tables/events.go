package tables

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/directory"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

type events struct{ tx *kv.Tx }

// An event names members and its subject by number in the directory, which costs a byte or two instead of the
// 37 of the string, or in full if the directory has no number for it.
const (
	refNone = iota
	refNumbers
	refStrings
)

func (e *events) directory(idp string) *directory.Directory {
	return directory.Open(e.tx.Namespace(kv.TopDirectories, idp))
}

// Append stores the event under the next number. Numbers start at 1, so that Since(0) is everything.
func (e *events) Append(ev store.Event) (uint64, error) {
	e.tx.Write()
	b, err := e.tx.Top(kv.TopEvents)
	if err != nil {
		return 0, err
	}
	if ev.Seq, err = e.tx.Next(b); err != nil {
		return 0, err
	}
	if p := e.tx.Plan; p != nil && p.Surveying() { // it may name a million members, and the survey is rolled back
		return ev.Seq, nil
	}
	key := codec.SeqKey(ev.Seq)
	record, err := EncodeEvent(key, ev, e.directory(ev.IdP).Numbers())
	if err != nil {
		return 0, fmt.Errorf("append event: %w", err)
	}
	return ev.Seq, e.tx.Put(b, key, record)
}

func (e *events) Event(seq uint64) (store.Event, error) {
	for ev, err := range e.Since(seq - 1) {
		if err != nil || ev.Seq == seq {
			return ev, err
		}
		break
	}
	return store.Event{}, fmt.Errorf("event %d: %w", seq, store.ErrNotFound)
}

func (e *events) Since(seq uint64) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		if seq == math.MaxUint64 {
			return
		}
		name := func(idp string, n codec.Number) (string, error) { return e.directory(idp).Name(n) }
		for k, v := range e.tx.ScanFrom(e.tx.Btx.Bucket([]byte(kv.TopEvents)), codec.SeqKey(seq+1), nil, 0) {
			ev, err := DecodeEvent(k, v, name)
			if !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// texts lists the strings of an event in the order in which they are stored.
func texts(ev *store.Event) []*string {
	return []*string{&ev.Type, &ev.Actor, &ev.Initiator, &ev.Token, &ev.Request, &ev.IdP, &ev.Name, &ev.Before, &ev.After,
		&ev.Backend, &ev.Target, &ev.Account, &ev.Role, &ev.Evidence, &ev.Detail}
}

// EncodeEvent returns the record of an event. numberOf returns the number of an id; false without one.
func EncodeEvent(key []byte, ev store.Event, numberOf func(string) (codec.Number, bool, error)) ([]byte, error) {
	r := codec.NewRecord(160 + len(ev.Before) + len(ev.After) + 2*(len(ev.Added)+len(ev.Removed)))
	r.Time(ev.At)
	for _, s := range texts(&ev) {
		r.String(*s)
	}
	r.Uint(uint64(len(ev.Causes)))
	for _, s := range ev.Causes {
		r.String(s)
	}
	var subject []string
	if ev.Subject != "" {
		subject = []string{ev.Subject}
	}
	for _, ids := range [][]string{subject, ev.Added, ev.Removed} {
		if err := encodeRefs(r, ids, numberOf); err != nil {
			return nil, err
		}
	}
	if ev.Reason != "" { // older records end here
		r.String(ev.Reason)
	}
	return r.Seal(key), nil
}

// encodeRefs writes ids as differences of their numbers, in their order: members that were created one after
// another cost a byte each.
func encodeRefs(r *codec.Encoder, ids []string, numberOf func(string) (codec.Number, bool, error)) error {
	if len(ids) == 0 {
		r.Byte(refNone)
		return nil
	}
	numbers := make([]codec.Number, len(ids))
	for i, id := range ids {
		n, ok, err := numberOf(id)
		if err != nil {
			return err
		}
		if !ok {
			r.Byte(refStrings)
			r.Uint(uint64(len(ids)))
			for _, id := range ids {
				r.String(id)
			}
			return nil
		}
		numbers[i] = n
	}
	r.Byte(refNumbers)
	r.Uint(uint64(len(ids)))
	last := int64(0)
	for _, n := range numbers {
		r.Int(int64(n) - last)
		last = int64(n)
	}
	return nil
}

// DecodeEvent reads the record of an event. name returns the id of a number in a directory.
func DecodeEvent(key, record []byte, name func(idp string, n codec.Number) (string, error)) (ev store.Event, err error) {
	d, err := codec.OpenRecord(key, record)
	if err != nil {
		return ev, fmt.Errorf("event: %w", err)
	}
	if len(key) != 8 {
		return ev, fmt.Errorf("event: key of %d bytes: %w", len(key), store.ErrDamaged)
	}
	ev.Seq, ev.At = binary.BigEndian.Uint64(key), d.Time()
	for _, s := range texts(&ev) {
		*s = d.String()
	}
	if n := d.Length(); n > 0 {
		ev.Causes = make([]string, n)
	}
	for i := range ev.Causes {
		ev.Causes[i] = d.String()
	}
	var subject []string
	for _, ids := range []*[]string{&subject, &ev.Added, &ev.Removed} {
		if *ids, err = decodeRefs(d, func(n codec.Number) (string, error) { return name(ev.IdP, n) }); err != nil {
			return ev, fmt.Errorf("event %d: %w", ev.Seq, err)
		}
	}
	if len(subject) > 0 {
		ev.Subject = subject[0]
	}
	if d.More() {
		ev.Reason = d.String()
	}
	return ev, d.End(key)
}

func decodeRefs(d *codec.Decoder, name func(codec.Number) (string, error)) ([]string, error) {
	kind := d.Byte()
	if kind == refNone {
		return nil, nil
	}
	ids := make([]string, d.Length())
	last := int64(0)
	for i := range ids {
		switch kind {
		case refStrings:
			ids[i] = d.String()
		case refNumbers:
			last += d.Int()
			if d.Bad || last < 0 || last > math.MaxUint32 {
				d.Fail()
				return nil, nil
			}
			var err error
			if ids[i], err = name(codec.Number(last)); err != nil {
				return nil, err
			}
		default:
			d.Fail()
			return nil, nil
		}
	}
	return ids, nil
}
