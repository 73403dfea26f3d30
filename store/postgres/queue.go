package postgres

import (
	"context"
	"sync"
	"time"
)

// queues let the Updates of this process about one resource come one after the other. Two at once change the same row, so the server
// would undo one of them, which would try again among those that came meanwhile, and each would run many times. An Update that waits
// here has no connection and no lock. The replicas do not wait for each other, and nothing relies on it: who has waited for long, since
// the one before is stuck, goes on.
type queues struct {
	mu       sync.Mutex
	of       map[string]*queue
	patience time.Duration
}

type queue struct {
	turn chan struct{} // holds one while an Update has its turn; those that wait are served in their order
	here int           // in the queue or at its head
}

// wait waits for one's turn, which ends with leave.
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
