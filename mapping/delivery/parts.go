package delivery

import (
	"cmp"
	"context"
	"slices"

	"github.com/scimbridge/scimbridge/store"
)

// inParts runs fn over parts of a list, each in a transaction of its own: requests have their turn between them, and a crash may
// separate them. A list in the order of its keys in the store costs least.
func inParts[T any](ctx context.Context, s store.Store, all []T, fn func(tx store.Tx, part []T) error) error {
	for part := range slices.Chunk(all, sweepChunk) {
		if err := s.Update(ctx, func(tx store.Tx) error { return fn(tx, part) }); err != nil {
			return err
		}
	}
	return nil
}

// bySubject returns users in the order in which the store keeps what it knows of them.
func bySubject(people []*person) []*person {
	return slices.SortedStableFunc(slices.Values(people), func(a, b *person) int {
		return cmp.Or(cmp.Compare(a.mark.Subject.IdP, b.mark.Subject.IdP), cmp.Compare(a.mark.Subject.User, b.mark.Subject.User))
	})
}
