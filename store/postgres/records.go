package postgres

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
	"github.com/scimbridge/scimbridge/store/postgres/recall"
	"github.com/scimbridge/scimbridge/store/record"
)

// records are the typed tables. A column of a table in the port has the same name here.
type records struct{ *tx }

func (t *tx) Records() record.Records { return records{t} }

// recordKey returns the key of a record as in its row: the first columns.
func recordKey(r record.Record, columns int) []any {
	var out []any
	for _, f := range r.Fields()[:columns] {
		if s, ok := f.(*string); ok {
			out = append(out, pgtext.Key(*s))
		}
	}
	return out
}

// recordRow is a record with its key as in its row.
type recordRow struct {
	record.Record
	key []string
}

// scanRecord fills in a record from the columns of its table and `whole`.
func scanRecord(fresh func() record.Record) pgx.RowToFunc[recordRow] {
	return func(c pgx.CollectableRow) (recordRow, error) {
		out := recordRow{Record: fresh()}
		fields, columns := out.Fields(), out.Table().Key
		times := make([]*int64, len(fields))
		into := make([]any, 0, len(fields)+1)
		for i, f := range fields {
			if _, is := f.(*time.Time); is {
				f = &times[i]
			}
			into = append(into, f)
		}
		var whole []string
		if err := c.Scan(append(into, &whole)...); err != nil {
			return out, err
		}
		for i, f := range fields {
			switch f := f.(type) {
			case *string:
				if i < columns {
					if out.key = append(out.key, *f); whole != nil {
						*f = whole[i]
					}
				}
				*f = pgtext.Plain(*f)
			case *time.Time:
				*f = pgtext.Moment(times[i])
			}
		}
		return out, nil
	}
}

// where returns the condition that the first columns of a table equal parameters, from $1 on.
func where(columns []string) string {
	terms := []string{"true"}
	for i, c := range columns {
		terms = append(terms, fmt.Sprintf("%s = $%d", c, i+1))
	}
	return strings.Join(terms, " AND ")
}

func selection(t record.Table) string {
	return `SELECT ` + strings.Join(t.Columns, ", ") + `, whole FROM ` + t.Name + ` WHERE `
}

// recordID finds a record among those that the transaction has read.
func recordID(r record.Record) recall.Key {
	t := r.Table()
	return recall.Key{t.Name, "", fmt.Sprintf("%q", recordKey(r, t.Key))}
}

// contents returns the values of a record, and refill puts them into another.
func contents(r record.Record) (out []any) {
	for _, f := range r.Fields() {
		out = append(out, reflect.ValueOf(f).Elem().Interface())
	}
	return out
}

func refill(r record.Record, values []any) {
	for i, f := range r.Fields() {
		reflect.ValueOf(f).Elem().Set(reflect.ValueOf(values[i]))
	}
}

func (rs records) Read(r record.Record) (bool, error) {
	values, err := rs.read(r)
	if err != nil {
		return false, fmt.Errorf("%s: %w", r.Table().Name, err)
	}
	if values != nil {
		refill(r, values)
	}
	return values != nil, nil
}

// read returns the values of a record; nil without one.
func (rs records) read(r record.Record) ([]any, error) {
	t, id := r.Table(), recordID(r)
	if few(r) && !rs.Writes() {
		if err := rs.readAll(r); err != nil {
			return nil, err
		}
		if rs.complete[t.Name] {
			return rs.few[id], nil
		}
	}
	values, read := rs.records[id]
	if read {
		return values, nil
	}
	row, found, err := one(rs.tx, scanRecord(func() record.Record { return fresh(r) }), selection(t)+where(t.Columns[:t.Key]), recordKey(r, t.Key)...)
	if err != nil {
		return nil, err
	}
	if found {
		values = contents(row.Record)
	}
	rs.records.Put(id, values)
	return values, nil
}

// fresh returns an empty record of the same table.
func fresh(r record.Record) record.Record {
	empty, _ := reflect.New(reflect.TypeOf(r).Elem()).Interface().(record.Record)
	return empty
}

// few reports whether a table has few records, of which a transaction may read several.
func few(r record.Record) bool {
	_, is := r.(*record.Command)
	return is
}

// maxFew bounds the records of a table that are read at once.
const maxFew = 100

// readAll reads all records of a table, if they are few.
func (rs records) readAll(r record.Record) error {
	t := r.Table()
	if _, tried := rs.complete[t.Name]; tried {
		return nil
	}
	rows, err := query(rs.tx, scanRecord(func() record.Record { return fresh(r) }), selection(t)+`true ORDER BY `+strings.Join(t.Columns[:t.Key], ", ")+` LIMIT $1`, maxFew)
	if err != nil {
		return err
	}
	for _, row := range rows {
		rs.few.Put(recordID(row.Record), contents(row.Record))
	}
	rs.complete[t.Name] = len(rows) < maxFew
	return nil
}

func (rs records) Write(r record.Record) error {
	rs.MustWrite()
	delete(rs.records, recordID(r))
	t := r.Table()
	args := recordKey(r, t.Key)
	var parts, params, set []string
	for i, f := range r.Fields() {
		params = append(params, fmt.Sprintf("$%d", i+1))
		if s, ok := f.(*string); ok && i < t.Key {
			parts = append(parts, *s)
			continue
		}
		set = append(set, fmt.Sprintf("%s = $%d", t.Columns[i], i+1))
		switch f := f.(type) {
		case *string:
			args = append(args, pgtext.Text(*f))
		case *time.Time:
			args = append(args, pgtext.Nanos(*f))
		case *bool:
			args = append(args, *f)
		case *int64:
			args = append(args, *f)
		}
	}
	conflict := `DO NOTHING`
	if len(set) > 0 {
		conflict = `DO UPDATE SET ` + strings.Join(set, ", ")
	}
	err := rs.Later(fmt.Sprintf(`INSERT INTO %s (%s, whole) VALUES (%s, $%d) ON CONFLICT (%s) %s`, t.Name, strings.Join(t.Columns, ", "),
		strings.Join(params, ", "), len(params)+1, strings.Join(t.Columns[:t.Key], ", "), conflict), append(args, pgtext.Wholes(parts...))...)
	if err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}

func (rs records) Remove(r record.Record) error {
	rs.MustWrite()
	delete(rs.records, recordID(r))
	t := r.Table()
	if err := rs.Later(`DELETE FROM `+t.Name+` WHERE `+where(t.Columns[:t.Key]), recordKey(r, t.Key)...); err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}

// prefixOf counts the key columns of a record before its first empty one.
func prefixOf(r record.Record) int {
	n := r.Table().Key
	for i, f := range r.Fields()[:n] {
		if s, ok := f.(*string); ok && *s == "" {
			return i
		}
	}
	return n
}

func (rs records) Scan(like record.Record, fresh func() record.Record) iter.Seq2[record.Record, error] {
	t, prefix := like.Table(), prefixOf(like)
	order := strings.Join(t.Columns[:t.Key], ", ")
	return pgtx.Pages(t.Name, func(r recordRow) record.Record { return r.Record }, func(last *recordRow, limit int) ([]recordRow, error) {
		sql, args := selection(t)+where(t.Columns[:prefix]), recordKey(like, prefix)
		if last != nil {
			var after []string
			for _, k := range last.key {
				args = append(args, k)
				after = append(after, fmt.Sprintf("$%d", len(args)))
			}
			sql += ` AND (` + order + `) > (` + strings.Join(after, ", ") + `)`
		}
		args = append(args, limit)
		return query(rs.tx, scanRecord(fresh), fmt.Sprintf("%s ORDER BY %s LIMIT $%d", sql, order, len(args)), args...)
	})
}

// Sweep removes the records of each table that expired first, and merges rows of tallies.
func (rs records) Sweep(now time.Time, most int) (removed int, err error) {
	rs.MustWrite()
	rs.records = nil
	for _, r := range record.Tables() {
		t := r.Table()
		if !t.Expires {
			continue
		}
		n, err := rs.Exec(`DELETE FROM `+t.Name+` WHERE ctid = ANY(ARRAY(SELECT ctid FROM `+t.Name+
			` WHERE expires <= $1 ORDER BY expires LIMIT $2))`, pgtext.Nanos(now), most-removed)
		if err != nil {
			return removed, fmt.Errorf("sweep %s: %w", t.Name, err)
		}
		removed += int(n)
	}
	if err := rs.mergeTallies(); err != nil {
		return removed, fmt.Errorf("merge tallies: %w", err)
	}
	return removed, nil
}
