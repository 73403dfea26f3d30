package lookup

import (
	"context"
	"log/slog"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/flight"
)

// Finder finds out which account a user is. Its fields are set before it is used.
type Finder struct {
	*flight.Flights
	Backend backend.Backend // whose calls pass the turn on: see flight.Flights.Calls
	Log     *slog.Logger

	refreshed map[string]time.Time // listings, and when they were last read
}

// ReadTarget reads a target. An off-boarding that comes to wait for it ends the read.
func (w *Finder) ReadTarget(ctx context.Context, target string) (*backend.Observation, error) {
	var seen backend.Observation
	err := w.Patiently(ctx, func(ctx context.Context) (err error) {
		seen, err = w.Backend.Observe(ctx, target)
		return err
	})
	return &seen, err
}
