package kv

import (
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
)

// The buckets at the top of the file; doc.go draws what is in them.
const (
	TopMeta        = "meta"
	TopSettings    = "settings"
	TopEvents      = "events"
	TopSeals       = "seals"
	TopDirectories = "directories"
	TopWork        = "work"
	TopLedgers     = "ledgers"
	TopAccounts    = "accounts"
)

// The keys in topMeta.
const (
	MetaFormat = "format"
	MetaAnchor = "anchor"
)

// PartSize is how many memberships a transaction changes in both directions. One that changes more leaves the way back to others:
// a million rows of member.of take a second, and every other writer would wait for it.
const PartSize = 1024

// Tx is one transaction as one function sees it.
type Tx struct {
	Btx *bbolt.Tx
	// writes counts changes. The group commit asks whether a function changed anything, and iterators whether
	// they have to find their place again.
	Writes int
	// err is a failure of a method that cannot report one; the transaction ends with it.
	Err        error
	Namespaces map[string]*Namespace

	Plan     *Foresight // of the function that runs; nil in a View
	Part     int        // see partSize
	Loosened bool       // loose rows have come that are to be removed
}

// New begins to use a transaction of bbolt.
func New(btx *bbolt.Tx) *Tx {
	return &Tx{Btx: btx, Namespaces: map[string]*Namespace{}, Part: PartSize}
}

// Write is called first by everything that changes something.
func (t *Tx) Write() {
	if !t.Btx.Writable() {
		panic("bolt: write in a View")
	}
}

// Fail notes a failure that ends the transaction.
func (t *Tx) Fail(err error) {
	if t.Err == nil {
		t.Err = err
	}
}

// Put stores a record.
func (t *Tx) Put(b *bbolt.Bucket, key, value []byte) error {
	t.Writes++
	if err := b.Put(key, value); err != nil {
		return fmt.Errorf("store record: %w", err)
	}
	return nil
}

// Del removes a record; a bucket that does not exist has none.
func (t *Tx) Del(b *bbolt.Bucket, key []byte) error {
	if b == nil {
		return nil
	}
	t.Writes++
	if err := b.Delete(key); err != nil {
		return fmt.Errorf("delete record: %w", err)
	}
	return nil
}

// Next returns the next sequence number of a bucket.
func (t *Tx) Next(b *bbolt.Bucket) (uint64, error) {
	t.Writes++
	n, err := b.NextSequence()
	if err != nil {
		return 0, fmt.Errorf("next sequence number: %w", err)
	}
	return n, nil
}

// Get is Get that takes a bucket that does not exist yet.
func Get(b *bbolt.Bucket, key []byte) []byte {
	if b == nil {
		return nil
	}
	return b.Get(key)
}

// IsMissing tells a record that is not there from one that cannot be read.
func IsMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }
