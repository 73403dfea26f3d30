package pgtx

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Tx is one run of a function in a transaction.
type Tx struct {
	ctx      context.Context
	conn     *pgxpool.Conn
	run      runner
	writable bool
	over     bool // it was committed
	// err is the first failure of the database. After it no statement runs, and the transaction fails, even if
	// the function ignores the error: one that mistakes it for "not found" would revoke.
	err    error
	queued []queued
}

// runner sends statements: a connection, or a transaction of another owner.
type runner interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Wrap returns a transaction of another owner, who begins and ends it: it must Flush before the end.
func Wrap(ctx context.Context, pg pgx.Tx) *Tx {
	return &Tx{ctx: ctx, run: pg, writable: true}
}

// queued is a statement that waits, and the receiver of its rows.
type queued struct {
	sql  string
	args []any
	read func(pgx.Rows) error
}

// maxQueued bounds the statements that wait.
const maxQueued = 200

var errOver = errors.New("the transaction is over")

// Writes reports whether the transaction is an Update.
func (t *Tx) Writes() bool { return t.writable }

// MustWrite panics in a View. Every method that makes a change calls it first.
func (t *Tx) MustWrite() {
	if !t.writable {
		panic("postgres: write in a View")
	}
}

// Err returns the failure that ended the transaction; nil without one.
func (t *Tx) Err() error { return t.err }

func (t *Tx) fail(err error) error {
	if t.err == nil {
		t.err = err
	}
	return t.err
}

// Later runs a statement together with the next one that is read, or before the commit: in its order, but
// without a wait for its answer. A failure ends the transaction.
func (t *Tx) Later(sql string, args ...any) error { return t.later(queued{sql, args, ended}) }

// Ask runs a statement, and ReadLater runs it as Later does. The function gets its rows.
func (t *Tx) Ask(sql string, args []any, read func(pgx.Rows) error) error {
	return t.exchange(&queued{sql, args, read})
}

// ReadLater is Ask, together with the next statement.
func (t *Tx) ReadLater(sql string, args []any, read func(pgx.Rows) error) error {
	return t.later(queued{sql, args, read})
}

// ended reads rows to their end.
func ended(rows pgx.Rows) error {
	rows.Close()
	return rows.Err()
}

func (t *Tx) later(q queued) error {
	if t.err != nil {
		return t.err
	}
	t.queued = append(t.queued, q)
	if len(t.queued) >= maxQueued {
		return t.Flush()
	}
	return nil
}

// Flush runs the statements that wait.
func (t *Tx) Flush() error {
	if t.err == nil && len(t.queued) > 0 {
		return t.exchange(nil)
	}
	return t.err
}

// exchange runs the statements that wait, and one more, in one message.
func (t *Tx) exchange(last *queued) error {
	if t.err != nil {
		return t.err
	}
	ctx, cancel := context.WithTimeout(t.ctx, answerWithin)
	defer cancel()
	all := t.queued
	if t.queued = nil; last != nil {
		all = append(all, *last)
	}
	var err error
	if len(all) == 1 {
		var rows pgx.Rows
		if rows, err = t.run.Query(ctx, all[0].sql, all[0].args...); err == nil {
			err = all[0].read(rows)
		}
	} else {
		err = t.send(ctx, all)
	}
	if err != nil {
		return t.fail(err)
	}
	return nil
}

// send runs statements in one message, up to the first failure.
func (t *Tx) send(ctx context.Context, all []queued) (err error) {
	batch := &pgx.Batch{}
	for _, q := range all {
		batch.Queue(q.sql, q.args...)
	}
	results := t.run.SendBatch(ctx, batch)
	defer func() {
		if closed := results.Close(); err == nil {
			err = closed
		}
	}()
	for _, q := range all {
		rows, err := results.Query()
		if err == nil {
			err = q.read(rows)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Exec runs a statement and returns the number of rows that it affected.
func (t *Tx) Exec(sql string, args ...any) (affected int64, err error) {
	err = t.Ask(sql, args, func(rows pgx.Rows) error {
		err := ended(rows)
		affected = rows.CommandTag().RowsAffected()
		return err
	})
	return affected, err
}

// Query runs a statement to its end: the receiver of the rows may want to run another on the connection.
func Query[T any](t *Tx, scan pgx.RowToFunc[T], sql string, args ...any) (list []T, err error) {
	err = t.Ask(sql, args, func(rows pgx.Rows) (err error) {
		list, err = pgx.CollectRows(rows, scan)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// One is Query for at most one row.
func One[T any](t *Tx, scan pgx.RowToFunc[T], sql string, args ...any) (row T, found bool, err error) {
	rows, err := Query(t, scan, sql, args...)
	if err != nil || len(rows) == 0 {
		return row, false, err
	}
	return rows[0], true, nil
}

// Sizes of pages: most lists that end early end soon, so each page is twice as long as the one before. The
// first has the default page of a SCIM client, and one more.
const (
	firstPage = 101
	MostPage  = 2000
)

// Pages yields a list page by page. Each page is one statement that begins after the last row of the page
// before, so the caller may run other statements and make changes meanwhile. An error begins with the words
// of doing.
func Pages[T, R any](doing string, value func(T) R, next func(last *T, limit int) ([]T, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var last *T
		for limit := firstPage; ; limit = min(2*limit, MostPage) {
			list, err := next(last, limit)
			if err != nil {
				var none R
				yield(none, fmt.Errorf("%s: %w", doing, err))
				return
			}
			for _, row := range list {
				if !yield(value(row), nil) {
					return
				}
			}
			if len(list) < limit {
				return
			}
			last = &list[len(list)-1]
		}
	}
}
