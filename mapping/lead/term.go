package lead

import (
	"sync"
	"time"
)

// term is the time for which a replica holds the lease on a backend, as far as it can trust that: until
// the start of the last renewal that succeeded, plus the lease, less a margin, by a clock that cannot be
// set. The lease itself lasts longer by the margin.
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

// renewed extends the trust: the request to the store left at that moment.
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

// deadline returns when the trust ends if it is not renewed, and whether it still lasts: by the clock,
// since a process that was stopped gets here before its timer does.
func (t *term) deadline() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until, !t.ended && time.Now().Before(t.until)
}
