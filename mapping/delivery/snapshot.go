package delivery

import (
	"context"
	"errors"
	"fmt"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// plan decides what must happen on a target. What the plan needs of the vendor is read between two
// Views; then everything is read again, since the directory may have changed meanwhile.
func (w *Worker) plan(ctx context.Context, target string, v *visitWork) (p plan.Plan, err error) {
	var seen *backend.Observation
	if v.Planned != nil {
		p = *v.Planned
	}
	for again := v.Planned == nil; again || p.Needs.Any(); {
		if again = false; !p.Needs.Any() {
			err = w.Store.View(ctx, func(tx store.Tx) error {
				since, err := w.AskedSince(tx, target, v.Visit)
				if err == nil {
					p, err = w.Plan(tx, target, v.Visit, seen, since)
				}
				return err
			})
			if err != nil {
				return p, err
			}
			continue
		}
		if p.Needs.Observation {
			var e *backend.Error
			seen, err = w.ReadTarget(ctx, target)
			switch {
			case errors.As(err, &e) && e.Kind == backend.Transient && !v.Unlisted:
				v.Unlisted, seen = true, nil // if only an end needs it, that comes later, and nothing waits for it
			case err != nil:
				return p, fmt.Errorf("reading what a target has: %w", err)
			}
		}
		if len(p.Needs.Listing) > 0 {
			if err := w.listAgain(ctx, target, v, p.Needs.Listing); err != nil {
				return p, err
			}
		}
		p.Needs, again = plan.Needs{}, true
	}
	for id, d := range p.Decisions {
		v.accounts[id].Decision = d
	}
	return p, nil
}
