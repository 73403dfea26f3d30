package postgres

import (
	"context"
	"fmt"
	"testing"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
	"github.com/scimbridge/scimbridge/store/storetest"
	"github.com/scimbridge/scimbridge/store/storetest/model"
	"github.com/scimbridge/scimbridge/store/storetest/reread"
)

func mustOpen(t testing.TB, dsn string, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return mustOpen(t, postgrestest.Database(t), Options{}) })
}

// TestReread checks what a transaction keeps of its reads.
func TestReread(t *testing.T) {
	reread.Run(t, mustOpen(t, postgrestest.Database(t), Options{}))
}

func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dsn := postgrestest.Database(t)
			model.Run(t, func() (store.Store, error) { return Open(context.Background(), dsn, Options{}) }, seed)
		})
	}
}

func TestSharedContract(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) func() store.Shared {
		dsn := postgrestest.Database(t)
		return func() store.Shared { return mustOpen(t, dsn, Options{}) }
	})
}
