package lead

import (
	"sync"
	"time"
)

// Clock is the clock of a shared store as a replica knows it: what the store said last, and what has
// passed since by a clock that cannot be set. Until the store has said something it is the replica's own.
// The zero value is ready, and may be used concurrently.
type Clock struct {
	mu   sync.Mutex
	said time.Time
	at   time.Time
}

// trusted is how long an answer with the time may take.
const trusted = time.Second

// Said takes in what the store said when the request left at that moment.
func (c *Clock) Said(now, asked time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	took := time.Since(asked)
	if took > trusted && !c.at.IsZero() {
		return
	}
	c.said, c.at = now, asked.Add(took/2)
}

// Now is the time by the store's clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now()
	}
	return c.said.Add(time.Since(c.at))
}
