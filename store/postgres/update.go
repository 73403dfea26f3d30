package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/scimbridge/scimbridge/store"
)

const (
	// tries is the most often that an Update runs its function. The last runs are alone and cannot conflict.
	tries     = 8
	aloneFrom = 4
	// lostTries is the number of retries after a connection is lost before the commit: the pool may be full of dead ones.
	lostTries = 4
	// answerWithin bounds one statement, so that a silent server does not block a request indefinitely.
	answerWithin = 20 * time.Second
	// queuePatience bounds the wait for other Updates of the same resource. A change takes milliseconds.
	queuePatience = 2 * time.Second
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

// View implements store.Store: it sees the store as it is at one moment.
func (s *Store) View(ctx context.Context, fn func(tx store.Tx) error) error {
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

func (s *Store) view(ctx context.Context, fn func(tx store.Tx) error) error {
	t, err := s.begin(ctx, beginView)
	if err != nil {
		return err
	}
	defer t.end()
	err = fn(t)
	if t.err != nil {
		return databaseError{t.err}
	}
	s.learn(t)
	return err
}

// databaseError is a failure of the database, not an error of the function.
type databaseError struct{ error }

func (e databaseError) Unwrap() error { return e.error }

// begin begins a transaction. The caller must end it.
func (s *Store) begin(ctx context.Context, how string) (*tx, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, store.ErrClosed
	}
	limited, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, err := s.pool.Acquire(limited)
	if err != nil {
		return nil, databaseError{began{err}}
	}
	pgtx, err := conn.BeginTx(limited, pgx.TxOptions{BeginQuery: how})
	if err != nil {
		conn.Release()
		return nil, databaseError{began{err}}
	}
	return &tx{ctx: ctx, conn: conn, pg: pgtx, store: s, writable: how != beginView, idps: map[string]int32{}, backends: map[string]int32{}}, nil
}

// end undoes uncommitted changes and marks the transaction as over. The pool drops a connection on which the
// rollback fails.
func (t *tx) end() {
	if t.err == nil {
		t.err = errOver
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	_ = t.pg.Rollback(ctx) // no effect after a commit
	t.conn.Release()
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(tx store.Tx) error) error {
	return s.update(ctx, nil, fn)
}

func (s *Store) update(ctx context.Context, lease *store.Lease, fn func(tx store.Tx) error) error {
	defer s.queues.wait(ctx, store.IsAbout(ctx))()
	for try := 1; ; try++ {
		how := withOthers
		if try >= aloneFrom {
			how = alone
		}
		err := s.once(ctx, how, func(t *tx) error {
			if lease != nil {
				if err := t.fence(*lease); err != nil {
					return err
				}
			}
			return fn(t)
		})
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
func (s *Store) once(ctx context.Context, how string, fn func(t *tx) error) error {
	t, err := s.begin(ctx, how)
	if err != nil {
		return err
	}
	defer t.end()
	err = fn(t)
	if t.err != nil {
		return databaseError{t.err}
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if err := t.commit(); err != nil {
		return databaseError{err}
	}
	s.learn(t)
	return nil
}

// unknownError is a commit whose answer was lost, or does not confirm the standby.
type unknownError struct{ error }

func (e unknownError) Unwrap() error { return e.error }

// commit makes the transaction durable. It ignores the end of the caller's context, because no caller can use
// the answer "perhaps". If the connection or the primary is lost meanwhile, the error is an unknownError.
func (t *tx) commit() error {
	conn := t.conn.Conn()
	if conn.IsClosed() {
		return pgconn.ErrConnClosed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), answerWithin)
	defer cancel()
	said := conn.PgConn().CustomData()
	delete(said, warned)
	err := t.pg.Commit(ctx)
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
func (s *Store) outcome(ctx context.Context, doing string, err error) error {
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
	return fmt.Errorf("%s: %w: %w", doing, store.ErrFull, remedied(failed.error))
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
