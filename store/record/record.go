// Package record has the typed tables of a store: what it keeps besides directories, marks, the ledger and
// events. A record is a row that its key finds.
//
//	record.go      reading and writing records of any table
//	tables.go      the tables
//	comparison.go  the tables of comparisons with the vendor
//	notify.go      the tables of what operators are notified of
//
// It imports no other package of the program: package store has a transaction with Records.
package record

import (
	"iter"
	"time"
)

// Table names a typed table. The first Key of its columns are strings and find a record. In a table
// that Expires, the last column is the time after which a record may be swept: never, if it is zero.
type Table struct {
	Name    string
	Columns []string
	Key     int
	Expires bool
}

// Record is a row of a typed table. Fields returns pointers to its columns, in their order: to a
// string, a time, a bool or an int64.
type Record interface {
	Table() Table
	Fields() []any
}

// Records is the typed tables; Get, Put, Delete and List give them types.
type Records interface {
	// Read fills in the record that has the key, and reports whether there is one.
	Read(r Record) (found bool, err error)
	// Write creates or replaces a record.
	Write(r Record) error
	// Remove removes the record that has the key, if there is one.
	Remove(r Record) error
	// Scan yields records in the order of their keys: those whose key begins as that of like does,
	// up to its first empty column. Each is filled into one that fresh makes.
	Scan(like Record, fresh func() Record) iter.Seq2[Record, error]
	// Sweep removes at most so many records that have expired at a moment, and returns their number.
	Sweep(now time.Time, most int) (removed int, err error)
}

// recordOf constrains a type to a pointer to a record.
type recordOf[T any] interface {
	*T
	Record
}

// Tx is a transaction of a store.
type Tx interface {
	Records() Records
}

// Get reads the record that has the key columns of key.
func Get[T any, P recordOf[T]](tx Tx, key T) (row T, found bool, err error) {
	row = key
	if found, err = tx.Records().Read(P(&row)); err != nil || !found {
		return *new(T), false, err
	}
	return row, true, nil
}

// Put creates or replaces a record.
func Put[T any, P recordOf[T]](tx Tx, row T) error { return tx.Records().Write(P(&row)) }

// Delete removes the record that has the key columns of key, if there is one.
func Delete[T any, P recordOf[T]](tx Tx, key T) error { return tx.Records().Remove(P(&key)) }

// List lists records by key: those whose key begins as that of like does, up to its first empty
// column. The records may be changed meanwhile.
func List[T any, P recordOf[T]](tx Tx, like T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for r, err := range tx.Records().Scan(P(&like), func() Record { return P(new(T)) }) {
			var row T
			if p, ok := r.(P); ok && err == nil {
				row = *p
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}
