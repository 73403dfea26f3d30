package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// grace is how long a stop may take.
const grace = 10 * time.Second

type named struct {
	name string
	stop func(context.Context) error
}

// Wait returns nil when ctx ends, or the error of a store, listener or worker that failed
// permanently.
func (b *Bridge) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-b.store.Failed():
		return fmt.Errorf("the store failed and nothing more can be accepted: %w", store.ErrPoisoned)
	case err := <-b.errs:
		return err
	}
}

// Stop stops in the reverse order of the start: no new requests, accepted ones are answered,
// deliveries end their call, the store closes. It is idempotent and takes at most ten seconds.
func (b *Bridge) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), grace-2*time.Second)
	defer cancel()
	var errs []error
	for _, s := range slices.Backward(b.stops) {
		if err := s.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", s.name, err))
		}
	}
	b.stops = nil
	return errors.Join(errs...)
}

func (b *Bridge) onStop(name string, stop func(context.Context) error) {
	b.stops = append(b.stops, named{name, stop})
}

// StopInTime is Stop, but returns before grace ends even if something does not stop: what was
// answered is stored, and the next start reads back what was under way. It leaves time for the last
// lines of the log.
func (b *Bridge) StopInTime() error {
	stopped := make(chan error, 1)
	go func() { stopped <- b.Stop() }()
	select {
	case err := <-stopped:
		return err
	case <-time.After(grace - 3*time.Second/2):
		return errors.New("something does not end; the process ends without it, and the next start reads back what was under way")
	}
}
