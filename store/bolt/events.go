package bolt

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"

	"github.com/scimbridge/scimbridge/store"
)

type events struct{ tx *tx }

// How an event names members and its subject: by number in the directory, which costs a byte or two where the
// string costs 37, or in full when the directory never heard of one.
const (
	refNone = iota
	refNumbers
	refStrings
)

func (e *events) directory(idp string) *directory { return &directory{e.tx.space(topDirectories, idp)} }

// Append stores the event under the next number. Numbers start at 1, so that Since(0) is everything.
func (e *events) Append(ev store.Event) (uint64, error) {
	e.tx.write()
	b, err := e.tx.top(topEvents)
	if err != nil {
		return 0, err
	}
	if ev.Seq, err = e.tx.next(b); err != nil {
		return 0, err
	}
	if j := e.tx.job; j != nil && j.surveying() { // it may name a million members, and is not to stay
		return ev.Seq, nil
	}
	key := seqKey(ev.Seq)
	record, err := encodeEvent(key, ev, e.directory(ev.IdP).numbers())
	if err != nil {
		return 0, fmt.Errorf("append event: %w", err)
	}
	return ev.Seq, e.tx.put(b, key, record)
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
		name := func(idp string, n number) (string, error) { return e.directory(idp).name(n) }
		for k, v := range e.tx.scanFrom(e.tx.btx.Bucket([]byte(topEvents)), seqKey(seq+1), nil, 0) {
			ev, err := decodeEvent(k, v, name)
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

// encodeEvent needs to know the numbers of ids; false for those without one.
func encodeEvent(key []byte, ev store.Event, numberOf func(string) (number, bool, error)) ([]byte, error) {
	r := newRecord(160 + len(ev.Before) + len(ev.After) + 2*(len(ev.Added)+len(ev.Removed)))
	r.time(ev.At)
	for _, s := range texts(&ev) {
		r.string(*s)
	}
	r.uint(uint64(len(ev.Causes)))
	for _, s := range ev.Causes {
		r.string(s)
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
	return r.seal(key), nil
}

// encodeRefs writes ids as differences of their numbers, in the order given: members that were created one
// after the other cost a byte each.
func encodeRefs(r *encoder, ids []string, numberOf func(string) (number, bool, error)) error {
	if len(ids) == 0 {
		r.byte(refNone)
		return nil
	}
	numbers := make([]number, len(ids))
	for i, id := range ids {
		n, ok, err := numberOf(id)
		if err != nil {
			return err
		}
		if !ok {
			r.byte(refStrings)
			r.uint(uint64(len(ids)))
			for _, id := range ids {
				r.string(id)
			}
			return nil
		}
		numbers[i] = n
	}
	r.byte(refNumbers)
	r.uint(uint64(len(ids)))
	last := int64(0)
	for _, n := range numbers {
		r.int(int64(n) - last)
		last = int64(n)
	}
	return nil
}

// decodeEvent needs the names of a directory, which it asks for by identity provider.
func decodeEvent(key, record []byte, name func(idp string, n number) (string, error)) (ev store.Event, err error) {
	d, err := openRecord(key, record)
	if err != nil {
		return ev, fmt.Errorf("event: %w", err)
	}
	if len(key) != 8 {
		return ev, fmt.Errorf("event: key of %d bytes: %w", len(key), store.ErrDamaged)
	}
	ev.Seq, ev.At = binary.BigEndian.Uint64(key), d.time()
	for _, s := range texts(&ev) {
		*s = d.string()
	}
	if n := d.length(); n > 0 {
		ev.Causes = make([]string, n)
	}
	for i := range ev.Causes {
		ev.Causes[i] = d.string()
	}
	var subject []string
	for _, ids := range []*[]string{&subject, &ev.Added, &ev.Removed} {
		if *ids, err = decodeRefs(d, func(n number) (string, error) { return name(ev.IdP, n) }); err != nil {
			return ev, fmt.Errorf("event %d: %w", ev.Seq, err)
		}
	}
	if len(subject) > 0 {
		ev.Subject = subject[0]
	}
	return ev, d.end(key)
}

func decodeRefs(d *decoder, name func(number) (string, error)) ([]string, error) {
	kind := d.byte()
	if kind == refNone {
		return nil, nil
	}
	ids := make([]string, d.length())
	last := int64(0)
	for i := range ids {
		switch kind {
		case refStrings:
			ids[i] = d.string()
		case refNumbers:
			last += d.int()
			if d.bad || last < 0 || last > math.MaxUint32 {
				d.fail()
				return nil, nil
			}
			var err error
			if ids[i], err = name(number(last)); err != nil {
				return nil, err
			}
		default:
			d.fail()
			return nil, nil
		}
	}
	return ids, nil
}
