package flight

import (
	"context"

	"github.com/scimbridge/scimbridge/backend"
)

// vendor is a backend whose calls pass the turn on.
type vendor struct {
	backend.Backend
	flights *Flights
}

// takes reports whether a call revokes something.
func takes(d backend.Delta) bool {
	for _, c := range d.Changes {
		if c.Op != backend.Add {
			return true
		}
	}
	return len(d.PermissionSetsToRemove) > 0
}

func (v vendor) Ready(ctx context.Context) (err error) {
	v.flights.away(ctx, func() { err = v.Backend.Ready(ctx) })
	return err
}

func (v vendor) Resolve(ctx context.Context, target string, keys []string) (found map[string]backend.Account, err error) {
	v.flights.away(ctx, func() { found, err = v.Backend.Resolve(ctx, target, keys) })
	return found, err
}

func (v vendor) Invite(ctx context.Context, target, email string) (err error) {
	v.flights.away(ctx, func() { err = v.Backend.Invite(ctx, target, email) })
	return err
}

func (v vendor) Offboard(ctx context.Context, target string, a backend.Account) (err error) {
	v.flights.away(ctx, func() { err = v.Backend.Offboard(ctx, target, a) })
	return err
}

func (v vendor) Observe(ctx context.Context, target string) (seen backend.Observation, err error) {
	v.flights.away(ctx, func() { seen, err = v.Backend.Observe(ctx, target) })
	return seen, err
}

func (v vendor) Apply(ctx context.Context, d backend.Delta) (out []backend.Outcome, err error) {
	if f := flightOf(ctx); f != nil && takes(d) && f.place.Urgency() == backend.Ordinary {
		f.place.Set(backend.Removal)
		defer func() {
			if f.place.Urgency() == backend.Removal { // an off-boarding may have come to wait for it
				f.place.Set(backend.Ordinary)
			}
		}()
	}
	v.flights.away(ctx, func() { out, err = v.Backend.Apply(ctx, d) })
	return out, err
}
