package kv

import (
	"bytes"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
)

// Namespace is a named bucket with buckets in it: the directory of an identity provider, the marks of a backend.
// None of them exists before the first write.
type Namespace struct {
	Tx        *Tx
	top, Name string
	Root      *bbolt.Bucket
	subs      map[string]*bbolt.Bucket
	cursors   map[string]*bbolt.Cursor // for Get: Bucket.Get makes a new one every time

	Memo any // data of the tables for the length of the transaction
}

// Get reads one value; nil without one, or without the bucket.
func (s *Namespace) Get(name string, key []byte) []byte {
	c := s.cursors[name]
	if c == nil {
		b := s.Bucket(name)
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

// Namespace returns the namespace of a name under a top.
func (t *Tx) Namespace(top, name string) *Namespace {
	id := top + "/" + name
	s := t.Namespaces[id]
	if s == nil {
		s = &Namespace{Tx: t, top: top, Name: name, subs: map[string]*bbolt.Bucket{}, cursors: map[string]*bbolt.Cursor{}}
		if b := t.Btx.Bucket([]byte(top)); b != nil && name != "" {
			s.Root = b.Bucket([]byte(name))
		}
		t.Namespaces[id] = s
	}
	return s
}

// Bucket returns a bucket; nil if it does not exist yet.
func (s *Namespace) Bucket(name string) *bbolt.Bucket {
	if b := s.subs[name]; b != nil || s.Root == nil {
		return b
	}
	b := s.Root.Bucket([]byte(name))
	if b != nil {
		s.adopt(name, b)
	}
	return b
}

func (s *Namespace) adopt(name string, b *bbolt.Bucket) {
	b.FillPercent = fillPercent(name)
	s.subs[name] = b
}

// Make returns a bucket, and creates it if it is missing.
func (s *Namespace) Make(name string) (*bbolt.Bucket, error) {
	if b := s.Bucket(name); b != nil {
		return b, nil
	}
	if s.Root == nil {
		top, err := s.Tx.Top(s.top)
		if err != nil {
			return nil, err
		}
		s.Tx.Writes++
		if s.Root, err = top.CreateBucketIfNotExists([]byte(s.Name)); err != nil {
			return nil, fmt.Errorf("create %s %q: %w", s.top, s.Name, err)
		}
	}
	s.Tx.Writes++
	b, err := s.Root.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return nil, fmt.Errorf("create %s of %s %q: %w", name, s.top, s.Name, err)
	}
	s.adopt(name, b)
	return b, nil
}

// Forget removes a bucket with all that is in it.
func (s *Namespace) Forget(name string) error {
	if s.Bucket(name) == nil {
		return nil
	}
	delete(s.subs, name)
	delete(s.cursors, name)
	s.Tx.Writes++
	if err := s.Root.DeleteBucket([]byte(name)); err != nil {
		return fmt.Errorf("remove %s of %s %q: %w", name, s.top, s.Name, err)
	}
	return nil
}

// Top returns a bucket at the top of the file, which it creates if it is missing.
func (t *Tx) Top(name string) (*bbolt.Bucket, error) {
	b := t.Btx.Bucket([]byte(name))
	if b == nil {
		t.Writes++
		var err error
		if b, err = t.Btx.CreateBucket([]byte(name)); err != nil {
			return nil, fmt.Errorf("create %s: %w", name, err)
		}
	}
	b.FillPercent = fillPercent(name)
	return b, nil
}

// fillPercent returns how full a split page stays: nearly full where keys arrive in order.
func fillPercent(bucket string) float64 {
	switch bucket {
	case TopEvents, TopSeals, "names", "users", "users.order", "groups", "groups.order", "members", "members.loose": // see doc.go of bolt
		return 0.9
	}
	return bbolt.DefaultFillPercent
}

// Adjust adds to a count, and returns it. One that is 0 is not stored.
func (s *Namespace) Adjust(bucket string, key []byte, by int) (n int, err error) {
	if record := s.Get(bucket, key); record != nil {
		before, err := codec.OpenUint(key, record)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", bucket, err)
		}
		n = int(before)
	}
	if n += by; n < 0 {
		return 0, fmt.Errorf("%s: too low: %w", bucket, store.ErrDamaged)
	}
	b, err := s.Make(bucket)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, s.Tx.Del(b, key)
	}
	return n, s.Tx.Put(b, key, codec.SealUint(key, uint64(n)))
}
