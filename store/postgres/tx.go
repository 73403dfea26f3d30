package postgres

import (
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
	"github.com/scimbridge/scimbridge/store/postgres/trail"
)

// tx is one run of a function in a transaction.
type tx struct {
	*pgtx.Tx
	store *Store

	idps, backends map[string]int32 // numbers that this transaction found or assigned; shared after the commit
	events         *trail.Events
	kept
}

func newTx(s *Store, p *pgtx.Tx) *tx {
	return &tx{Tx: p, store: s, events: &trail.Events{Tx: p}, idps: map[string]int32{}, backends: map[string]int32{}, kept: kept{complete: map[string]bool{}}}
}

// query and one run statements that are read.
func query[T any](t *tx, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	return pgtx.Query(t.Tx, scan, sql, args...)
}

func one[T any](t *tx, scan pgx.RowToFunc[T], sql string, args ...any) (T, bool, error) {
	return pgtx.One(t.Tx, scan, sql, args...)
}

// ofBackend is a part of the store that belongs to a backend.
type ofBackend struct {
	*tx
	name string
}

func (o ofBackend) number() (int32, error) { return o.backend(o.name) }

// find reads one row by the number of the backend and further arguments.
func find[T any](o ofBackend, scan pgx.RowToFunc[T], sql string, args ...any) (row T, err error) {
	n, err := o.number()
	found := false
	if err == nil && n != 0 {
		row, found, err = one(o.tx, scan, sql, append([]any{n}, args...)...)
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return row, err
}

// change deletes or updates one row by the number of the backend and further arguments, and reports whether
// it was there.
func (o ofBackend) change(sql string, args ...any) (there bool, err error) {
	o.MustWrite()
	n, err := o.number()
	if err != nil || n == 0 {
		return false, err
	}
	rows, err := o.Exec(sql, append([]any{n}, args...)...)
	return rows > 0, err
}

// remove is change for a row that must be there.
func (o ofBackend) remove(sql string, args ...any) error {
	there, err := o.change(sql, args...)
	if err == nil && !there {
		err = store.ErrNotFound
	}
	return err
}

// put writes a row by the number of the backend, which gets one, and further arguments.
func (o ofBackend) put(sql string, args ...any) error {
	o.MustWrite()
	n, err := o.makeBackend(o.name)
	if err != nil {
		return err
	}
	return o.Later(sql, append([]any{n}, args...)...)
}

// paged lists rows of an identity provider or a backend by its number: none if that is 0.
func paged[T, R any](doing string, number func() (int32, error), value func(T) R, next func(n int32, last *T, limit int) ([]T, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		n, err := number()
		if err != nil {
			var none R
			yield(none, fmt.Errorf("%s: %w", doing, err))
		}
		if err != nil || n == 0 {
			return
		}
		pgtx.Pages(doing, value, func(last *T, limit int) ([]T, error) { return next(n, last, limit) })(yield)
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

// assigned is known, or the number that the name gets.
func (t *tx) assigned(mine map[string]int32, all *numbers, table, name string) (int32, error) {
	n, err := t.known(mine, all, table, name)
	if n != 0 || err != nil {
		return n, err
	}
	n, _, err = one(t, pgx.RowTo[int32], `INSERT INTO `+table+` (name, whole) VALUES ($1, $2) RETURNING id`, pgtext.Key(name), pgtext.Whole(name))
	if err == nil {
		mine[name] = n
	}
	return n, err
}

func (t *tx) idp(name string) (int32, error) {
	return t.known(t.idps, &t.store.idps, "identity_providers", name)
}

func (t *tx) makeIdP(name string) (int32, error) {
	return t.assigned(t.idps, &t.store.idps, "identity_providers", name)
}

func (t *tx) backend(name string) (int32, error) {
	return t.known(t.backends, &t.store.backends, "backends", name)
}

func (t *tx) makeBackend(name string) (int32, error) {
	return t.assigned(t.backends, &t.store.backends, "backends", name)
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
	list := pgtx.Pages("settings", func(s setting) setting { return s }, func(last *setting, limit int) ([]setting, error) {
		after := ""
		if last != nil {
			after = last.key
		}
		return query(t, func(row pgx.CollectableRow) (s setting, err error) {
			var whole *string
			err = row.Scan(&s.key, &whole, &s.value)
			if s.name = s.key; whole != nil {
				s.name = *whole
			}
			s.name = pgtext.Plain(s.name)
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
	t.MustWrite()
	var err error
	if value == nil {
		err = t.Later(`DELETE FROM settings WHERE name = $1`, pgtext.Key(name))
	} else {
		err = t.Later(`INSERT INTO settings (name, whole, value) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, pgtext.Key(name), pgtext.Whole(name), value)
	}
	if err != nil {
		return fmt.Errorf("set setting %q: %w", name, err)
	}
	return nil
}

func (t *tx) Directory(idp string) store.Directory   { return &directory{t, idp} }
func (t *tx) Work(backend string) store.Work         { return &work{ofBackend{t, backend}} }
func (t *tx) Ledger(backend string) store.Ledger     { return &ledger{ofBackend{t, backend}} }
func (t *tx) Accounts(backend string) store.Accounts { return &accounts{ofBackend{t, backend}} }
func (t *tx) Events() store.Events                   { return t.events }
