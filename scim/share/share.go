// Package share divides something scarce, such as memory or turns, among identity providers.
package share

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/scimbridge/scimbridge/scim/message"
)

// maxWait is how long a request waits for its share.
const maxWait = 10 * time.Second

// Pool is an amount that requests take parts of. One identity provider gets at most half of it.
// Requests are served in the order in which they asked.
type Pool struct {
	all part

	mu  sync.Mutex
	idp map[string]part
}

// New returns a pool of a size.
func New(size int64) *Pool { return &Pool{all: newPart(size), idp: map[string]part{}} }

// Take waits for n, or for the identity provider's half if n is more. The error is
// [message.ErrBusy].
func (p *Pool) Take(ctx context.Context, idp string, n int64) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	own := p.of(idp)
	n = min(n, own.size)
	if own.free.Acquire(ctx, n) != nil {
		return nil, message.ErrBusy
	}
	if p.all.free.Acquire(ctx, n) != nil {
		own.free.Release(n)
		return nil, message.ErrBusy
	}
	return func() { p.all.free.Release(n); own.free.Release(n) }, nil
}

func (p *Pool) of(idp string) part {
	p.mu.Lock()
	defer p.mu.Unlock()
	own, known := p.idp[idp]
	if !known {
		own = newPart(p.all.size / 2)
		p.idp[idp] = own
	}
	return own
}

// part is an amount, and how much of it is free.
type part struct {
	size int64
	free *semaphore.Weighted
}

func newPart(size int64) part {
	size = max(size, 1)
	return part{size, semaphore.NewWeighted(size)}
}
