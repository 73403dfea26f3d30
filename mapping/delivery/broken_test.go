package delivery_test

import (
	"context"
	"errors"
	"iter"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// breakDisowned restarts the worker over a store whose disowned grants cannot be read.
func (w *world) breakDisowned() {
	config := w.config
	w.config = func(d configured) {
		if config != nil {
			config(d)
		}
		d.Store = withoutDisowned{d.Store}
	}
	w.restart()
}

// withoutDisowned is a store whose disowned grants cannot be read.
type withoutDisowned struct{ store.Store }

func (s withoutDisowned) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(withoutDisownedTx{tx}) })
}

func (s withoutDisowned) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(withoutDisownedTx{tx}) })
}

type withoutDisownedTx struct{ store.Tx }

func (tx withoutDisownedTx) Records() record.Records { return withoutDisownedRecords{tx.Tx.Records()} }

type withoutDisownedRecords struct{ record.Records }

func (r withoutDisownedRecords) Scan(like record.Record, fresh func() record.Record) iter.Seq2[record.Record, error] {
	if _, is := like.(*record.Disowned); is {
		return func(yield func(record.Record, error) bool) { yield(nil, errors.New("the disowned grants are broken")) }
	}
	return r.Records.Scan(like, fresh)
}
