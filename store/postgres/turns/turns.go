// Package turns lets the changes of one resource in this process run one after another.
//
// Concurrent changes write the same row, so the server would undo and repeat them many times. A waiting
// change has no connection and no lock. Replicas do not wait for each other. Correctness does not depend
// on the turns: a change that has waited for long goes on.
package turns

import (
	"context"
	"sync"
	"time"
)

// Turns are the queues of all resources. Patience bounds a wait.
type Turns struct {
	Patience time.Duration

	mu sync.Mutex
	of map[string]*queue
}

type queue struct {
	turn chan struct{} // has one element while a change runs; waiting ones run in their order
	here int           // in the queue or at its head
}

// Wait waits for a turn, which ends with leave.
func (q *Turns) Wait(ctx context.Context, resource string) (leave func()) {
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
	late := time.NewTimer(q.Patience)
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

// Len returns the number of resources with a queue.
func (q *Turns) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.of)
}
