package postgres

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// TestUpdatesOfOneGroup makes concurrent changes of one group: none is repeated, and no queue is left
// afterwards.
func TestUpdatesOfOneGroup(t *testing.T) {
	s := mustOpen(t, postgrestest.Database(t), Options{})
	s.db.Turns.Patience = time.Hour
	fill(t, s, 40, 2)
	mustUpdate(t, s, patch(uuid('b', 1), uuid('a', 0))) // the first of the backend
	var runs atomic.Int64
	var wg sync.WaitGroup
	for c := range 40 {
		wg.Go(func() {
			err := s.Update(store.About(context.Background(), "the group"), func(tx store.Tx) error {
				runs.Add(1)
				return patch(uuid('b', 0), uuid('a', c))(tx)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := runs.Load(); n != 40 {
		t.Errorf("40 changes of one group ran %d times", n)
	}
	if n := s.db.Turns.Len(); n > 0 {
		t.Errorf("%d queues are left", n)
	}
}

// TestAStuckUpdate checks that the wait behind a stuck Update ends, and that other resources do not wait at all.
func TestAStuckUpdate(t *testing.T) {
	s := mustOpen(t, postgrestest.Database(t), Options{})
	fill(t, s, 2, 2)
	s.db.Turns.Patience = time.Hour
	stuck, goOn := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var once sync.Once
		err := s.Update(store.About(context.Background(), "a"), func(tx store.Tx) error {
			once.Do(func() { close(stuck) })
			<-goOn
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-stuck
	set := func(ctx context.Context, name string) error {
		return s.Update(ctx, func(tx store.Tx) error { return tx.SetSetting(name, []byte("x")) })
	}
	if err := set(store.About(context.Background(), "b"), "of another"); err != nil {
		t.Error(err)
	}
	gone, cancel := context.WithCancel(store.About(context.Background(), "a"))
	cancel()
	if err := set(gone, "of a client that has gone"); err == nil {
		t.Error("a cancelled Update was run")
	}
	s.db.Turns.Patience = time.Millisecond
	if err := set(store.About(context.Background(), "a"), "of one that is late"); err != nil {
		t.Error(err)
	}
	close(goOn)
	wg.Wait()
	if n := s.db.Turns.Len(); n > 0 {
		t.Errorf("%d queues are left", n)
	}
}
