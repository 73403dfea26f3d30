package postgres

import (
	"context"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/leases"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
)

// under is the store for the holder of a lease.
type under struct {
	*Store
	fence *pgtx.Guard
}

// Update implements store.Store.
func (u under) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	return u.update(ctx, u.fence, fn)
}

// Close does nothing: it is closed with the store.
func (u under) Close() error { return nil }

// Under implements store.Shared.
func (s *Store) Under(l store.Lease) store.Store { return under{s, leases.Fence(l)} }
