package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// term is the time for which a replica holds the lease on a backend, as far as it can trust that: until the start of the last
// renewal that succeeded, plus the lease, less a margin, by a clock that nobody sets. The lease itself lasts longer by the margin.
type term struct {
	over chan struct{} // closed when the trust has ended; it does not come back

	mu    sync.Mutex
	until time.Time
	timer *time.Timer
	ended bool
}

// margin is what of a lease is not used: for a machine that is slow to notice.
func margin(lease time.Duration) time.Duration { return lease / 5 }

func newTerm(asked time.Time, lease time.Duration) *term {
	t := &term{over: make(chan struct{}), until: asked.Add(lease - margin(lease))}
	t.mu.Lock() // the timer may go off at once
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(time.Until(t.until), t.end)
	return t
}

// renewed lets the trust last longer: the store was asked at that moment.
func (t *term) renewed(asked time.Time, lease time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.until = asked.Add(lease - margin(lease))
		t.timer.Reset(time.Until(t.until))
	}
}

// end takes the trust away.
func (t *term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.ended = true
		t.timer.Stop()
		close(t.over)
	}
}

// deadline is when the trust ends if it is not renewed, and whether it still lasts: by the clock, since a process that was
// stopped gets here before its timer does.
func (t *term) deadline() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until, !t.ended && time.Now().Before(t.until)
}

// during is a context that ends with the trust, whatever else ends ctx.
func (t *term) during(ctx context.Context, doing string) (context.Context, context.CancelFunc, error) {
	if _, trusted := t.deadline(); !trusted {
		return nil, nil, &backend.Error{Kind: backend.Transient, Doing: doing, Unsent: true, Err: store.ErrFenced}
	}
	limited, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-t.over:
			cancel()
		case <-limited.Done():
		}
	}()
	return limited, cancel, nil
}

// trusting is a backend that is called to change something only within a term: a graceful stop lets such a call end, the end of
// the trust cuts it. What reads ends with the context of the worker.
type trusting struct {
	backend.Backend
	term *term
}

func (b trusting) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	ctx, cancel, err := b.term.during(ctx, "changing roles")
	if err != nil {
		return nil, err
	}
	defer cancel()
	return b.Backend.Apply(ctx, d)
}

func (b trusting) Invite(ctx context.Context, target, email string) error {
	ctx, cancel, err := b.term.during(ctx, "asking for an account")
	if err != nil {
		return err
	}
	defer cancel()
	return b.Backend.Invite(ctx, target, email)
}

func (b trusting) Offboard(ctx context.Context, target string, a backend.Account) error {
	ctx, cancel, err := b.term.during(ctx, "ending a membership or account")
	if err != nil {
		return err
	}
	defer cancel()
	return b.Backend.Offboard(ctx, target, a)
}
