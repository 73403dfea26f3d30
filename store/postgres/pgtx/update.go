package pgtx

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/turns"
)

// DB is a database. Its methods may be called concurrently.
type DB struct {
	Pool   *pgxpool.Pool
	Turns  turns.Turns // of Updates of one resource
	closed atomic.Bool
}

const (
	// tries is the most often that an Update runs its function. The last runs are alone and cannot conflict.
	tries     = 8
	aloneFrom = 4
	// lostTries is the number of retries after a connection is lost before the commit: the pool may be full of dead ones.
	lostTries = 4
	// answerWithin bounds one statement, so that a silent server does not block a request indefinitely.
	answerWithin = 20 * time.Second
	// turnPatience bounds the wait for other Updates of the same resource. A change takes milliseconds.
	turnPatience = 2 * time.Second
)

// The beginnings of transactions. Each is one message, and its settings end with the transaction, because a
// proxy may give the connection to another client next.
//
// The server ends a transaction whose process was stopped, so that it holds locks no longer than a lease
// lasts. No timeout of statements may end a commit that waits for a standby, because the server would report
// it as done. The planner must use indexes: if it has not seen a table since it grew, it would read a whole
// group for each page, or a whole table for a join.
const (
	settingsOfAll = `set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off; ` +
		`set local jit = off; set local statement_timeout = 0; `

	beginView   = `begin isolation level repeatable read read only; ` + settingsOfAll + `set local idle_in_transaction_session_timeout = '15min'`
	beginUpdate = `begin isolation level serializable read write; ` + settingsOfAll +
		`set local idle_in_transaction_session_timeout = '5s'; set local lock_timeout = '15s'; lock table turn in `
	withOthers = beginUpdate + `row share mode`
	alone      = beginUpdate + `exclusive mode` // before the snapshot: then no other transaction has uncommitted changes
)

// View runs a function that sees the database as it is at one moment.
func (s *DB) View(ctx context.Context, fn func(t *Tx) error) error {
	for try := 1; ; try++ {
		err := s.view(ctx, fn)
		var before began // only then is a repetition safe: the function has not run
		if !errors.As(err, &before) || !lost(before) || try == lostTries || ctx.Err() != nil {
			return s.outcome(ctx, "view", err)
		}
		pause(ctx, try)
	}
}

// began is an error from before the function ran.
type began struct{ error }

func (e began) Unwrap() error { return e.error }

// lost reports whether a connection was lost or not available. Its changes are undone, unless the commit was under way.
func lost(err error) bool {
	var pg *pgconn.PgError
	return !errors.As(err, &pg) || severity(pg) == "FATAL" || severity(pg) == "PANIC"
}

func (s *DB) view(ctx context.Context, fn func(t *Tx) error) error {
	t, err := s.begin(ctx, beginView, nil)
	if err != nil {
		return err
	}
	defer t.end()
	err = fn(t)
	if t.err != nil {
		return databaseError{t.err}
	}
	return err
}

// databaseError is a failure of the database, not an error of the function.
type databaseError struct{ error }

func (e databaseError) Unwrap() error { return e.error }

// Guard is a condition of an Update. The function runs only if the statement returns a row, which may be
// locked until the end: otherwise the Update ends with an error.
type Guard struct {
	SQL       string
	Args      []any
	Otherwise error
}

// begin begins a transaction, and checks its guard in the same message. The caller must end it.
func (s *DB) begin(ctx context.Context, how string, guard *Guard) (*Tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	limited, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, err := s.Pool.Acquire(limited)
	if err != nil {
		return nil, databaseError{began{err}}
	}
	t := &Tx{ctx: ctx, conn: conn, run: conn, writable: how != beginView}
	rows := int64(1)
	if guard == nil {
		_, err = conn.Exec(limited, how)
	} else {
		rows, err = t.beginGuarded(limited, how, guard)
	}
	if err == nil && rows == 0 {
		t.end()
		return nil, guard.Otherwise
	}
	if err != nil {
		t.end()
		return nil, databaseError{began{err}}
	}
	return t, nil
}

// beginGuarded begins a transaction and runs the statement of its guard. Both are one message, in which the
// values are literals, where the server reads those as the standard says.
func (t *Tx) beginGuarded(ctx context.Context, how string, guard *Guard) (rows int64, err error) {
	var tag pgconn.CommandTag // of the last statement
	server := t.conn.Conn().PgConn()
	if server.ParameterStatus("standard_conforming_strings") == "on" && server.ParameterStatus("client_encoding") == "UTF8" {
		tag, err = t.conn.Exec(ctx, how+"; "+guard.SQL, append([]any{pgx.QueryExecModeSimpleProtocol}, guard.Args...)...)
	} else if _, err = t.conn.Exec(ctx, how); err == nil {
		tag, err = t.conn.Exec(ctx, guard.SQL, guard.Args...)
	}
	return tag.RowsAffected(), err
}

// end undoes uncommitted changes and marks the transaction as over. The pool drops a connection on which the
// rollback fails.
func (t *Tx) end() {
	if t.err == nil {
		t.err = errOver
	}
	defer t.conn.Release()
	if t.over || t.conn.Conn().IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	if _, err := t.conn.Exec(ctx, "rollback"); err != nil {
		_ = t.conn.Conn().Close(ctx)
	}
}

// Update runs a function and commits its changes. It repeats the function after a conflict and after a
// connection that was lost before the commit. Updates of one resource run one after another.
func (s *DB) Update(ctx context.Context, resource string, guard *Guard, fn func(t *Tx) error) error {
	defer s.Turns.Wait(ctx, resource)()
	for try := 1; ; try++ {
		how := withOthers
		if try >= aloneFrom {
			how = alone
		}
		err := s.once(ctx, how, guard, fn)
		limit := 0
		var failed databaseError
		var unknown unknownError
		switch {
		case !errors.As(err, &failed), errors.As(err, &unknown):
		case conflict(failed):
			limit = tries
		case lost(failed):
			limit = lostTries
		}
		if try >= limit || ctx.Err() != nil {
			return s.outcome(ctx, "update", err)
		}
		pause(ctx, try)
	}
}

// Alone runs a function in a transaction that begins in its own way, once.
func (s *DB) Alone(ctx context.Context, doing, begin string, fn func(t *Tx) error) error {
	return s.outcome(ctx, doing, s.once(ctx, begin, nil, fn))
}

// Close waits for running transactions.
func (s *DB) Close() {
	if !s.closed.Swap(true) {
		s.Pool.Close()
	}
}

// conflict reports whether the server has undone a transaction because of a concurrent one. It includes a
// value that became taken and a group that was deleted meanwhile: the next try sees that.
func conflict(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "40001", "40P01", "23505", "23503":
		return true
	}
	return false
}

// pause waits longer with each try, for a random time so that two transactions do not meet again.
func pause(ctx context.Context, try int) {
	most := min(5*time.Millisecond<<try, 400*time.Millisecond)
	t := time.NewTimer(rand.N(most))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// once runs the function in one transaction and commits it.
func (s *DB) once(ctx context.Context, how string, guard *Guard, fn func(t *Tx) error) error {
	t, err := s.begin(ctx, how, guard)
	if err != nil {
		return err
	}
	defer t.end()
	err = fn(t)
	if err == nil {
		_ = t.Flush()
	}
	switch {
	case t.err != nil:
		return databaseError{t.err}
	case err == nil:
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if err := t.commit(); err != nil {
		return databaseError{err}
	}
	return nil
}

// unknownError is a commit whose answer was lost, or does not confirm the standby.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

// commit makes the transaction durable. It ignores the end of the caller's context, because no caller can use
// the answer "perhaps". If the connection or the primary is lost meanwhile, the error is an unknownError.
func (t *Tx) commit() error {
	conn := t.conn.Conn()
	if conn.IsClosed() {
		return pgconn.ErrConnClosed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), answerWithin)
	defer cancel()
	said := conn.PgConn().CustomData()
	delete(said, warned)
	t.over = true
	tag, err := conn.Exec(ctx, "commit")
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	if err != nil && conn.PgConn().TxStatus() != 'I' {
		_ = conn.Close(ctx)
	}
	var pg *pgconn.PgError
	switch {
	case err == nil && said[warned] != nil:
		return unknownError{errors.New("the primary has committed without its standby")}
	case err == nil, errors.Is(err, pgx.ErrTxCommitRollback), errors.As(err, &pg) && severity(pg) == "ERROR":
		return err
	}
	return unknownError{unanswered(err)} // pgconn.SafeToRetry cannot be trusted here: it mistakes a connection that broke while waiting for one that was closed before
}

// outcome returns the error of the port for a failure.
func (s *DB) outcome(ctx context.Context, doing string, err error) error {
	var failed databaseError
	var unknown unknownError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unknown):
		return fmt.Errorf("%s: %w: %w", doing, store.ErrUnknown, unknown.error)
	case s.closed.Load() && errors.As(err, &failed), errors.Is(err, store.ErrClosed):
		return fmt.Errorf("%s: %w", doing, store.ErrClosed)
	case !errors.As(err, &failed):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case ours(failed.error):
		return fmt.Errorf("%s: %w", doing, failed.error)
	}
	return fmt.Errorf("%s: %w: %w", doing, store.ErrFull, Remedied(failed.error))
}

// ours reports whether the server always refuses the statement: a mistake of this package, or a value that it cannot hold.
func ours(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || conflict(err) {
		return false
	}
	switch pg.Code[:2] {
	case "22", "23", "42", "54":
		return true
	}
	return false
}
