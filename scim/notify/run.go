package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

const (
	observeEvery = 10 * time.Second
	verifyAfter  = time.Minute // of the start
	verifyEvery  = time.Hour
)

// Lease names the lease of the replica that notifies. No backend can have this name.
const Lease = "notify:outbox"

// Loop observes and delivers. It is a lead.Deliverer: of several replicas one runs it.
type Loop struct {
	Outbox
	// Facts returns what the server knows now, without the chain of the audit trail.
	Facts func(ctx context.Context) (Facts, error)
	// Verify reports whether the chain of the audit trail is broken. It may take long.
	Verify func(ctx context.Context) (broken bool, err error)

	mu       sync.Mutex
	verified bool // since the start
	broken   bool
	failed   bool // the last failure was logged
}

// Nudge implements lead.Deliverer. Conditions are observed by the clock.
func (l *Loop) Nudge() {}

// Run observes and delivers until ctx ends. What is under way then is sent again by the next Run.
func (l *Loop) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { l.verify(ctx) })
	wake := make([]chan struct{}, len(l.Channels))
	for i, ch := range l.Channels {
		wake[i] = make(chan struct{}, 1)
		all.Go(func() { l.deliver(ctx, ch, wake[i]) })
	}
	for {
		l.report(ctx, l.observe(ctx))
		for _, w := range wake {
			select {
			case w <- struct{}{}:
			default:
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(observeEvery):
		}
	}
}

// observe is one observation.
func (l *Loop) observe(ctx context.Context) error {
	f, err := l.Facts(ctx)
	if err != nil {
		return err
	}
	l.mu.Lock()
	f.Broken = l.broken
	if !l.verified {
		f.Unknown = append(slices.Clone(f.Unknown), AuditBroken)
	}
	l.mu.Unlock()
	return l.Observe(ctx, f)
}

// deliver delivers to a channel whenever it is woken or something is due.
func (l *Loop) deliver(ctx context.Context, ch Open, wake <-chan struct{}) {
	for {
		next, err := l.Deliver(ctx, ch)
		l.report(ctx, err)
		wait := observeEvery
		if err == nil && !next.IsZero() {
			wait = min(wait, max(0, next.Sub(l.Now())))
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-time.After(wait):
		}
	}
}

// verify verifies the audit trail again and again.
func (l *Loop) verify(ctx context.Context) {
	for wait := verifyAfter; ; wait = verifyEvery {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		broken, err := l.Verify(ctx)
		if err != nil {
			l.report(ctx, wrap("verifying the audit trail", err))
			continue
		}
		l.mu.Lock()
		l.verified, l.broken = true, broken
		l.mu.Unlock()
	}
}

// report logs the first of several failures in a row.
func (l *Loop) report(ctx context.Context, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && !l.failed && ctx.Err() == nil && !errors.Is(err, store.ErrFenced) {
		l.Log.Warn("conditions cannot be observed or delivered now; retrying", "error", err)
	}
	l.failed = err != nil
}
