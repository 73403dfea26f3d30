package kv

import (
	"bytes"
	"encoding/binary"
	"iter"

	"go.etcd.io/bbolt"
)

// Scan yields the keys with a prefix, in order, after the first skip of them. The bucket may be changed
// meanwhile: bbolt's cursor then loses its place, and Scan seeks it again.
func (t *Tx) Scan(b *bbolt.Bucket, prefix []byte, skip int) iter.Seq2[[]byte, []byte] {
	return t.ScanFrom(b, prefix, prefix, skip)
}

// ScanFrom is Scan that starts at a key with the prefix.
func (t *Tx) ScanFrom(b *bbolt.Bucket, start, prefix []byte, skip int) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		if b == nil {
			return
		}
		c := b.Cursor()
		k, v := c.Seek(start)
		for ; skip > 0 && k != nil; skip-- {
			k, v = c.Next()
		}
		for k != nil && bytes.HasPrefix(k, prefix) {
			before := t.Writes
			if !yield(k, v) {
				return
			}
			if t.Writes == before {
				k, v = c.Next()
				continue
			}
			last := k
			if k, v = c.Seek(last); bytes.Equal(k, last) {
				k, v = c.Next()
			}
		}
	}
}

// Walk yields a whole bucket in either direction, from beyond a key (nil: from its end), after the first skip
// keys. Like Scan it allows changes meanwhile.
func (t *Tx) Walk(b *bbolt.Bucket, after []byte, skip int, descending bool) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		if b == nil {
			return
		}
		c := b.Cursor()
		step := c.Next
		if descending {
			step = c.Prev
		}
		k, v := beyond(c, after, descending)
		for ; skip > 0 && k != nil; skip-- {
			k, v = step()
		}
		for k != nil {
			before := t.Writes
			if !yield(k, v) {
				return
			}
			if t.Writes == before {
				k, v = step()
			} else {
				k, v = beyond(c, k, descending)
			}
		}
	}
}

// beyond places a cursor on the next key after one that need not exist.
func beyond(c *bbolt.Cursor, after []byte, descending bool) (k, v []byte) {
	switch {
	case after == nil && descending:
		return c.Last()
	case after == nil:
		return c.First()
	}
	k, v = c.Seek(after)
	switch {
	case descending && k == nil:
		return c.Last()
	case descending:
		return c.Prev()
	case bytes.Equal(k, after):
		return c.Next()
	}
	return k, v
}

// SeekCursor reads keys that are numbers, in order: most of the time the next one is near the last.
type SeekCursor struct {
	Tx     *Tx
	Bucket *bbolt.Bucket
	Width  int // bytes of a key: 4 or 8
	cursor *bbolt.Cursor
	at     uint64
	value  []byte
	ended  bool
	writes int
}

// Near is the number of steps beyond which a new search is cheaper.
const Near = 8

// Get returns the value of a key; nil if there is none.
func (f *SeekCursor) Get(key uint64) []byte {
	if f.Bucket == nil {
		return nil
	}
	if f.cursor == nil {
		f.cursor = f.Bucket.Cursor()
	} else if f.writes == f.Tx.Writes {
		for i := 0; i < Near && !f.ended && f.at < key; i++ {
			f.stand(f.cursor.Next())
		}
		if !f.ended && f.at == key {
			return f.value
		}
	}
	f.writes = f.Tx.Writes
	if f.stand(f.cursor.Seek(f.encode(key))); f.ended || f.at != key {
		return nil
	}
	return f.value
}

func (f *SeekCursor) encode(key uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, key)[8-f.Width:]
}

// stand records the position of the cursor. A key of another length is no number.
func (f *SeekCursor) stand(k, v []byte) {
	f.value, f.ended = v, len(k) != f.Width
	switch len(k) {
	case 4:
		f.at = uint64(binary.BigEndian.Uint32(k))
	case 8:
		f.at = binary.BigEndian.Uint64(k)
	}
}
