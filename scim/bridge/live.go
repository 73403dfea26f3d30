package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/scimbridge/scimbridge/mapping/live"
	"github.com/scimbridge/scimbridge/scim/console"
)

// liveReports returns a function that compares every backend with its vendor: all backends at once, and
// one comparison at a time, because it takes a part of each rate limit.
func liveReports(b *Bridge) func(context.Context) ([]live.Report, error) {
	var busy sync.Mutex
	return func(ctx context.Context) ([]live.Report, error) {
		if !busy.TryLock() {
			return nil, console.ErrBusy
		}
		defer busy.Unlock()
		names := slices.Sorted(maps.Keys(b.workers))
		out, errs := make([]live.Report, len(names)), make([]error, len(names))
		var all sync.WaitGroup
		for i, name := range names {
			all.Go(func() {
				w := b.workers[name]
				c := live.Comparer{Desk: w.Desk, Backend: w.vendor, Paused: w.PausedUntil, Creates: b.Config.Backends[name].OnMissingUser == "create"}
				if out[i], errs[i] = c.Report(ctx); errs[i] != nil {
					errs[i] = fmt.Errorf("backend %s: %w", name, errs[i])
				}
			})
		}
		all.Wait()
		return out, errors.Join(errs...)
	}
}
