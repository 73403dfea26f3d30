package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
)

func set(name string) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.SetSetting(name, []byte(name)) }
}

// together starts all functions so that they share one round: the committer is busy until all of them wait.
// It returns their errors and the number of commits.
func together(t *testing.T, s *Store, fns ...func(store.Tx) error) (errs []error, commits int) {
	t.Helper()
	commit := s.commitHook
	if commit == nil {
		commit = (*bbolt.Tx).Commit
	}
	s.commitHook = func(tx *bbolt.Tx) error { commits++; return commit(tx) }
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.Update(context.Background(), func(store.Tx) error {
			close(started)
			<-release
			return nil // without changes there is no commit
		})
	})
	<-started
	errs = make([]error, len(fns))
	for i, fn := range fns {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i] = s.Update(context.Background(), fn)
		})
		for waiting := 0; waiting != i+1; runtime.Gosched() { // in this order
			s.mu.Lock()
			waiting = len(s.queue)
			s.mu.Unlock()
		}
	}
	close(release)
	wg.Wait()
	return errs, commits
}

func has(t *testing.T, s *Store, name string) bool {
	t.Helper()
	there := false
	if err := s.View(context.Background(), func(tx store.Tx) error { there = tx.Setting(name) != nil; return nil }); err != nil {
		t.Fatal(err)
	}
	return there
}

func TestCommitIsShared(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
	var fns []func(store.Tx) error
	for i := range 50 {
		fns = append(fns, set(fmt.Sprint(i)))
	}
	errs, commits := together(t, s, fns...)
	if err := errors.Join(errs...); err != nil || commits != 1 {
		t.Errorf("%d commits: %v", commits, err)
	}
}

func TestFailureIsIsolated(t *testing.T) {
	wanted := errors.New("wanted")
	for name, test := range map[string]struct {
		fn      func(store.Tx) error
		commits int
		want    string
	}{
		"error without a write": {func(store.Tx) error { return wanted }, 1, "wanted"},
		"panic without a write": {func(store.Tx) error { panic("mine") }, 1, "panic: mine"},
		"error after a write":   {func(tx store.Tx) error { _ = set("bad")(tx); return wanted }, 2, "wanted"},
		"panic after a write":   {func(tx store.Tx) error { _ = set("bad")(tx); panic("mine") }, 2, "panic: mine"},
		"goexit":                {func(tx store.Tx) error { _ = set("bad")(tx); runtime.Goexit(); return nil }, 2, "update: the function ended its goroutine"},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
			runs := 0
			counted := func(tx store.Tx) error { runs++; return set("a")(tx) }
			errs, commits := together(t, s, counted, set("b"), test.fn, set("c"), set("d"))
			if commits != test.commits || runs > 2 {
				t.Errorf("%d commits, want %d; the first ran %d times", commits, test.commits, runs)
			}
			for i, err := range errs {
				if i == 2 && (err == nil || err.Error() != test.want) || i != 2 && err != nil {
					t.Errorf("function %d: %v", i, err)
				}
			}
			for _, n := range []string{"a", "b", "c", "d"} {
				if !has(t, s, n) {
					t.Errorf("%s is lost", n)
				}
			}
			if has(t, s, "bad") {
				t.Error("a function that failed left something")
			}
		})
	}
}

// A hundred functions that fail after a write need a hundred rounds, not a hundred times a hundred.
func TestManyFailures(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
	wanted := errors.New("wanted")
	runs := 0
	var fns []func(store.Tx) error
	for i := range 100 {
		fns = append(fns, func(tx store.Tx) error {
			runs++
			if err := set(fmt.Sprint(i))(tx); err != nil || i%2 == 0 {
				return err
			}
			return wanted
		})
	}
	errs, _ := together(t, s, fns...)
	for i, err := range errs {
		if (i%2 == 0) != (err == nil) || has(t, s, fmt.Sprint(i)) != (err == nil) {
			t.Errorf("function %d: %v", i, err)
		}
	}
	if runs > 2*len(fns) {
		t.Errorf("%d functions ran %d times", len(fns), runs)
	}
}

func TestAnswersFollowTheCommit(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
	s.commitHook = func(tx *bbolt.Tx) error {
		_ = tx.Rollback()
		return &fs.PathError{Op: "write", Err: syscall.ENOSPC}
	}
	put := func(id string) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.Directory("idp").PutUser(store.User{ID: id, UserName: "same"}) }
	}
	errs, _ := together(t, s, put("a"), put("b")) // b conflicts with a change that is rolled back
	for i, err := range errs {
		if !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrConflict) {
			t.Errorf("function %d: %v", i, err)
		}
	}
}

func TestFailedCommit(t *testing.T) {
	full := &fs.PathError{Op: "write", Err: syscall.ENOSPC}
	for name, test := range map[string]struct {
		hook     func(tx *bbolt.Tx) error
		want     error
		poisoned bool
	}{
		"no room": {func(tx *bbolt.Tx) error { _ = tx.Rollback(); return full }, store.ErrFull, false},
		"no room to grow": {func(tx *bbolt.Tx) error {
			_ = tx.Rollback()
			return errors.New("file resize error: " + syscall.EFBIG.Error())
		}, store.ErrFull, false},
		"no room, yet visible":    {func(tx *bbolt.Tx) error { _ = tx.Commit(); return full }, store.ErrPoisoned, true},
		"sync says no room":       {func(tx *bbolt.Tx) error { _ = tx.Rollback(); return syscall.ENOSPC }, store.ErrPoisoned, true},
		"input/output error":      {func(tx *bbolt.Tx) error { _ = tx.Rollback(); return &fs.PathError{Op: "write", Err: syscall.EIO} }, store.ErrPoisoned, true},
		"panic within the commit": {func(*bbolt.Tx) error { panic("page 7: invalid") }, store.ErrPoisoned, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustOpen(t, filepath.Join(t.TempDir(), "store.db"))
			s.commitHook = test.hook
			errs, _ := together(t, s, set("a"), set("b"), set("c"))
			for _, err := range errs {
				if !errors.Is(err, test.want) {
					t.Errorf("update: %v", err)
				}
			}
			s.commitHook = nil
			err := s.Update(t.Context(), set("later"))
			select {
			case <-s.Failed():
				if !test.poisoned || !errors.Is(err, store.ErrPoisoned) {
					t.Errorf("poisoned; later: %v", err)
				}
			default:
				if test.poisoned || err != nil {
					t.Errorf("not poisoned; later: %v", err)
				}
			}
		})
	}
}
