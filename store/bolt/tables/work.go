package tables

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// The buckets of a backend's work. A mark is found by its subject, and has its place in a queue per
// target: first what may be worked on, in the order in which it may.
const (
	workMarks    = "marks"    // target, place -> mark
	workSubjects = "subjects" // target, subject -> place
	workCounts   = "counts"   // how many in each state
	workEvents   = "events"   // event, target, subject: of the marks that refer to an event
)

// tally counts marks: in each state, and at the end the pending ones that are urgent.
type tally [4]int

const urgentPlace = 3

// add adds a mark, or with -1 removes it.
func (n *tally) add(m store.Mark, by int) {
	n[m.State] += by
	if m.Urgent && m.State == store.Pending {
		n[urgentPlace] += by
	}
}

type work struct{ *kv.Namespace }

// The parts of a target's queue.
const (
	queueUrgent byte = iota // goes first
	queueOthers
	queueHeld // waits for a decision
)

// placeLength is that of the place of a mark: its part of the queue, NotBefore (8), seq (8).
const placeLength = 17

// placeOf returns the place of a mark in the queue of its target.
func placeOf(m store.Mark) []byte {
	part := queueOthers
	switch {
	case m.State == store.Held:
		part = queueHeld
	case m.Urgent:
		part = queueUrgent
	}
	place := append(make([]byte, 0, placeLength), part)
	place = binary.BigEndian.AppendUint64(place, dueTime(m.NotBefore))
	return binary.BigEndian.AppendUint64(place, m.Seq)
}

// dueTime is a moment in a place; 0 is at once.
func dueTime(at time.Time) uint64 {
	if at.IsZero() {
		return 0
	}
	return uint64(max(at.UnixNano(), 0))
}

func markKey(m store.Mark) []byte { return append(codec.MakeKey(m.Target), placeOf(m)...) }

func subjectKey(target string, s store.Subject) []byte {
	if s.Event != 0 {
		return binary.BigEndian.AppendUint64(codec.MakeKey(target, s.IdP, s.User, s.Account), s.Event)
	}
	return codec.MakeKey(target, s.IdP, s.User, s.Account)
}

// referenceKey sorts the marks that refer to events by event, the oldest first.
func referenceKey(target string, s store.Subject) []byte {
	return append(codec.SeqKey(s.Event), codec.MakeKey(target, s.IdP, s.User, s.Account)...)
}

// refer records that a mark refers to an event. The event is kept until the mark is settled.
func (w *work) refer(target string, s store.Subject) error {
	if s.Event == 0 {
		return nil
	}
	b, err := w.Make(workEvents)
	if err != nil {
		return err
	}
	return w.Tx.Put(b, referenceKey(target, s), []byte{})
}

// EncodeMark returns the record of a mark.
func EncodeMark(key []byte, m store.Mark) []byte {
	e := codec.NewRecord(128)
	e.String(m.Target)
	e.String(m.Subject.IdP)
	e.String(m.Subject.User)
	e.String(m.Subject.Account)
	e.Uint(m.Subject.Event)
	e.Uint(m.Seq)
	e.Time(m.Since)
	e.Byte(byte(m.State))
	e.Time(m.NotBefore)
	e.String(m.Reason)
	e.Int(int64(m.Tries))
	e.Bool(m.Urgent)
	e.String(m.Origin.Initiator)
	e.String(m.Origin.Token)
	e.String(m.Origin.Request)
	e.Time(m.Origin.At)
	if m.Origin.Groups != "" { // without it the record has the form of earlier versions
		e.String(m.Origin.Groups)
	}
	return e.Seal(key)
}

// DecodeMark reads the record of a mark.
func DecodeMark(key, record []byte) (m store.Mark, err error) {
	d, err := codec.OpenRecord(key, record)
	if err != nil {
		return m, fmt.Errorf("mark: %w", err)
	}
	m.Target = d.String()
	m.Subject.IdP, m.Subject.User, m.Subject.Account = d.String(), d.String(), d.String()
	m.Subject.Event = d.Uint()
	m.Seq, m.Since = d.Uint(), d.Time()
	m.State, m.NotBefore = store.MarkState(d.Byte()), d.Time()
	m.Reason, m.Tries, m.Urgent = d.String(), int(d.Int()), d.Bool()
	m.Origin.Initiator, m.Origin.Token, m.Origin.Request, m.Origin.At = d.String(), d.String(), d.String(), d.Time()
	if d.More() {
		m.Origin.Groups = d.String()
	}
	if m.State > store.Held {
		d.Fail()
	}
	return m, d.End(key)
}

// find returns the mark of the subject; false without one.
func (w *work) find(target string, s store.Subject) (store.Mark, bool, error) {
	v := w.Get(workSubjects, subjectKey(target, s))
	if v == nil {
		return store.Mark{}, false, nil
	}
	if len(v) != placeLength {
		return store.Mark{}, false, fmt.Errorf("place of mark: %w", store.ErrDamaged)
	}
	key := append(codec.MakeKey(target), v...)
	record := w.Get(workMarks, key)
	if record == nil {
		return store.Mark{}, false, fmt.Errorf("mark without record: %w", store.ErrDamaged)
	}
	m, err := DecodeMark(key, record)
	if err == nil && (m.Target != target || m.Subject != s) {
		err = fmt.Errorf("mark of another subject: %w", store.ErrDamaged)
	}
	return m, err == nil, err
}

func (w *work) counts() (tally, error) {
	var n tally
	key := []byte(workCounts)
	record := w.Get(workCounts, key)
	if record == nil {
		return n, nil
	}
	d, err := codec.OpenRecord(key, record)
	if err != nil {
		return n, fmt.Errorf("counts of marks: %w", err)
	}
	for i := range n {
		n[i] = int(d.Uint())
	}
	return n, d.End(key)
}

// count adds to the numbers of marks.
func (w *work) count(by tally) error {
	if by == (tally{}) {
		return nil
	}
	n, err := w.counts()
	if err != nil {
		return err
	}
	for i := range n {
		if n[i] += by[i]; n[i] < 0 {
			return fmt.Errorf("counts of marks: too low: %w", store.ErrDamaged)
		}
	}
	b, err := w.Make(workCounts)
	if err != nil {
		return err
	}
	key := []byte(workCounts)
	e := codec.NewRecord(len(n) * binary.MaxVarintLen64)
	for _, v := range n {
		e.Uint(uint64(v))
	}
	return w.Tx.Put(b, key, e.Seal(key))
}

func (w *work) Touch(target string, at time.Time, by store.Origin, subjects ...store.Subject) error {
	return w.touch(target, at, by, false, subjects)
}

func (w *work) TouchUrgent(target string, at time.Time, by store.Origin, subjects ...store.Subject) error {
	return w.touch(target, at, by, true, subjects)
}

func (w *work) touch(target string, at time.Time, by store.Origin, urgent bool, subjects []store.Subject) error {
	w.Tx.Write()
	marks, err := w.Make(workMarks)
	if err != nil {
		return err
	}
	places, err := w.Make(workSubjects)
	if err != nil {
		return err
	}
	top, err := w.Tx.Top(kv.TopWork)
	if err != nil {
		return err
	}
	var more tally
	for _, s := range subjects {
		m := store.Mark{Target: target, Subject: s, Since: at, State: store.Pending, Urgent: urgent, Origin: by}
		old, found, err := w.find(target, s)
		if err != nil {
			return fmt.Errorf("touch: %w", err)
		}
		if m.Seq, err = w.Tx.Next(top); err != nil { // the numbers are store-wide
			return err
		}
		if found {
			m.Since, m.Urgent, m.Origin = old.Since, urgent || old.Urgent, by.OrElse(old.Origin)
			more.add(old, -1)
			if err := w.tallyMark(old, -1); err != nil {
				return err
			}
			if err := w.Tx.Del(marks, markKey(old)); err != nil {
				return err
			}
		}
		more.add(m, 1)
		if err := w.tallyMark(m, 1); err != nil {
			return err
		}
		if err := w.put(marks, places, m); err != nil {
			return err
		}
		if err := w.refer(target, s); err != nil {
			return err
		}
	}
	return w.count(more)
}

// put stores a mark in its place.
func (w *work) put(marks, places *bbolt.Bucket, m store.Mark) error {
	key := markKey(m)
	if err := w.Tx.Put(marks, key, EncodeMark(key, m)); err != nil {
		return err
	}
	return w.Tx.Put(places, subjectKey(m.Target, m.Subject), placeOf(m))
}

func (w *work) Marks(target string) iter.Seq2[store.Mark, error] {
	return func(yield func(store.Mark, error) bool) {
		var prefix []byte
		if target != "" {
			prefix = codec.MakeKey(target)
		}
		for k, v := range w.Tx.Scan(w.Bucket(workMarks), prefix, 0) {
			m, err := DecodeMark(k, v)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

func (w *work) Mark(target string, s store.Subject) (store.Mark, error) {
	m, found, err := w.find(target, s)
	if err == nil && !found {
		err = fmt.Errorf("mark on %q: %w", target, store.ErrNotFound)
	}
	return m, err
}

func (w *work) Settle(m store.Mark) (bool, error) {
	w.Tx.Write()
	cur, found, err := w.find(m.Target, m.Subject)
	if err != nil || !found || cur.Seq != m.Seq {
		return false, err
	}
	if err := w.Tx.Del(w.Bucket(workMarks), markKey(cur)); err != nil {
		return false, err
	}
	if err := w.Tx.Del(w.Bucket(workSubjects), subjectKey(m.Target, m.Subject)); err != nil {
		return false, err
	}
	if m.Subject.Event != 0 {
		if err := w.Tx.Del(w.Bucket(workEvents), referenceKey(m.Target, m.Subject)); err != nil {
			return false, err
		}
	}
	var by tally
	by.add(cur, -1)
	if err := w.tallyMark(cur, -1); err != nil {
		return false, err
	}
	return true, w.count(by)
}

func (w *work) Park(m store.Mark) (bool, error) {
	w.Tx.Write()
	if m.State > store.Held {
		return false, fmt.Errorf("park: no state %d", m.State)
	}
	cur, found, err := w.find(m.Target, m.Subject)
	if err != nil || !found || cur.Seq != m.Seq {
		return false, err
	}
	var by tally
	by.add(cur, -1)
	if err := w.tallyMark(cur, -1); err != nil {
		return false, err
	}
	if err := w.Tx.Del(w.Bucket(workMarks), markKey(cur)); err != nil {
		return false, err
	}
	cur.State, cur.NotBefore, cur.Reason, cur.Tries = m.State, m.NotBefore, m.Reason, m.Tries
	if err := w.put(w.Bucket(workMarks), w.Bucket(workSubjects), cur); err != nil {
		return false, err
	}
	by.add(cur, 1)
	if err := w.tallyMark(cur, 1); err != nil {
		return false, err
	}
	return true, w.count(by)
}

func (w *work) Counts() (pending, blocked, held int) {
	n, err := w.counts()
	if err != nil {
		w.Tx.Fail(err)
	}
	return n[store.Pending], n[store.Blocked], n[store.Held]
}

func (w *work) Urgent() int {
	n, err := w.counts()
	if err != nil {
		w.Tx.Fail(err)
	}
	return n[urgentPlace]
}
