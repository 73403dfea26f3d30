package store

import (
	"context"
	"time"
)

// Sweep removes the expired records of a store, in transactions of at most so many.
func Sweep(ctx context.Context, s Store, now time.Time, part int) error {
	for {
		removed := 0
		err := s.Update(ctx, func(tx Tx) (err error) {
			removed, err = tx.Records().Sweep(now, part)
			return err
		})
		if err != nil || removed < part {
			return err
		}
	}
}
