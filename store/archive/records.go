package archive

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// records writes the records of the typed tables, each with its columns by name.
func (w *writer) records(tx store.Tx) {
	for i, like := range record.Tables() {
		table := like.Table()
		fresh := func() record.Record { return record.Tables()[i] }
		for r, err := range tx.Records().Scan(like, fresh) {
			columns := map[string]any{}
			if err == nil {
				for i, f := range r.Fields() {
					if at, is := f.(*time.Time); is && at.IsZero() {
						continue
					}
					columns[table.Columns[i]] = f
				}
			}
			raw, broken := json.Marshal(columns)
			if err == nil {
				err = broken
			}
			if !w.row(line{Kind: "record", Table: table.Name, Record: raw}, err) {
				return
			}
		}
	}
}

// putRecord stores the record of a line. Missing columns are empty.
func putRecord(tx store.Tx, l line) error {
	for _, r := range record.Tables() {
		table := r.Table()
		if table.Name != l.Table {
			continue
		}
		columns := map[string]json.RawMessage{}
		if err := json.Unmarshal(l.Record, &columns); err != nil {
			return fmt.Errorf("%w: a record of %s: %w", ErrBad, table.Name, err)
		}
		for i, f := range r.Fields() {
			raw, there := columns[table.Columns[i]]
			if !there {
				continue
			}
			if err := json.Unmarshal(raw, f); err != nil {
				return fmt.Errorf("%w: a record of %s: %w", ErrBad, table.Name, err)
			}
		}
		return tx.Records().Write(r)
	}
	return fmt.Errorf("%w: unknown table %.40q", ErrBad, l.Table)
}
