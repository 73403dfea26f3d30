package pgtx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/store/postgres/turns"
)

// minPool is the default of pool_max_conns in the DSN.
const minPool = 16

// Open connects to a server and checks it. The tracer, if there is one, sees every statement.
func Open(ctx context.Context, dsn string, tracer pgx.QueryTracer) (*DB, error) {
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
	c.ConnConfig.Tracer = tracer
	c.ConnConfig.OnNotice = notice
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { return inspect(ctx, conn) } // also after a fail-over
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", Remedied(err))
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connecting to PostgreSQL: %w", Remedied(err))
	}
	return &DB{Pool: pool, Turns: turns.Turns{Patience: turnPatience}}, nil
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
