package suppose

import (
	"context"
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Store is a store whose views show what is supposed. It cannot be updated.
type Store struct {
	store.Store
	Now     time.Time
	Vendors map[string]Vendor // by backend

	directories map[string]*changes // by identity provider
	marks       []store.Mark        // of every backend
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(tx store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(supposedTx{tx, s}) })
}

// Update implements store.Store: nothing is written.
func (s *Store) Update(context.Context, func(tx store.Tx) error) error {
	return errors.ErrUnsupported
}

// supposedTx is a transaction of a view.
type supposedTx struct {
	store.Tx
	is *Store
}

// Directory implements store.Tx.
func (t supposedTx) Directory(idp string) store.Directory {
	d := t.Tx.Directory(idp)
	if c := t.is.directories[idp]; c != nil {
		return directory{d, c}
	}
	return d
}

// Work implements store.Tx.
func (t supposedTx) Work(backend string) store.Work {
	if len(t.is.marks) == 0 {
		return t.Tx.Work(backend)
	}
	return work{t.Tx.Work(backend), t.is.marks}
}

// Ledger implements store.Tx.
func (t supposedTx) Ledger(backend string) store.Ledger {
	l := t.Tx.Ledger(backend)
	if v, is := t.is.Vendors[backend]; is {
		return ledger{l, v}
	}
	return l
}

// Accounts implements store.Tx.
func (t supposedTx) Accounts(backend string) store.Accounts {
	a := t.Tx.Accounts(backend)
	if v, is := t.is.Vendors[backend]; is {
		return accounts{a, v, t.is.Now}
	}
	return a
}

// Records implements store.Tx.
func (t supposedTx) Records() record.Records {
	if len(t.is.Vendors) == 0 {
		return t.Tx.Records()
	}
	return records{t.Tx.Records(), t.is}
}
