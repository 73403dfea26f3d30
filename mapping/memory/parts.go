package memory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// InParts runs fn over parts of a list, each in a transaction of its own: requests have their turn between them, and a crash may
// separate them. A list in the order of its keys in the store costs least.
func InParts[T any](ctx context.Context, s store.Store, all []T, fn func(tx store.Tx, part []T) error) error {
	for part := range slices.Chunk(all, Part) {
		if err := s.Update(ctx, func(tx store.Tx) error { return fn(tx, part) }); err != nil {
			return err
		}
	}
	return nil
}

// Part bounds the transactions of a sweep, so that it does not delay requests.
const Part = 500

// Ends reports whether an error of the store ends all work.
func Ends(err error) bool {
	return errors.Is(err, store.ErrPoisoned) || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrFenced)
}

// LongestWithoutStore is how far apart tries are while the store fails.
const LongestWithoutStore = 30 * time.Second
