package postgres

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/oldsettings"
	"github.com/scimbridge/scimbridge/store/postgres/leases"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
	"github.com/scimbridge/scimbridge/store/postgres/schema"
)

// Options tune Open. The zero value is fine.
type Options struct {
	Tracer pgx.QueryTracer // sees every statement
}

// Store is a database. It implements store.Shared.
type Store struct {
	leases.Table
	db     *pgtx.DB
	failed chan struct{} // never closed: a database that is lost comes back

	idps, backends numbers
}

var _ store.Shared = (*Store)(nil)

// numbers holds the numbers of committed names; they never change.
type numbers struct {
	mu sync.RWMutex
	of map[string]int32
}

func (n *numbers) get(name string) int32 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.of[name]
}

func (n *numbers) add(more map[string]int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.of == nil {
		n.of = map[string]int32{}
	}
	for name, number := range more {
		n.of[name] = number
	}
}

// learn keeps the numbers that a committed transaction found.
func (s *Store) learn(t *tx) {
	if len(t.idps) > 0 {
		s.idps.add(t.idps)
	}
	if len(t.backends) > 0 {
		s.backends.add(t.backends)
	}
}

// Open connects to a database that can hold the store, and creates or upgrades its tables. Of several
// replicas that start together one does that, and the others wait.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	db, err := pgtx.Open(ctx, dsn, o.Tracer)
	if err != nil {
		return nil, err
	}
	if _, _, err := migrate(ctx, db); err != nil {
		db.Close()
		return nil, err
	}
	return &Store{Table: leases.Table{DB: db}, db: db, failed: make(chan struct{})}, nil
}

// Migrate creates or upgrades the tables as Open does, and returns the versions before and after.
func Migrate(ctx context.Context, dsn string) (from, to int, err error) {
	db, err := pgtx.Open(ctx, dsn, nil)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	return migrate(ctx, db)
}

func migrate(ctx context.Context, db *pgtx.DB) (from, to int, err error) {
	return schema.Migrate(ctx, db.Pool, schema.Steps(), convertSettings)
}

// convertSettings fills the typed tables from the settings.
func convertSettings(ctx context.Context, pg pgx.Tx) error {
	t := newTx(&Store{}, pgtx.Wrap(ctx, pg))
	if err := oldsettings.Convert(t); err != nil {
		return err
	}
	return t.Flush()
}

// Versions returns the version of the tables, 0 if there are none, and the one that this program knows. It changes nothing.
func Versions(ctx context.Context, dsn string) (there, known int, err error) {
	db, err := pgtx.Open(ctx, dsn, nil)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	there, err = schema.Version(ctx, db.Pool)
	return there, len(schema.Steps()), err
}

// View implements store.Store: it sees the store as it is at one moment.
func (s *Store) View(ctx context.Context, fn func(tx store.Tx) error) error {
	var run *tx
	err := s.db.View(ctx, func(p *pgtx.Tx) error {
		run = newTx(s, p)
		return fn(run)
	})
	if err == nil {
		s.learn(run)
	}
	return err
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	return s.update(ctx, nil, fn)
}

func (s *Store) update(ctx context.Context, fence *pgtx.Guard, fn func(tx store.Tx) error) error {
	var run *tx
	err := s.db.Update(ctx, store.IsAbout(ctx), fence, func(p *pgtx.Tx) error {
		run = newTx(s, p)
		return fn(run)
	})
	if err == nil {
		s.learn(run)
	}
	return err
}

// Failed implements store.Store. It is never closed: a confirmed commit is durable, and a lost database comes
// back.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Close waits for running transactions.
func (s *Store) Close() error {
	s.db.Close()
	return nil
}
