package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/bolt/pages"
	"github.com/scimbridge/scimbridge/store/bolt/tables"
)

const (
	// growStep is the growth of the file in bytes. bbolt syncs the file every time.
	growStep = 4 << 20
)

// Options tunes Open. The zero value has the defaults.
type Options struct {
	// LockTimeout bounds the wait for another process that has the file open; zero means 900 ms.
	LockTimeout time.Duration
}

// Store is a store.Store in one file.
type Store struct {
	db   *bbolt.DB
	file *os.File // opened and closed by db; here only read
	path string

	mu         sync.Mutex
	quiet      sync.Cond // signals that committing has become false
	queue      []*job    // jobs that came during a commit
	committing bool
	closed     bool
	views      sync.WaitGroup

	part     int                // kv.PartSize; less in tests
	large    sync.Mutex         // held for each part of a large change, and for its end: see prepare.go
	expected map[groupAhead]int // groups for which members are prepared
	tidying  bool               // loose rows are being removed
	untidy   bool               // more have come since
	tidiers  sync.WaitGroup

	failed   chan struct{}
	failOnce sync.Once
	wedged   atomic.Bool

	commitHook func(*bbolt.Tx) error // in tests
}

var _ store.Store = (*Store)(nil)

// Open opens the file, or creates it if it does not exist. It refuses an unusable file and leaves it exactly
// as it is: a new, empty file in its place would revoke all grants as soon as a group arrives.
func Open(path string, o Options) (*Store, error) {
	if o.LockTimeout == 0 {
		o.LockTimeout = 900 * time.Millisecond
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, fmt.Errorf("create store: %w", err)
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open store: %s is not a file", path)
	}
	db, file, err := openFile(path, o.LockTimeout)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("open store: %w", err), db.Close())
		}
	}
	s := &Store{db: db, file: file, path: path, failed: make(chan struct{}), part: kv.PartSize, expected: map[groupAhead]int{}}
	s.quiet.L = &s.mu
	loose, err := s.hasLoose()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), db.Close())
	}
	if loose {
		s.tidyLater()
	}
	return s, nil
}

// create makes a file with its format under another name, and renames it once it is on disk: bbolt cannot
// open a file whose initialization was interrupted. It never replaces a file that another process has created
// meanwhile.
func create(path string) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // with mode 0600
	if err != nil {
		return err
	}
	tmp := f.Name()
	defer func() {
		if rm := os.Remove(tmp); err == nil && !errors.Is(rm, fs.ErrNotExist) {
			err = rm
		}
	}()
	if err := f.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(tmp, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket([]byte(kv.TopMeta))
		if err != nil {
			return err
		}
		return meta.Put([]byte(kv.MetaFormat), binary.BigEndian.AppendUint32(nil, fileFormat))
	})
	if err = errors.Join(err, db.Sync(), db.Close()); err != nil {
		return err
	}
	switch err := os.Link(tmp, path); {
	case err == nil, errors.Is(err, fs.ErrExist):
	default: // a file system without hard links
		if err := os.Rename(tmp, path); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openFile checks the pages of an existing file, under a shared lock against writers, and opens it.
func openFile(path string, timeout time.Duration) (db *bbolt.DB, file *os.File, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if file != nil {
				_ = file.Close() // releases the lock; the map stays until the process ends
			}
			db, file, err = nil, nil, damaged(path, fmt.Errorf("%v", p))
		}
	}()
	if info, err := os.Stat(path); err != nil {
		return nil, nil, err
	} else if info.Size() == 0 { // bbolt would initialize it
		return nil, nil, damaged(path, errors.New("it is empty"))
	}
	options := &bbolt.Options{
		Timeout:        timeout,
		ReadOnly:       true,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		NoStatistics:   true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
			file = f
			return f, err
		},
	}
	probe, err := openMapped(path, options)
	if err != nil {
		return nil, nil, openError(path, err)
	}
	pages := pages.Check(file)
	if err := probe.Close(); err != nil {
		return nil, nil, err
	}
	if pages != nil {
		return nil, nil, damaged(path, pages)
	}
	options.ReadOnly = false
	if db, err = openMapped(path, options); err != nil {
		return nil, nil, openError(path, err)
	}
	db.AllocSize = growStep
	format, err := formatOf(path, db)
	if err == nil {
		err = upgrade(path, db, format, steps())
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, file, nil
}

// mapSizes lists sizes of the map to try, the largest first. If a file outgrows its map, bbolt waits for every
// reader before it maps again, and all writers wait too. So the map is larger than any file. It takes no
// memory and no disk, except on Windows, where the file gets the size of its map.
func mapSizes(goos string, largest int64) (sizes []int) {
	for _, size := range []int64{64 << 30, 8 << 30, 1 << 30, 0} {
		if size <= largest && (goos != "windows" || size <= 1<<30) {
			sizes = append(sizes, int(size))
		}
	}
	return sizes
}

// openMapped opens the file with the largest map that the system grants.
func openMapped(path string, options *bbolt.Options) (db *bbolt.DB, err error) {
	for _, size := range mapSizes(runtime.GOOS, math.MaxInt) {
		options.InitialMmapSize = size
		if db, err = bbolt.Open(path, 0o600, options); !errors.Is(err, syscall.ENOMEM) && !errors.Is(err, syscall.EINVAL) {
			break
		}
	}
	return db, err
}

// refusal is an error of Open: a sentence for the operator, and an error of the port.
type refusal struct {
	sentence string
	is       error
}

func (r *refusal) Error() string { return r.sentence }
func (r *refusal) Unwrap() error { return r.is }

func damaged(path string, cause error) error {
	return &refusal{fmt.Sprintf("%s is damaged (%v) and was left as it is; restore it from a backup", path, cause), store.ErrDamaged}
}

func openError(path string, err error) error {
	var sys *fs.PathError
	var no syscall.Errno
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return &refusal{fmt.Sprintf("%s is in use by another scimbridge; stop that one, or give this one its own file", path), store.ErrLocked}
	case errors.As(err, &sys), errors.As(err, &no):
		return err
	}
	return damaged(path, err)
}

// View implements store.Store. During a long View the pages of its moment are not reused.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("view: %w", store.ErrClosed)
	}
	s.views.Add(1)
	s.mu.Unlock()
	defer s.views.Done()

	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	btx, err := s.db.Begin(false)
	if err != nil {
		return fmt.Errorf("view: %w", err)
	}
	defer s.rollback(btx)
	defer func() {
		if p := recover(); p != nil {
			damage := asDamage(p)
			if damage == nil {
				panic(p)
			}
			err = fmt.Errorf("view: %w", damage)
		}
	}()
	t := kv.New(btx)
	if err := fn(tables.New(t)); err != nil {
		return err
	}
	return t.Err
}

// Failed implements store.Store.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Close waits for running transactions. It may be called again.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	for s.committing {
		s.quiet.Wait()
	}
	s.mu.Unlock()
	s.tidiers.Wait()
	s.views.Wait()
	if s.wedged.Load() {
		return nil // a stuck transaction holds the locks, and the process is about to stop
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}
