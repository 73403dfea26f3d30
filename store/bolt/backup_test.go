package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/tables"
)

// meanwhile calls a function before the first byte is written, and regularly afterwards.
type meanwhile struct {
	bytes.Buffer
	do func()
}

func (m *meanwhile) Write(p []byte) (int, error) {
	m.do()
	return m.Buffer.Write(p)
}

// mark is part of every secret of the test, also of long ones.
const mark = "a-secret-that-stays"

func secret(n, size int) []byte {
	return fmt.Appendf(nil, "%s %d %s", mark, n, strings.Repeat("x", size))
}

// A backup has everything except secrets: neither current ones, nor old ones in unused pages, nor new ones
// that are stored while it is written.
func TestABackupHasNoSecret(t *testing.T) {
	for name, others := range map[string]int{"in a bucket within a page": 0, "in a bucket with pages": 300} {
		for _, size := range []int{0, 1500, 20_000} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, "store.db")
				filled(t, path)
				s := mustOpen(t, path)
				set := func(name string, value []byte) {
					t.Helper()
					if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.SetSetting(name, value) }); err != nil {
						t.Fatal(err)
					}
				}
				for n := range others {
					set(fmt.Sprintf("q%03d", n), bytes.Repeat([]byte("y"), 40))
				}
				set(store.Private+"a", secret(-1, size))
				set(store.Private+"empty", []byte{})
				for n := range 20 { // some of the free pages are reused, others are not
					set(store.Private+"key", secret(n, size*(n%3)))
					set("privateer", fmt.Append(nil, n))
					set(store.Private+"gone", secret(n, size))
				}
				set(store.Private+"gone", nil)
				set(store.Private+"key", secret(100, size))
				n := 200
				out := &meanwhile{do: func() {
					if n++; n < 210 {
						set(store.Private+"key", secret(n, size))
					}
				}}
				if err := s.Backup(t.Context(), out); err != nil {
					t.Fatal(err)
				}
				raw, err := os.ReadFile(path)
				if err != nil || !bytes.Contains(raw, []byte(mark)) {
					t.Fatalf("the store itself has none (%v)", err)
				}
				if at := bytes.Index(out.Bytes(), []byte(mark)); at >= 0 {
					t.Errorf("the backup has one, at %d of %d: %.60q", at, out.Len(), out.Bytes()[at:])
				}
				again := filepath.Join(dir, "again.db")
				if err := os.WriteFile(again, out.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
				same(t, s, mustOpen(t, again))
			})
		}
	}
}

// same compares two stores, except for secrets.
func same(t *testing.T, s, back *Store) {
	t.Helper()
	if err := back.Check(); err != nil {
		t.Fatal(err)
	}
	contents := func(s *Store) (all []string) {
		if err := s.View(context.Background(), func(tx store.Tx) error {
			for name, value := range tx.Settings() {
				if !strings.HasPrefix(name, store.Private) {
					all = append(all, fmt.Sprintf("%s %q", name, value))
				}
			}
			for u, err := range tx.Directory("idp").Users(store.From{}) {
				all = append(all, fmt.Sprint(u, err))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got, want := contents(back), contents(s); !slices.Equal(got, want) || len(got) < 200 {
		t.Errorf("%d, want %d", len(got), len(want))
	}
}

// A store with a damaged page gives no backup: the pages below it could not be distinguished from unused ones.
func TestNoBackupOfADamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	filled(t, path)
	s := mustOpen(t, path)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := int64(s.db.Info().PageSize)
	var root int64
	if err := s.View(t.Context(), func(st store.Tx) error {
		t, ok := st.(tables.Tx)
		if !ok {
			return errors.New("another store")
		}
		root = int64(t.Btx.Cursor().Bucket().Root())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	was := make([]byte, 1)
	if _, err := f.ReadAt(was, root*page); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{^was[0]}, root*page); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.Backup(t.Context(), &out); !errors.Is(err, store.ErrDamaged) || out.Len() > 0 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	if _, err := f.WriteAt(was, root*page); err != nil {
		t.Fatal(err)
	}
}
