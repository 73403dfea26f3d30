// Package recall keeps the rows that a transaction has read, and reads those together that are likely to be
// read one after the other.
//
// A transaction sees one moment: only its own changes make a kept row wrong, and its owner drops or replaces
// what it changes.
package recall

import (
	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
)

// Bounds of the rows of a kind that a transaction keeps, of the ids that have peers, and of the ids that are
// read together.
const (
	maxRows  = 1000
	maxPeers = 10_000
	together = 200
)

// Key finds a row: two parts that rows which are read together have in common, and its id, as the database
// has it.
type Key [3]string

// Rows are the rows that were read, and the zero value for each key that has none.
type Rows[V any] map[Key]V

// Put keeps a row.
func (r *Rows[V]) Put(k Key, v V) {
	if *r == nil || len(*r) >= maxRows {
		*r = Rows[V]{}
	}
	(*r)[k] = v
}

// Source is a statement that reads the rows of ids, which are its last argument.
type Source[R, V any] struct {
	SQL  string
	Args []any
	Scan pgx.RowToFunc[R]
	Keep func(ids []string, rows []R) map[string]V // by id
}

// ByID is a Keep that finds one row for an id.
func ByID[R, V any](of func(R) (id string, v V)) func([]string, []R) map[string]V {
	return func(_ []string, rows []R) map[string]V {
		found := map[string]V{}
		for _, r := range rows {
			id, v := of(r)
			found[id] = v
		}
		return found
	}
}

// Get returns the row of an id. Unless it is kept, it is read with those of its peers that are not. Without
// a source there is none.
func Get[R, V any](t *pgtx.Tx, r *Rows[V], one, two, id string, peers []string, src *Source[R, V]) (V, error) {
	k := Key{one, two, id}
	if v, kept := (*r)[k]; kept || src == nil {
		return v, nil
	}
	err := src.read(t.Ask, r, one, two, append([]string{id}, peers...))
	return (*r)[k], err
}

// Ahead reads the rows of ids that are not kept together with the next statement.
func Ahead[R, V any](t *pgtx.Tx, r *Rows[V], one, two string, ids []string, src *Source[R, V]) error {
	if src == nil {
		return nil
	}
	return src.read(t.ReadLater, r, one, two, ids)
}

func (src *Source[R, V]) read(run func(string, []any, func(pgx.Rows) error) error, r *Rows[V], one, two string, all []string) error {
	var ids []string
	seen := map[string]bool{}
	for _, id := range all {
		if _, kept := (*r)[Key{one, two, id}]; !kept && !seen[id] {
			ids = append(ids, id)
		}
		seen[id] = true
	}
	if len(ids) == 0 {
		return nil
	}
	return run(src.SQL, append(src.Args[:len(src.Args):len(src.Args)], ids), func(rows pgx.Rows) error {
		list, err := pgx.CollectRows(rows, src.Scan)
		if err != nil {
			return err
		}
		if len(*r)+len(ids) > maxRows {
			*r = nil
		}
		found := src.Keep(ids, list)
		for _, id := range ids {
			r.Put(Key{one, two, id}, found[id])
		}
		return nil
	})
}

// Peers are ids that are likely to be read one after the other, because one list had them. They are a
// guess: a wrong one costs time and changes no result.
type Peers map[[2]string][]string

// Add makes the ids of a space, an identity provider or a backend, peers of each other.
func (p *Peers) Add(space string, ids []string) {
	if *p == nil || len(*p) >= maxPeers {
		*p = Peers{}
	}
	for len(ids) > 0 {
		some := ids[:min(together, len(ids))]
		for _, id := range some {
			(*p)[[2]string{space, id}] = some
		}
		ids = ids[len(some):]
	}
}

// Of returns the peers of an id.
func (p Peers) Of(space, id string) []string { return p[[2]string{space, id}] }
