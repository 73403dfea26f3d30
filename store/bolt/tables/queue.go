package tables

import (
	"encoding/binary"
	"iter"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// Due implements store.Work. It looks once at each target.
func (w *work) Due(at time.Time) (bool, error) {
	for waiting, err := range w.Waiting(at, 1) {
		if err != nil || waiting.Ready > 0 {
			return err == nil, err
		}
	}
	return false, nil
}

// Waiting implements store.Work.
func (w *work) Waiting(at time.Time, most int) iter.Seq2[store.Waiting, error] {
	return func(yield func(store.Waiting, error) bool) {
		var start []byte
		for {
			target, err := w.nextTarget(start)
			if err != nil {
				yield(store.Waiting{}, err)
			}
			if err != nil || target == nil {
				return
			}
			start = beyondTarget(*target)
			waiting, err := w.waitingOn(*target, at, most)
			if err == nil && waiting.Ready == 0 && waiting.Next.IsZero() {
				continue // all of it is held
			}
			if !yield(waiting, err) || err != nil {
				return
			}
		}
	}
}

// nextTarget returns the first target with marks from a key on; nil if there is none.
func (w *work) nextTarget(start []byte) (*string, error) {
	for k, v := range w.Tx.ScanFrom(w.Bucket(workMarks), start, nil, 0) {
		m, err := DecodeMark(k, v)
		return &m.Target, err
	}
	return nil, nil
}

// beyondTarget is before the keys of every target after this one, and after its own.
func beyondTarget(target string) []byte {
	return append(codec.MakeKey(target), 0xff)
}

// waitingOn sums up what waits on a target.
func (w *work) waitingOn(target string, at time.Time, most int) (store.Waiting, error) {
	out := store.Waiting{Target: target}
	for m, err := range w.Ready(target, at, false) {
		if err != nil {
			return out, err
		}
		if out.Ready >= most {
			break
		}
		out.Add(m)
	}
	for _, part := range []byte{queueUrgent, queueOthers} {
		prefix := append(codec.MakeKey(target), part)
		start := binary.BigEndian.AppendUint64(slices.Clip(prefix), dueTime(at)+1)
		for k, v := range w.Tx.ScanFrom(w.Bucket(workMarks), start, prefix, 0) {
			m, err := DecodeMark(k, v)
			if err != nil {
				return out, err
			}
			if out.Next.IsZero() || m.NotBefore.Before(out.Next) {
				out.Next = m.NotBefore
			}
			break
		}
	}
	return out, nil
}

// Ready implements store.Work.
func (w *work) Ready(target string, at time.Time, urgent bool) iter.Seq2[store.Mark, error] {
	return func(yield func(store.Mark, error) bool) {
		parts := []byte{queueUrgent, queueOthers}
		if urgent {
			parts = parts[:1]
		}
		for _, part := range parts {
			for m, err := range w.part(target, part) {
				if err == nil && m.NotBefore.After(at) {
					break
				}
				if !yield(m, err) || err != nil {
					return
				}
			}
		}
	}
}

// part reads one part of the queue of a target.
func (w *work) part(target string, part byte) iter.Seq2[store.Mark, error] {
	return func(yield func(store.Mark, error) bool) {
		for k, v := range w.Tx.Scan(w.Bucket(workMarks), append(codec.MakeKey(target), part), 0) {
			m, err := DecodeMark(k, v)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Requeue puts every mark into the queue of its target. Before, a mark had the place of its number.
func (t Tx) Requeue() error {
	for _, name := range t.Backends() {
		w := &work{t.Namespace(kv.TopWork, name)}
		var marks []store.Mark
		for m, err := range w.Marks("") {
			if err != nil {
				return err
			}
			marks = append(marks, m)
		}
		for _, of := range []string{workMarks, workSubjects} {
			if err := w.Forget(of); err != nil {
				return err
			}
		}
		if len(marks) == 0 {
			continue
		}
		queue, err := w.Make(workMarks)
		if err != nil {
			return err
		}
		places, err := w.Make(workSubjects)
		if err != nil {
			return err
		}
		for _, m := range marks {
			if err := w.put(queue, places, m); err != nil {
				return err
			}
		}
	}
	return nil
}
