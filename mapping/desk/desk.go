package desk

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Desk answers what operators ask of one backend and carries out what they decide. It keeps nothing: all is in the
// store, so that any replica answers. Its methods may be called from any goroutine.
type Desk struct {
	*view.View
	Store store.Store
	Nudge func() // says to what delivers that there is something to do
	Log   *slog.Logger
	// Seen is what the vendor shows of a target, as far as it was read; nil: plans go by the ledger
	// alone. With it a plan also names the grants that stay.
	Seen func(target string) *backend.Observation
}

// Retry lets everything that is blocked or waits for its next try be tried at once. It may be
// called from any goroutine.
func (w *Desk) Retry(ctx context.Context) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		if err := w.Ask(tx, record.CommandRetry); err != nil {
			return err
		}
		return w.Wake(tx, w.Clock(), func(m store.Mark) bool { return m.State == store.Blocked || m.State == store.Pending && m.Tries > 0 })
	})
	if err != nil {
		return fmt.Errorf("trying again what is blocked: %w", err)
	}
	w.Nudge()
	return nil
}

// Resync asks the worker for a comparison with the vendor, at once. It may be called from
// any goroutine.
func (w *Desk) Resync(ctx context.Context) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error { return w.Ask(tx, record.CommandResync) })
	if err != nil {
		return fmt.Errorf("asking for a comparison: %w", err)
	}
	w.Nudge()
	return nil
}
