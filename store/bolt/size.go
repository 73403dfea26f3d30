package bolt

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store/bolt/tables"
)

// Size returns the used bytes of the file, without its free pages. It reads every page.
func (s *Store) Size(ctx context.Context) (size int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("size: %w", err)
	}
	err = s.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			stats := b.Stats()
			size += int64(stats.LeafAlloc + stats.BranchAlloc)
			return nil
		})
	})
	if err != nil {
		return 0, fmt.Errorf("size: %w", err)
	}
	return size, nil
}

// Check reads the whole store and reports inconsistencies: records that do not decode, index entries without
// a resource, resources without an index entry, memberships in one direction only, and wrong counts. Its
// error is ErrDamaged or ErrNewer.
func (s *Store) Check() error {
	return s.View(context.Background(), tables.Check)
}
