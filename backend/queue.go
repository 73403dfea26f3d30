package backend

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Urgency ranks a call among those that wait for the rate limit.
type Urgency int32

// Offboarding passes every other call. A Removal passes an Ordinary call that came less than ten
// seconds before it; both pass a Retry, of a target that failed last time, for a minute. A Rare call,
// to a target that the vendor does not have, gets a tenth of the rate at most.
const (
	Ordinary Urgency = iota
	Offboarding
	Removal
	Retry
	Rare
)

// patience is how long calls of an urgency let others pass that came later.
var patience = map[Urgency]time.Duration{Offboarding: -time.Hour, Removal: 0, Ordinary: 10 * time.Second, Retry: time.Minute, Rare: 10 * time.Minute}

// rareShare is the part of the rate, one call in so many, that Rare calls get.
const rareShare = 10

// Place is the urgency of the calls under a context. It may change while one of them waits. The zero
// value is Ordinary.
type Place struct {
	urgency atomic.Int32
	waits   atomic.Int32
}

// Set changes the urgency.
func (p *Place) Set(u Urgency) { p.urgency.Store(int32(u)) }

// Urgency returns the urgency.
func (p *Place) Urgency() Urgency { return Urgency(p.urgency.Load()) }

// Waits reports whether a call waits for the rate limit.
func (p *Place) Waits() bool { return p.waits.Load() > 0 }

type placeKey struct{}

// WithPlace returns a context whose calls have the urgency of a place.
func WithPlace(ctx context.Context, p *Place) context.Context {
	return context.WithValue(ctx, placeKey{}, p)
}

func placeOf(ctx context.Context) *Place {
	if p, ok := ctx.Value(placeKey{}).(*Place); ok {
		return p
	}
	return &Place{}
}

// queue lets calls through a rate limit in the order of their urgency. Its methods may be called
// concurrently.
type queue struct {
	limiter *rate.Limiter

	mu      sync.Mutex
	waiting []*waiter
	rare    time.Time // the next Rare call must not begin before
}

type waiter struct {
	place *Place
	since time.Time
	wake  chan struct{}
}

func newQueue(l *rate.Limiter) *queue { return &queue{limiter: l} }

// wait waits until a call may begin, or returns the error of ctx. With take the call counts.
func (q *queue) wait(ctx context.Context, take bool) error {
	if err := ctx.Err(); err != nil || q.limiter.Limit() == rate.Inf {
		return err
	}
	me := &waiter{placeOf(ctx), time.Now(), make(chan struct{}, 1)}
	me.place.waits.Add(1)
	defer me.place.waits.Add(-1)
	q.mu.Lock()
	q.waiting = append(q.waiting, me)
	q.mu.Unlock()
	defer q.leave(me)
	for {
		again, through := q.try(me, take)
		if through {
			return nil
		}
		timer := time.NewTimer(again)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-me.wake:
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// aMoment is the longest sleep of a call that is not the first. Usually it is woken before.
const aMoment = 10 * time.Second

// try lets the first call through if the limit does, and returns when to try again.
func (q *queue) try(me *waiter, take bool) (again time.Duration, through bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if first := q.first(now); first != me {
		first.signal()
		return aMoment, false
	}
	rare := me.place.Urgency() == Rare
	if rare && q.rare.After(now) {
		return q.rare.Sub(now), false
	}
	perSecond := float64(q.limiter.Limit())
	if missing := 1 - q.limiter.TokensAt(now); missing > 0 {
		return max(time.Millisecond, time.Duration(missing/perSecond*float64(time.Second))), false
	}
	if take {
		q.limiter.AllowN(now, 1)
		if rare {
			q.rare = now.Add(time.Duration(rareShare / perSecond * float64(time.Second)))
		}
	}
	return 0, true
}

// first returns the next call. A Rare one that has to wait for its share is next only if there
// is no other.
func (q *queue) first(now time.Time) (first *waiter) {
	rank := func(w *waiter) time.Time {
		u := w.place.Urgency()
		at := w.since.Add(patience[u])
		if u == Rare && q.rare.After(now) {
			at = at.Add(24 * time.Hour)
		}
		return at
	}
	for _, w := range q.waiting {
		if first == nil || rank(w).Before(rank(first)) {
			first = w
		}
	}
	return first
}

// leave removes a call from the queue and wakes the next one.
func (q *queue) leave(me *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, w := range q.waiting {
		if w == me {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			break
		}
	}
	if first := q.first(time.Now()); first != nil {
		first.signal()
	}
}

func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
