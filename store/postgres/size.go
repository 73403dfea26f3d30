package postgres

import (
	"context"
	"fmt"
)

// Size returns the bytes of the tables with their indexes.
func (s *Store) Size(ctx context.Context) (size int64, err error) {
	err = s.db.Pool.QueryRow(ctx, `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8 FROM pg_class c
		WHERE c.relkind = 'r' AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'memberships'::regclass)`).Scan(&size)
	if err != nil {
		return 0, fmt.Errorf("size of the tables: %w", err)
	}
	return size, nil
}
