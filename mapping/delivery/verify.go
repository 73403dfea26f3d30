package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/store"
)

// confirmed is the state of a grant after a clean answer.
func confirmed(want bool) store.EntryState {
	if want {
		return store.Present
	}
	return store.Absent
}

// verify settles doubt whose window has passed, before anything is computed. A grant that is seen is
// there, unless a removal of it may have landed. One that is not seen may be there, since a read may lag:
// the newest value is sent once more, and its clean answer counts. For off-boarded accounts nothing is
// read: what may be there is revoked.
func (w *Worker) verify(ctx context.Context, t flight.Target, v *visitWork) error {
	target := t.Name
	if v.Planned != nil {
		return nil
	}
	var doubtful []store.Entry
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		doubtful, err = w.Doubtful(tx, target, slices.Collect(maps.Keys(v.accounts)))
		return err
	})
	if err != nil || len(doubtful) == 0 {
		return err
	}
	var seen backend.Observation
	if w.Traits().ShowsAll && !t.Urgent {
		err = w.Patiently(ctx, func(ctx context.Context) (err error) {
			seen, err = w.Backend.Observe(ctx, target)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading back after a doubtful call: %w", err)
		}
		w.Breaker.Succeeded(target)
	}
	return w.Store.Update(ctx, func(tx store.Tx) error {
		for _, e := range doubtful {
			now, err := tx.Ledger(w.Name).Entry(e.Target, e.Account, e.Role)
			if err != nil || now.Attempt != e.Attempt {
				continue // settled or sent again meanwhile
			}
			e.Doubt, e.Note = time.Time{}, "read_back"
			was := e.State
			e.State = store.Unknown
			if has, _ := seen.Has(e.Account, e.Role); has && !(e.Wanted && e.MaybeGone) { // a list may still show what a late removal took
				e.State = store.Present
				if was != store.Present {
					if err := w.readBack(tx, e, v.accounts[e.Account].Marks); err != nil {
						return err
					}
				}
			}
			if err := tx.Ledger(w.Name).PutEntry(e); err != nil {
				return fmt.Errorf("settling doubt: %w", err)
			}
		}
		return nil
	})
}
