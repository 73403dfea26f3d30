package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/bolt/pages"
	"github.com/scimbridge/scimbridge/store/bolt/tables"
)

// Backup writes the file as it is at one moment, without what does not leave the store: the values of settings that are secrets are
// zeros in it, and so is every page that is not in use, in which those of before may stand. Requests go on meanwhile; the file grows
// for as long as it takes, since nothing of that moment is used again; no other copy is made, which would need the room of the store
// once more. Of a file with a damaged page nothing is written: what that leads to could not be distinguished from what is not in use. It may
// be called concurrently.
func (s *Store) Backup(ctx context.Context, to io.Writer) error {
	return s.View(ctx, func(st store.Tx) error {
		t, ok := st.(tables.Tx)
		if !ok {
			return errors.New("backup: transaction of another store")
		}
		v := &veil{to: to, pageSize: s.db.Info().PageSize}
		w := pages.Walker{F: s.file, PageSize: v.pageSize, Root: uint64(t.Btx.Cursor().Bucket().Root()), High: uint64(t.Btx.Size()) / uint64(v.pageSize), Value: v.hide}
		if err := w.Walk(); err != nil {
			return fmt.Errorf("backup: %w: %w", store.ErrDamaged, err)
		}
		v.used = w.Seen
		if _, err := t.Btx.WriteTo(v); err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		return nil
	})
}

// veil passes a file on, from its beginning, without what is to be hidden.
type veil struct {
	to       io.Writer
	at       int64 // how much was passed on
	pageSize int
	used     []bool // pages, besides the two of the meta
	hidden   []patch
	buf      []byte
}

// patch is what stands at a place instead of what is there.
type patch struct {
	at   int64
	with []byte
}

// hide notes a value that is a secret. In its place stands a record that is whole, of the same length, with zeros in it.
func (v *veil) hide(in [][]byte, key, value []byte, at int64) {
	if len(in) != 1 || string(in[0]) != kv.TopSettings || len(value) < codec.SealSize {
		return
	}
	if name, ok := codec.PartOf(key); ok && strings.HasPrefix(name, store.Private) {
		e := codec.NewRecord(len(value))
		e.Raw(make([]byte, len(value)-codec.SealSize))
		v.hidden = append(v.hidden, patch{at, e.Seal(key)})
	}
}

// Write implements io.Writer.
func (v *veil) Write(p []byte) (int, error) {
	v.buf = append(v.buf[:0], p...)
	for rest := v.buf; len(rest) > 0; {
		at := v.at + int64(len(v.buf)-len(rest))
		page, n := at/int64(v.pageSize), min(v.pageSize-int(at%int64(v.pageSize)), len(rest))
		if page > 1 && !v.used[page] {
			clear(rest[:n])
		}
		rest = rest[n:]
	}
	end := v.at + int64(len(p))
	for _, h := range v.hidden {
		if from, to := max(h.at, v.at), min(h.at+int64(len(h.with)), end); from < to {
			copy(v.buf[from-v.at:], h.with[from-h.at:to-h.at])
		}
	}
	n, err := v.to.Write(v.buf)
	v.at += int64(n)
	return n, err
}
