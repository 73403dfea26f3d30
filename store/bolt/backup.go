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

// Backup writes the file as it is at one moment. Secret settings become zeros, and so does every unused
// page, which may have old values of them. It may be called concurrently.
//
// Requests go on meanwhile, and the file grows, because pages of that moment are not reused. There is no
// temporary copy, which would need the space of the store again. A file with a damaged page is not written:
// the pages below it could not be distinguished from unused ones.
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

// veil copies a file from its beginning, and hides parts of it.
type veil struct {
	to       io.Writer
	at       int64 // bytes copied so far
	pageSize int
	used     []bool // by page, except for the two meta pages
	hidden   []patch
	buf      []byte
}

// patch replaces bytes at a place.
type patch struct {
	at   int64
	with []byte
}

// hide adds a patch for a secret value: a valid record of the same length with zeros.
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
