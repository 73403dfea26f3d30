package postgres

import (
	"context"
	"sync"
	"time"
)

// queues lets the Updates of one resource in this process run one after another. Concurrent ones change the
// same row, so the server would undo and repeat them many times.
//
// A waiting Update has no connection and no lock. Replicas do not wait for each other. Correctness does not
// depend on the queue: an Update that has waited for long goes on.
type queues struct {
	mu       sync.Mutex
	of       map[string]*queue
	patience time.Duration
}

type queue struct {
	turn chan struct{} // has one element while an Update runs; waiting ones run in their order
	here int           // in the queue or at its head
}

// wait waits for a turn, which ends with leave.
func (q *queues) wait(ctx context.Context, resource string) (leave func()) {
	if resource == "" {
		return func() {}
	}
	q.mu.Lock()
	one := q.of[resource]
	if one == nil {
		if q.of == nil {
			q.of = map[string]*queue{}
		}
		one = &queue{turn: make(chan struct{}, 1)}
		q.of[resource] = one
	}
	one.here++
	q.mu.Unlock()

	mine := false
	late := time.NewTimer(q.patience)
	defer late.Stop()
	select {
	case one.turn <- struct{}{}:
		mine = true
	case <-late.C:
	case <-ctx.Done():
	}
	return func() {
		if mine {
			<-one.turn
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		if one.here--; one.here == 0 {
			delete(q.of, resource)
		}
	}
}
