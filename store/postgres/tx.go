package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

// tx is one run of a function in a transaction.
type tx struct {
	ctx      context.Context
	conn     *pgxpool.Conn
	pg       pgx.Tx
	store    *Store
	writable bool
	// err is the first failure of the database. After it no statement runs, and the transaction fails, even if
	// the function ignores the error: one that mistakes it for "not found" would revoke.
	err error

	idps, backends map[string]int32 // numbers that this transaction found or assigned; shared after the commit
}

var errOver = errors.New("the transaction is over")

// write must be called first by every method that makes a change.
func (t *tx) write() {
	if !t.writable {
		panic("postgres: write in a View")
	}
}

func (t *tx) fail(err error) error {
	if t.err == nil {
		t.err = err
	}
	return t.err
}

// exec runs a statement and returns the number of rows that it affected.
func (t *tx) exec(sql string, args ...any) (int64, error) {
	if t.err != nil {
		return 0, t.err
	}
	ctx, cancel := context.WithTimeout(t.ctx, answerWithin)
	defer cancel()
	tag, err := t.pg.Exec(ctx, sql, args...)
	if err != nil {
		return 0, t.fail(err)
	}
	return tag.RowsAffected(), nil
}

// query runs a statement to its end: the receiver of the rows may want to run another on the connection.
func query[T any](t *tx, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	if t.err != nil {
		return nil, t.err
	}
	ctx, cancel := context.WithTimeout(t.ctx, answerWithin)
	defer cancel()
	rows, err := t.pg.Query(ctx, sql, args...)
	if err != nil {
		return nil, t.fail(err)
	}
	list, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, t.fail(err)
	}
	return list, nil
}

// one is query for at most one row.
func one[T any](t *tx, scan pgx.RowToFunc[T], sql string, args ...any) (row T, found bool, err error) {
	rows, err := query(t, scan, sql, args...)
	if err != nil || len(rows) == 0 {
		return row, false, err
	}
	return rows[0], true, nil
}

// Sizes of pages: most lists that end early end soon, so each page is twice as long as the one before. The
// first has the default page of a SCIM client, and one more.
const (
	firstPage = 101
	mostPage  = 2000
)

// pages yields a list page by page. Each page is one statement that begins after the last row of the page
// before, so the caller may run other statements and make changes meanwhile.
func pages[T any](next func(last *T, limit int) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last *T
		for limit := firstPage; ; limit = min(2*limit, mostPage) {
			list, err := next(last, limit)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range list {
				if !yield(row, nil) {
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

// known returns the number of an identity provider or backend, which never changes; 0 without one.
func (t *tx) known(mine map[string]int32, all *numbers, table, name string) (int32, error) {
	if n := mine[name]; n != 0 {
		return n, nil
	}
	if n := all.get(name); n != 0 {
		return n, nil
	}
	n, found, err := one(t, pgx.RowTo[int32], `SELECT id FROM `+table+` WHERE name = $1`, pgtext.Key(name))
	if err == nil && found {
		mine[name] = n
	}
	return n, err
}

func (t *tx) idp(name string) (int32, error) {
	return t.known(t.idps, &t.store.idps, "identity_providers", name)
}

func (t *tx) makeIdP(name string) (int32, error) {
	n, err := t.idp(name)
	if n != 0 || err != nil {
		return n, err
	}
	n, _, err = one(t, pgx.RowTo[int32], `INSERT INTO identity_providers (name, whole) VALUES ($1, $2) RETURNING id`, pgtext.Key(name), pgtext.Whole(name))
	if err == nil {
		t.idps[name] = n
	}
	return n, err
}

func (t *tx) backend(name string) (int32, error) {
	return t.known(t.backends, &t.store.backends, "backends", name)
}

func (t *tx) makeBackend(name string) (int32, error) {
	n, err := t.backend(name)
	if n != 0 || err != nil {
		return n, err
	}
	n, _, err = one(t, pgx.RowTo[int32], `INSERT INTO backends (name, whole) VALUES ($1, $2) RETURNING id`, pgtext.Key(name), pgtext.Whole(name))
	if err == nil {
		t.backends[name] = n
	}
	return n, err
}

// scanName reads a name that may be shortened.
func scanName(row pgx.CollectableRow) (string, error) {
	var name string
	var whole *string
	err := row.Scan(&name, &whole)
	if whole != nil {
		name = *whole
	}
	return pgtext.Plain(name), err
}

func (t *tx) list(sql string) []string {
	list, err := query(t, scanName, sql)
	if err != nil || len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return list
}

func (t *tx) IdPs() []string { return t.list(`SELECT name, whole FROM identity_providers`) }

func (t *tx) Backends() []string { return t.list(`SELECT name, whole FROM backends`) }

func (t *tx) Setting(name string) []byte {
	value, found, err := one(t, pgx.RowTo[[]byte], `SELECT value FROM settings WHERE name = $1`, pgtext.Key(name))
	if err != nil || !found {
		return nil
	}
	return append([]byte{}, value...)
}

func (t *tx) Settings() iter.Seq2[string, []byte] {
	type setting struct {
		key, name string
		value     []byte
	}
	list := pages(func(last *setting, limit int) ([]setting, error) {
		after := ""
		if last != nil {
			after = last.key
		}
		return query(t, func(row pgx.CollectableRow) (s setting, err error) {
			var whole *string
			if err = row.Scan(&s.key, &whole, &s.value); whole != nil {
				s.name = pgtext.Plain(*whole)
			} else {
				s.name = pgtext.Plain(s.key)
			}
			return s, err
		}, `SELECT name, whole, value FROM settings WHERE name > $1 OR $2 ORDER BY name LIMIT $3`, after, last == nil, limit)
	})
	return func(yield func(string, []byte) bool) {
		for s, err := range list {
			if err != nil || !yield(s.name, append([]byte{}, s.value...)) {
				return
			}
		}
	}
}

func (t *tx) SetSetting(name string, value []byte) error {
	t.write()
	var err error
	if value == nil {
		_, err = t.exec(`DELETE FROM settings WHERE name = $1`, pgtext.Key(name))
	} else {
		_, err = t.exec(`INSERT INTO settings (name, whole, value) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, pgtext.Key(name), pgtext.Whole(name), value)
	}
	if err != nil {
		return fmt.Errorf("set setting %q: %w", name, err)
	}
	return nil
}

func (t *tx) Directory(idp string) store.Directory   { return &directory{t, idp} }
func (t *tx) Work(backend string) store.Work         { return &work{t, backend} }
func (t *tx) Ledger(backend string) store.Ledger     { return &ledger{t, backend} }
func (t *tx) Accounts(backend string) store.Accounts { return &accounts{t, backend} }
func (t *tx) Events() store.Events                   { return &events{t} }
