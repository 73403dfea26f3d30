package bolt

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/storetest"
	"github.com/scimbridge/scimbridge/store/storetest/model"
	"github.com/scimbridge/scimbridge/store/storetest/reread"
)

func mustOpen(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
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
	storetest.Run(t, func(t *testing.T) store.Store {
		s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
		t.Cleanup(func() {
			if err := s.Check(); err != nil && !isClosed(err) {
				t.Errorf("deep check: %v", err)
			}
		})
		return s
	})
}

func isClosed(err error) bool { return errors.Is(err, store.ErrClosed) }

func TestReread(t *testing.T) {
	reread.Run(t, mustOpen(t, filepath.Join(t.TempDir(), "store.db")))
}

func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			model.Run(t, func() (store.Store, error) {
				s, err := Open(path, Options{})
				if err != nil {
					return nil, err
				}
				if seed%2 == 1 { // most changes are large
					s.part = 1
				}
				return s, s.Check()
			}, seed)
		})
	}
}
