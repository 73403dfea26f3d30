package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/bolt/tables"
	"github.com/scimbridge/scimbridge/store/oldsettings"
)

const (
	// oldestFormat is the oldest format of a file that Open upgrades.
	oldestFormat = 4
	// fileFormat is the format of the layout in doc.go, to which the last of the steps leads.
	fileFormat = 7
)

// step brings a file from one format to the next. It runs in one transaction with the change of the
// format number.
type step func(tx *bbolt.Tx) error

// steps lists the upgrades in order: the first is from oldestFormat. A step that was released never
// changes.
func steps() []step {
	return []step{
		recordsFromSettings,
		talliesFromAll,
		queuesFromMarks,
	}
}

// queuesFromMarks leads to format 7, in which the marks of a target are read in the order in which
// they may be worked on.
func queuesFromMarks(btx *bbolt.Tx) error {
	t := tables.New(kv.New(btx))
	if err := t.Requeue(); err != nil {
		return err
	}
	return t.Err
}

// talliesFromAll leads to format 6, which has tallies for metrics and status.
func talliesFromAll(btx *bbolt.Tx) error {
	t := tables.New(kv.New(btx))
	if err := t.ForgetTallies(); err != nil { // the step before has made incomplete ones
		return err
	}
	if err := t.Recount(); err != nil {
		return err
	}
	return t.Err
}

// recordsFromSettings leads to format 5, which has typed tables for records that were settings before.
func recordsFromSettings(btx *bbolt.Tx) error {
	t := tables.New(kv.New(btx))
	if err := oldsettings.Convert(t); err != nil {
		return err
	}
	return t.Err
}

// copyName names the copy of a file that Open keeps before it upgrades the file.
func copyName(path string, format uint32) string { return fmt.Sprintf("%s.format-%d", path, format) }

// upgrade brings a file to the last format, step by step. A crash leaves a file of one of the formats
// in between, which the next Open upgrades further.
func upgrade(path string, db *bbolt.DB, from uint32, steps []step) error {
	todo := steps[from-oldestFormat:]
	if len(todo) == 0 {
		return nil
	}
	if err := keepCopy(db, copyName(path, from)); err != nil {
		return fmt.Errorf("%s has format %d and must be upgraded, but no copy of it can be kept first, so it was left as it is: %w",
			path, from, err)
	}
	for i, step := range todo {
		format := from + uint32(i)
		err := db.Update(func(tx *bbolt.Tx) error {
			if err := step(tx); err != nil {
				return err
			}
			return tx.Bucket([]byte(kv.TopMeta)).Put([]byte(kv.MetaFormat), binary.BigEndian.AppendUint32(nil, format+1))
		})
		if err != nil {
			return fmt.Errorf("%s cannot be upgraded from format %d to %d; the file as it was before is %s: %w",
				path, format, format+1, copyName(path, from), err)
		}
	}
	return nil
}

// keepCopy writes a copy of the file. The copy has its name only once it is complete and on disk.
func keepCopy(db *bbolt.DB, name string) (err error) {
	partial := name + ".partial"
	f, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(partial))
		}
	}()
	err = db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(f)
		return err
	})
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(partial, name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

// formatOf reads the format of a file and refuses one that this program cannot use.
func formatOf(path string, db *bbolt.DB) (uint32, error) {
	var raw []byte
	err := db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket([]byte(kv.TopMeta)); b != nil {
			raw = append(raw, b.Get([]byte(kv.MetaFormat))...)
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, err
	case len(raw) != 4:
		return 0, damaged(path, errors.New("it has no format number, so it may be no store of scimbridge"))
	}
	format := binary.BigEndian.Uint32(raw)
	switch {
	case format > fileFormat:
		return 0, &refusal{fmt.Sprintf("%s was written by a newer scimbridge (format %d, this one knows %d) and was left as it is; use the newer one",
			path, format, fileFormat), store.ErrNewer}
	case format == 0:
		return 0, damaged(path, errors.New("format number 0"))
	case format < oldestFormat: // never released
		return 0, &refusal{fmt.Sprintf("%s was written by a scimbridge before the first release (format %d) and was left as it is; move it away and let the identity providers send everything again",
			path, format), store.ErrDamaged}
	}
	return format, nil
}
