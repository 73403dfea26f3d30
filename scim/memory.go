package scim

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	defaultBodyMemory = 256 << 20
	bodyCost          = 7 // times its size is what the work on a body takes, besides the body
	maxHeavy          = 4 // lists that read everything, and answers of more than heavyAnswer bytes
	busyWait          = 10 * time.Second
	busyRetry         = 10 // seconds after which a request that was turned away may be sent again
)

// memory bounds what the bodies of all requests take at a time; those of up to maxTrusted bytes
// take nothing. A quarter of it is for bodies that are being read, where a slow client keeps its
// part for long. The rest is for the work on those that were read, which waits for no client.
type memory struct{ reading, working *shares }

func newMemory(size int64) memory {
	if size == 0 {
		size = defaultBodyMemory
	}
	return memory{newShares(size / 4), newShares(size - size/4)}
}

// shares are something of which there is only so much for all identity providers. One of them has
// at most half. Who waits comes in the order of asking.
type shares struct {
	all pool

	mu  sync.Mutex
	idp map[string]pool
}

func newShares(size int64) *shares { return &shares{all: newPool(size), idp: map[string]pool{}} }

// take waits a while for n, or for as much as there is if n is more. The error is for the client.
func (s *shares) take(ctx context.Context, idp string, n int64) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, busyWait)
	defer cancel()
	own := s.of(idp)
	n = min(n, own.size)
	if own.free.Acquire(ctx, n) != nil {
		return nil, errBusy{}
	}
	if s.all.free.Acquire(ctx, n) != nil {
		own.free.Release(n)
		return nil, errBusy{}
	}
	return func() { s.all.free.Release(n); own.free.Release(n) }, nil
}

func (s *shares) of(idp string) pool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, there := s.idp[idp]
	if !there {
		p = newPool(s.all.size / 2)
		s.idp[idp] = p
	}
	return p
}

type pool struct {
	size int64
	free *semaphore.Weighted
}

func newPool(size int64) pool {
	size = max(size, 1)
	return pool{size, semaphore.NewWeighted(size)}
}

// errBusy is the error of a request for which there is no room now.
type errBusy struct{}

func (errBusy) Error() string { return "too many large requests at a time" }

// errHeavy is the error of a read that needs a share of s.heavy, and has none.
var errHeavy = errors.New("a heavy read")

// lightly runs a read. If it turns out to be a heavy one, it waits for its turn and runs again. The
// turn is over with release, after the answer was written.
func (s *Server) lightly(r *http.Request, read func(heavy bool) error) (release func(), err error) {
	release = func() {}
	err = read(false)
	if !errors.Is(err, errHeavy) {
		return release, err
	}
	turn, err := s.heavy.take(r.Context(), callOf(r).idp, 1)
	if err != nil {
		return release, err
	}
	return turn, read(true)
}
