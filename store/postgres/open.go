package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/store"
)

// Options tune Open. The zero value is fine.
type Options struct {
	Tracer pgx.QueryTracer // sees every statement
}

// Store is a database. It implements store.Shared.
type Store struct {
	pool   *pgxpool.Pool
	failed chan struct{} // never closed: a database that is lost comes back
	closed atomic.Bool

	idps, backends numbers
	queues         queues
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
	pool, err := connect(ctx, dsn, o)
	if err != nil {
		return nil, err
	}
	if _, _, err := migrate(ctx, pool, migrations()); err != nil {
		pool.Close()
		return nil, err
	}
	return &Store{pool: pool, failed: make(chan struct{}), queues: queues{patience: queuePatience}}, nil
}

// Migrate creates or upgrades the tables as Open does, and returns the versions before and after.
func Migrate(ctx context.Context, dsn string) (from, to int, err error) {
	pool, err := connect(ctx, dsn, Options{})
	if err != nil {
		return 0, 0, err
	}
	defer pool.Close()
	return migrate(ctx, pool, migrations())
}

// Versions returns the version of the tables, 0 if there are none, and the one that this program knows. It changes nothing.
func Versions(ctx context.Context, dsn string) (there, known int, err error) {
	pool, err := connect(ctx, dsn, Options{})
	if err != nil {
		return 0, 0, err
	}
	defer pool.Close()
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		there, err = version(ctx, tx)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("reading the version of the tables: %w", err)
	}
	return there, len(migrations()), nil
}

// Connection has the properties of a DSN that a check of the configuration needs.
type Connection struct {
	Password bool // the DSN has one
	Verified bool // the server is verified, or on this machine
}

// Parse reads a DSN, without connecting.
func Parse(dsn string) (Connection, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return Connection{}, fmt.Errorf("reading the DSN: %w", err) // pgx leaves the password out
	}
	verified := func(host string, t *tls.Config) bool {
		ip := net.ParseIP(host)
		return host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback() || t != nil && !t.InsecureSkipVerify
	}
	out := Connection{c.ConnConfig.Password != "", verified(c.ConnConfig.Host, c.ConnConfig.TLSConfig)}
	for _, f := range c.ConnConfig.Fallbacks {
		out.Verified = out.Verified && verified(f.Host, f.TLSConfig)
	}
	return out, nil
}

// minPool is the default of pool_max_conns in the DSN.
const minPool = 16

func connect(ctx context.Context, dsn string, o Options) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("reading the DSN: %w", err) // pgx leaves the password out
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		c.MaxConns = max(c.MaxConns, minPool)
	}
	// Statements are sent unnamed, in one message with their parameters: a prepared one belongs to a session,
	// and behind a proxy the next transaction has another session. The cache here has only the types of
	// parameters and results.
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	c.ConnConfig.DialFunc = dialer.DialContext
	c.ConnConfig.Tracer = o.Tracer
	c.ConnConfig.OnNotice = notice
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return inspect(ctx, conn) } // also after a fail-over
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", remedied(err))
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", remedied(err))
	}
	return pool, nil
}

// warned is the key under which a connection remembers a warning. A commit has only one: the server stopped
// waiting for the standby. It has no code, and its text is in the language of the server.
const warned = "scimbridge.warned"

func notice(conn *pgconn.PgConn, n *pgconn.Notice) {
	if severity((*pgconn.PgError)(n)) == "WARNING" {
		conn.CustomData()[warned] = true
	}
}

// severity returns the severity of an error or a warning in English. A proxy may send only the translated one.
func severity(e *pgconn.PgError) string { return cmp.Or(e.SeverityUnlocalized, e.Severity) }

// server has the properties of a server.
type server struct {
	version    string
	number     int
	recovering bool
	encoding   string
	commit     string // synchronous_commit
	sync       string // fsync
	fullPages  string // full_page_writes
}

func inspect(ctx context.Context, conn *pgx.Conn) error {
	var s server
	err := conn.QueryRow(ctx, `SELECT version(), current_setting('server_version_num')::int, pg_is_in_recovery(), current_setting('server_encoding'),
		current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes')`).
		Scan(&s.version, &s.number, &s.recovering, &s.encoding, &s.commit, &s.sync, &s.fullPages)
	if err != nil {
		return fmt.Errorf("reading the settings of the server: %w", err)
	}
	return s.unfit()
}

// oldest is the oldest accepted version of the server: older ones get no fixes.
const oldest = 14

// unfit returns the reason why changes would not be durable on a server; nil if they are.
func (s server) unfit() error {
	switch {
	case !strings.HasPrefix(s.version, "PostgreSQL ") || strings.Contains(s.version, "-YB-"):
		return fmt.Errorf("this server is not PostgreSQL (%.40q): its guarantees are unknown; use PostgreSQL", s.version)
	case s.number < oldest*10000:
		return fmt.Errorf("this server is PostgreSQL %d; version %d or newer is required", s.number/10000, oldest)
	case s.recovering:
		return errors.New("this server is a read-only standby: name the primary, or all servers and target_session_attrs=read-write")
	case s.encoding != "UTF8":
		return fmt.Errorf("this database has the encoding %s and must have UTF8", s.encoding)
	case s.commit == "off":
		return errors.New("this server has synchronous_commit=off, with which a crash loses answered changes: set it to on")
	case s.sync == "off":
		return errors.New("this server has fsync=off, with which a crash can destroy the database: set it to on")
	case s.fullPages == "off":
		return errors.New("this server has full_page_writes=off, with which a crash can damage the database: set it to on")
	}
	return nil
}

// Failed implements store.Store. It is never closed: a confirmed commit is durable, and a lost database comes
// back.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Close waits for running transactions.
func (s *Store) Close() error {
	if !s.closed.Swap(true) {
		s.pool.Close()
	}
	return nil
}
