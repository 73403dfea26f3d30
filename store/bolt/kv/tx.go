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

// PartSize is the most memberships that a transaction changes in both directions. A larger change leaves the
// rows of member.of to other transactions: a million of them take a second, and every other writer would
// wait.
const PartSize = 1024

// Tx is one run of a function in a transaction.
type Tx struct {
	Btx *bbolt.Tx
	// writes counts changes: for the group commit, and for iterators, which must seek again after a change.
	Writes int
	// err is a failure of a method that cannot report one; the transaction ends with it.
	Err        error
	Namespaces map[string]*Namespace

	Plan     *Foresight // of the running function; nil in a View
	Part     int        // see PartSize
	Loosened bool       // the function has left loose rows
}

// New wraps a transaction of bbolt.
func New(btx *bbolt.Tx) *Tx {
	return &Tx{Btx: btx, Namespaces: map[string]*Namespace{}, Part: PartSize}
}

// Write must be called first by every method that makes a change.
func (t *Tx) Write() {
	if !t.Btx.Writable() {
		panic("bolt: write in a View")
	}
}

// Fail records a failure that ends the transaction.
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

// Get reads a value; nil if the bucket does not exist yet.
func Get(b *bbolt.Bucket, key []byte) []byte {
	if b == nil {
		return nil
	}
	return b.Get(key)
}

// IsMissing reports whether an error means a missing record, not an unreadable one.
func IsMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }
