package bolt

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// The buckets of a backend's work. A mark has its place by target and sequence number, so that a target's marks
// are read oldest first, and is found by its subject.
const (
	workMarks    = "marks"    // target, seq -> mark
	workSubjects = "subjects" // target, subject -> seq
	workCounts   = "counts"   // how many in each state
	workEvents   = "events"   // event, target, subject: of the marks that refer to an event
)

// tally counts marks: in each state, and at the end the pending ones that are urgent.
type tally [4]int

const urgentPlace = 3

// add counts a mark, or with -1 no longer.
func (n *tally) add(m store.Mark, by int) {
	n[m.State] += by
	if m.Urgent && m.State == store.Pending {
		n[urgentPlace] += by
	}
}

type work struct{ *space }

func markKey(target string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(makeKey(target), seq)
}

func subjectKey(target string, s store.Subject) []byte {
	if s.Event != 0 {
		return binary.BigEndian.AppendUint64(makeKey(target, s.IdP, s.User, s.Account), s.Event)
	}
	return makeKey(target, s.IdP, s.User, s.Account)
}

// referenceKey is that of a mark among those that refer to an event: the oldest is the first.
func referenceKey(target string, s store.Subject) []byte {
	return append(seqKey(s.Event), makeKey(target, s.IdP, s.User, s.Account)...)
}

// refer notes that a mark refers to an event, which is not forgotten before the mark is settled.
func (w *work) refer(target string, s store.Subject) error {
	if s.Event == 0 {
		return nil
	}
	b, err := w.make(workEvents)
	if err != nil {
		return err
	}
	return w.tx.put(b, referenceKey(target, s), []byte{})
}

func encodeMark(key []byte, m store.Mark) []byte {
	e := newRecord(128)
	e.string(m.Target)
	e.string(m.Subject.IdP)
	e.string(m.Subject.User)
	e.string(m.Subject.Account)
	e.uint(m.Subject.Event)
	e.uint(m.Seq)
	e.time(m.Since)
	e.byte(byte(m.State))
	e.time(m.NotBefore)
	e.string(m.Reason)
	e.int(int64(m.Tries))
	e.bool(m.Urgent)
	e.string(m.Origin.Initiator)
	e.string(m.Origin.Token)
	e.string(m.Origin.Request)
	e.time(m.Origin.At)
	return e.seal(key)
}

func decodeMark(key, record []byte) (m store.Mark, err error) {
	d, err := openRecord(key, record)
	if err != nil {
		return m, fmt.Errorf("mark: %w", err)
	}
	m.Target = d.string()
	m.Subject.IdP, m.Subject.User, m.Subject.Account = d.string(), d.string(), d.string()
	m.Subject.Event = d.uint()
	m.Seq, m.Since = d.uint(), d.time()
	m.State, m.NotBefore = store.MarkState(d.byte()), d.time()
	m.Reason, m.Tries, m.Urgent = d.string(), int(d.int()), d.bool()
	m.Origin.Initiator, m.Origin.Token, m.Origin.Request, m.Origin.At = d.string(), d.string(), d.string(), d.time()
	if m.State > store.Held {
		d.fail()
	}
	return m, d.end(key)
}

// find gives the mark of the subject and false if there is none.
func (w *work) find(target string, s store.Subject) (store.Mark, bool, error) {
	v := w.get(workSubjects, subjectKey(target, s))
	if v == nil {
		return store.Mark{}, false, nil
	}
	if len(v) != 8 {
		return store.Mark{}, false, fmt.Errorf("place of mark: %w", store.ErrDamaged)
	}
	key := markKey(target, binary.BigEndian.Uint64(v))
	record := w.get(workMarks, key)
	if record == nil {
		return store.Mark{}, false, fmt.Errorf("mark without record: %w", store.ErrDamaged)
	}
	m, err := decodeMark(key, record)
	if err == nil && (m.Target != target || m.Subject != s) {
		err = fmt.Errorf("mark of somebody else: %w", store.ErrDamaged)
	}
	return m, err == nil, err
}

func (w *work) counts() (tally, error) {
	var n tally
	key := []byte(workCounts)
	record := w.get(workCounts, key)
	if record == nil {
		return n, nil
	}
	d, err := openRecord(key, record)
	if err != nil {
		return n, fmt.Errorf("counts of marks: %w", err)
	}
	for i := range n {
		n[i] = int(d.uint())
	}
	return n, d.end(key)
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
	b, err := w.make(workCounts)
	if err != nil {
		return err
	}
	key := []byte(workCounts)
	e := newRecord(len(n) * binary.MaxVarintLen64)
	for _, v := range n {
		e.uint(uint64(v))
	}
	return w.tx.put(b, key, e.seal(key))
}

func (w *work) Touch(target string, at time.Time, by store.Origin, subjects ...store.Subject) error {
	return w.touch(target, at, by, false, subjects)
}

func (w *work) TouchUrgent(target string, at time.Time, by store.Origin, subjects ...store.Subject) error {
	return w.touch(target, at, by, true, subjects)
}

func (w *work) touch(target string, at time.Time, by store.Origin, urgent bool, subjects []store.Subject) error {
	w.tx.write()
	marks, err := w.make(workMarks)
	if err != nil {
		return err
	}
	places, err := w.make(workSubjects)
	if err != nil {
		return err
	}
	top, err := w.tx.top(topWork)
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
		if m.Seq, err = w.tx.next(top); err != nil { // of the top: the numbers are store-wide
			return err
		}
		if found {
			m.Since, m.Urgent, m.Origin = old.Since, urgent || old.Urgent, by.OrElse(old.Origin)
			more.add(old, -1)
			if err := w.tx.del(marks, markKey(target, old.Seq)); err != nil {
				return err
			}
		}
		more.add(m, 1)
		key := markKey(target, m.Seq)
		if err := w.tx.put(marks, key, encodeMark(key, m)); err != nil {
			return err
		}
		if err := w.tx.put(places, subjectKey(target, s), seqKey(m.Seq)); err != nil {
			return err
		}
		if err := w.refer(target, s); err != nil {
			return err
		}
	}
	return w.count(more)
}

func (w *work) Marks(target string) iter.Seq2[store.Mark, error] {
	return func(yield func(store.Mark, error) bool) {
		var prefix []byte
		if target != "" {
			prefix = makeKey(target)
		}
		for k, v := range w.tx.scan(w.bucket(workMarks), prefix, 0) {
			m, err := decodeMark(k, v)
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
	w.tx.write()
	cur, found, err := w.find(m.Target, m.Subject)
	if err != nil || !found || cur.Seq != m.Seq {
		return false, err
	}
	if err := w.tx.del(w.bucket(workMarks), markKey(m.Target, m.Seq)); err != nil {
		return false, err
	}
	if err := w.tx.del(w.bucket(workSubjects), subjectKey(m.Target, m.Subject)); err != nil {
		return false, err
	}
	if m.Subject.Event != 0 {
		if err := w.tx.del(w.bucket(workEvents), referenceKey(m.Target, m.Subject)); err != nil {
			return false, err
		}
	}
	var by tally
	by.add(cur, -1)
	return true, w.count(by)
}

func (w *work) Park(m store.Mark) (bool, error) {
	w.tx.write()
	if m.State > store.Held {
		return false, fmt.Errorf("park: no state %d", m.State)
	}
	cur, found, err := w.find(m.Target, m.Subject)
	if err != nil || !found || cur.Seq != m.Seq {
		return false, err
	}
	var by tally
	by.add(cur, -1)
	cur.State, cur.NotBefore, cur.Reason, cur.Tries = m.State, m.NotBefore, m.Reason, m.Tries
	key := markKey(m.Target, m.Seq)
	if err := w.tx.put(w.bucket(workMarks), key, encodeMark(key, cur)); err != nil {
		return false, err
	}
	by.add(cur, 1)
	return true, w.count(by)
}

func (w *work) Counts() (pending, blocked, held int) {
	n, err := w.counts()
	if err != nil {
		w.tx.fail(err)
	}
	return n[store.Pending], n[store.Blocked], n[store.Held]
}

func (w *work) Urgent() int {
	n, err := w.counts()
	if err != nil {
		w.tx.fail(err)
	}
	return n[urgentPlace]
}

// Due looks through the marks: in a file that one process has open nobody asks often.
func (w *work) Due(at time.Time) (bool, error) {
	for m, err := range w.Marks("") {
		if err != nil {
			return false, err
		}
		if m.State != store.Held && !m.NotBefore.After(at) {
			return true, nil
		}
	}
	return false, nil
}
