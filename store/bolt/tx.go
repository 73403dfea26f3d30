package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
)

// The buckets at the top of the file; doc.go draws what is in them.
const (
	topMeta        = "meta"
	topSettings    = "settings"
	topEvents      = "events"
	topSeals       = "seals"
	topDirectories = "directories"
	topWork        = "work"
	topLedgers     = "ledgers"
	topAccounts    = "accounts"
)

// tx is one transaction as one function sees it.
type tx struct {
	btx *bbolt.Tx
	// writes counts changes. The group commit asks whether a function changed anything, and iterators whether
	// they have to find their place again.
	writes int
	// err is a failure of a method that cannot report one; the transaction ends with it.
	err    error
	spaces map[string]*space

	job      *job // whose function runs; nil in a View
	part     int  // see partSize
	loosened bool // loose rows have come that are to be removed
}

func newTx(btx *bbolt.Tx) *tx { return &tx{btx: btx, spaces: map[string]*space{}, part: partSize} }

// write is called first by everything that changes something.
func (t *tx) write() {
	if !t.btx.Writable() {
		panic("bolt: write in a View")
	}
}

func (t *tx) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *tx) put(b *bbolt.Bucket, key, value []byte) error {
	t.writes++
	if err := b.Put(key, value); err != nil {
		return fmt.Errorf("store record: %w", err)
	}
	return nil
}

func (t *tx) del(b *bbolt.Bucket, key []byte) error {
	if b == nil {
		return nil
	}
	t.writes++
	if err := b.Delete(key); err != nil {
		return fmt.Errorf("delete record: %w", err)
	}
	return nil
}

func (t *tx) next(b *bbolt.Bucket) (uint64, error) {
	t.writes++
	n, err := b.NextSequence()
	if err != nil {
		return 0, fmt.Errorf("next sequence number: %w", err)
	}
	return n, nil
}

// get is Get that takes a bucket that does not exist yet.
func get(b *bbolt.Bucket, key []byte) []byte {
	if b == nil {
		return nil
	}
	return b.Get(key)
}

// scan yields what has the prefix, in order of the keys, after passing over skip of them. The function that
// iterates may change the bucket meanwhile: bbolt's cursor loses its place then, so it is looked up again.
func (t *tx) scan(b *bbolt.Bucket, prefix []byte, skip int) iter.Seq2[[]byte, []byte] {
	return t.scanFrom(b, prefix, prefix, skip)
}

// scanFrom is scan that starts at a key within the prefix.
func (t *tx) scanFrom(b *bbolt.Bucket, start, prefix []byte, skip int) iter.Seq2[[]byte, []byte] {
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
			before := t.writes
			if !yield(k, v) {
				return
			}
			if t.writes == before {
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

// walk yields a whole bucket in either direction, from beyond a key (nil: from its end), after passing over skip. Like
// scan it bears changes meanwhile.
func (t *tx) walk(b *bbolt.Bucket, after []byte, skip int, descending bool) iter.Seq2[[]byte, []byte] {
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
			before := t.writes
			if !yield(k, v) {
				return
			}
			if t.writes == before {
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

// follower looks up keys that are numbers and come in order: most of the time the next one is near the last.
type follower struct {
	tx     *tx
	bucket *bbolt.Bucket
	width  int // bytes of a key: 4 or 8
	cursor *bbolt.Cursor
	at     uint64
	value  []byte
	ended  bool
	writes int
}

// near is how many keys are passed over before looking from the top is cheaper.
const near = 8

func (f *follower) get(key uint64) []byte {
	if f.bucket == nil {
		return nil
	}
	if f.cursor == nil {
		f.cursor = f.bucket.Cursor()
	} else if f.writes == f.tx.writes {
		for i := 0; i < near && !f.ended && f.at < key; i++ {
			f.stand(f.cursor.Next())
		}
		if !f.ended && f.at == key {
			return f.value
		}
	}
	f.writes = f.tx.writes
	if f.stand(f.cursor.Seek(f.encode(key))); f.ended || f.at != key {
		return nil
	}
	return f.value
}

func (f *follower) encode(key uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, key)[8-f.width:]
}

// stand notes where the cursor is. A key of another length is none of those that are looked for.
func (f *follower) stand(k, v []byte) {
	f.value, f.ended = v, len(k) != f.width
	switch len(k) {
	case 4:
		f.at = uint64(binary.BigEndian.Uint32(k))
	case 8:
		f.at = binary.BigEndian.Uint64(k)
	}
}

// space is a named bucket with buckets in it: the directory of an identity provider, the marks of a backend.
// None of them exists before the first write.
type space struct {
	tx        *tx
	top, name string
	root      *bbolt.Bucket
	subs      map[string]*bbolt.Bucket
	cursors   map[string]*bbolt.Cursor // for get: Bucket.Get makes a new one every time

	recent recent
}

// get reads one value; nil if there is none, or no bucket yet.
func (s *space) get(name string, key []byte) []byte {
	c := s.cursors[name]
	if c == nil {
		b := s.bucket(name)
		if b == nil {
			return nil
		}
		c = b.Cursor()
		s.cursors[name] = c
	}
	k, v := c.Seek(key)
	if !bytes.Equal(k, key) {
		return nil
	}
	return v
}

func (t *tx) space(top, name string) *space {
	id := top + "/" + name
	s := t.spaces[id]
	if s == nil {
		s = &space{tx: t, top: top, name: name, subs: map[string]*bbolt.Bucket{}, cursors: map[string]*bbolt.Cursor{}}
		if b := t.btx.Bucket([]byte(top)); b != nil && name != "" {
			s.root = b.Bucket([]byte(name))
		}
		t.spaces[id] = s
	}
	return s
}

// bucket gives nil if there is none yet.
func (s *space) bucket(name string) *bbolt.Bucket {
	if b := s.subs[name]; b != nil || s.root == nil {
		return b
	}
	b := s.root.Bucket([]byte(name))
	if b != nil {
		s.adopt(name, b)
	}
	return b
}

func (s *space) adopt(name string, b *bbolt.Bucket) {
	b.FillPercent = fillPercent(name)
	s.subs[name] = b
}

// make gives the bucket, creating what is missing.
func (s *space) make(name string) (*bbolt.Bucket, error) {
	if b := s.bucket(name); b != nil {
		return b, nil
	}
	if s.root == nil {
		top, err := s.tx.top(s.top)
		if err != nil {
			return nil, err
		}
		s.tx.writes++
		if s.root, err = top.CreateBucketIfNotExists([]byte(s.name)); err != nil {
			return nil, fmt.Errorf("create %s %q: %w", s.top, s.name, err)
		}
	}
	s.tx.writes++
	b, err := s.root.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return nil, fmt.Errorf("create %s of %s %q: %w", name, s.top, s.name, err)
	}
	s.adopt(name, b)
	return b, nil
}

func (t *tx) top(name string) (*bbolt.Bucket, error) {
	b := t.btx.Bucket([]byte(name))
	if b == nil {
		t.writes++
		var err error
		if b, err = t.btx.CreateBucket([]byte(name)); err != nil {
			return nil, fmt.Errorf("create %s: %w", name, err)
		}
	}
	b.FillPercent = fillPercent(name)
	return b, nil
}

// fillPercent says how full a page is left when it has to be split: nearly full where keys arrive in order.
func fillPercent(bucket string) float64 {
	switch bucket {
	case topEvents, topSeals, dirNames, dirUsers, dirUserOrder, dirGroups, dirGroupOrder, dirMembers, dirLoose:
		return 0.9
	}
	return bbolt.DefaultFillPercent
}

func (t *tx) IdPs() []string {
	var names []string
	for k := range t.scan(t.btx.Bucket([]byte(topDirectories)), nil, 0) {
		names = append(names, string(k))
	}
	return names
}

func (t *tx) Backends() []string {
	var names []string
	for _, top := range []string{topWork, topLedgers, topAccounts} {
		for k := range t.scan(t.btx.Bucket([]byte(top)), nil, 0) {
			names = append(names, string(k))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (t *tx) Setting(name string) []byte {
	key := makeKey(name)
	record := get(t.btx.Bucket([]byte(topSettings)), key)
	if record == nil {
		return nil
	}
	payload, err := unseal(key, record)
	if err != nil {
		t.fail(fmt.Errorf("read setting %q: %w", name, err))
		return nil
	}
	return bytes.Clone(payload)
}

func (t *tx) Settings() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for k, v := range t.scan(t.btx.Bucket([]byte(topSettings)), nil, 0) {
			payload, err := unseal(k, v)
			name, ok := partOf(k)
			if err == nil && !ok {
				err = store.ErrDamaged
			}
			if err != nil {
				t.fail(fmt.Errorf("list settings: %w", err))
				return
			}
			if !yield(name, bytes.Clone(payload)) {
				return
			}
		}
	}
}

func (t *tx) SetSetting(name string, value []byte) error {
	t.write()
	b, err := t.top(topSettings)
	if err != nil {
		return err
	}
	key := makeKey(name)
	if value == nil {
		return t.del(b, key)
	}
	e := newRecord(len(value))
	e.raw(value)
	return t.put(b, key, e.seal(key))
}

func (t *tx) Directory(idp string) store.Directory { return &directory{t.space(topDirectories, idp)} }
func (t *tx) Work(backend string) store.Work       { return &work{t.space(topWork, backend)} }
func (t *tx) Ledger(backend string) store.Ledger   { return &ledger{t.space(topLedgers, backend)} }
func (t *tx) Accounts(backend string) store.Accounts {
	return &accounts{t.space(topAccounts, backend)}
}
func (t *tx) Events() store.Events { return &events{t} }

// isMissing tells a record that is not there from one that cannot be read.
func isMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }
