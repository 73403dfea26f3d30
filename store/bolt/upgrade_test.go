package bolt

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/archive"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// fixture unpacks a small file of an earlier format.
func fixture(t *testing.T, format int) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "formats", fmt.Sprint(format, ".db.gz")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everything returns all contents of a store as text, read through the port.
func everything(t *testing.T, s store.Store) string {
	t.Helper()
	var b strings.Builder
	if err := archive.Write(t.Context(), s, &b); err != nil {
		t.Fatal(err)
	}
	err := s.View(t.Context(), func(tx store.Tx) error {
		for name, value := range tx.Settings() {
			fmt.Fprintf(&b, "setting %q %q\n", name, value)
		}
		for _, name := range tx.Backends() {
			for m, err := range tx.Work(name).Marks("") {
				fmt.Fprintf(&b, "mark %+v %v\n", m, err)
			}
			pending, blocked, held := tx.Work(name).Counts()
			fmt.Fprintln(&b, "counts", pending, blocked, held, tx.Work(name).Urgent())
			for _, target := range []string{"target-0", "target-1", "target-2"} {
				for c, err := range tx.Accounts(name).CachedOn(target) {
					fmt.Fprintf(&b, "cached %+v %v\n", c, err)
				}
			}
		}
		for _, idp := range tx.IdPs() {
			fmt.Fprintln(&b, "directory", idp, tx.Directory(idp).UserCount(), tx.Directory(idp).GroupCount())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// write puts a file where a test wants it.
func write(t *testing.T, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// differences lists the first lines that only one of two texts has.
func differences(got, want string) string {
	has := func(text string) map[string]bool {
		lines := map[string]bool{}
		for line := range strings.Lines(text) {
			lines[line] = true
		}
		return lines
	}
	gots, wants := has(got), has(want)
	var out []string
	for line := range gots {
		if !wants[line] {
			out = append(out, "got  "+line)
		}
	}
	for line := range wants {
		if !gots[line] {
			out = append(out, "want "+line)
		}
	}
	return strings.Join(out[:min(len(out), 20)], "")
}

// twoSteps returns invented steps: each needs the changes of the one before.
func twoSteps(fail error) []step {
	return []step{
		func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("first"))
			return err
		},
		func(tx *bbolt.Tx) error {
			if err := tx.DeleteBucket([]byte("first")); err != nil {
				return err
			}
			if _, err := tx.CreateBucket([]byte("second")); err != nil {
				return err
			}
			return fail
		},
	}
}

func buckets(t *testing.T, db *bbolt.DB) (names string, format uint32) {
	t.Helper()
	err := db.View(func(tx *bbolt.Tx) error {
		format = binary.BigEndian.Uint32(tx.Bucket([]byte(kv.TopMeta)).Get([]byte(kv.MetaFormat)))
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if s := string(name); s == "first" || s == "second" {
				names += s
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, format
}

func openRaw(t *testing.T, path string) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestUpgradeSteps(t *testing.T) {
	path := write(t, fixture(t, oldestFormat))
	db := openRaw(t, path)
	broken := errors.New("broken")
	if err := upgrade(path, db, oldestFormat, twoSteps(broken)); !errors.Is(err, broken) || !strings.Contains(err.Error(), copyName(path, oldestFormat)) {
		t.Fatalf("an upgrade that fails: %v", err)
	}
	if names, format := buckets(t, db); names != "first" || format != oldestFormat+1 {
		t.Errorf("after a step that failed: %s, format %d", names, format)
	}
	if err := upgrade(path, db, oldestFormat+1, twoSteps(nil)); err != nil {
		t.Fatalf("the upgrade is repeated: %v", err)
	}
	if names, format := buckets(t, db); names != "second" || format != oldestFormat+2 {
		t.Errorf("in the end: %s, format %d", names, format)
	}
	for format, want := range map[uint32]string{oldestFormat: "", oldestFormat + 1: "first"} {
		if names, is := buckets(t, openRaw(t, copyName(path, format))); names != want || is != format {
			t.Errorf("the copy of format %d: %s, format %d", format, names, is)
		}
	}
	left, err := filepath.Glob(path + ".*")
	if err != nil || len(left) != 2 {
		t.Errorf("files next to the store: %q, %v", left, err)
	}
}

func TestUpgradeWithoutACopy(t *testing.T) {
	before := fixture(t, oldestFormat)
	path := write(t, before)
	if err := os.Mkdir(copyName(path, oldestFormat), 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copyName(path, oldestFormat), "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db := openRaw(t, path)
	if err := upgrade(path, db, oldestFormat, twoSteps(nil)); err == nil || !strings.Contains(err.Error(), "left as it is") {
		t.Errorf("upgrade: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
}

// TestUpgradePowerLoss simulates a power failure in each step.
func TestUpgradePowerLoss(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	path := write(t, fixture(t, oldestFormat))
	var crashes []crash
	db := openRaw(t, path)
	all := twoSteps(nil)
	for i := range all {
		before := content(t, path)
		if err := upgrade(path, db, uint32(oldestFormat+i), all[:i+1]); err != nil {
			t.Fatal(err)
		}
		crashes = append(crashes, crash{before: before, after: content(t, path)})
	}
	for i, c := range crashes {
		for range 20 {
			image, _, _ := c.image(r)
			path := write(t, image)
			db := openRaw(t, path)
			_, format := buckets(t, db)
			if format != uint32(oldestFormat+i) && format != uint32(oldestFormat+i+1) {
				t.Fatalf("format %d after a crash in step %d", format, i)
			}
			if err := upgrade(path, db, format, all); err != nil {
				t.Fatalf("after a crash: %v", err)
			}
			if names, format := buckets(t, db); names != "second" || format != oldestFormat+2 {
				t.Errorf("in the end: %s, format %d", names, format)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestUpgradeFixtures(t *testing.T) {
	for format := oldestFormat; format < fileFormat; format++ {
		t.Run(fmt.Sprint("format ", format), func(t *testing.T) {
			path := write(t, fixture(t, format))
			s := mustOpen(t, path)
			if err := s.Check(); err != nil {
				t.Error(err)
			}
			fresh := mustOpen(t, filepath.Join(t.TempDir(), "fresh.db"))
			err := fresh.Update(t.Context(), func(tx store.Tx) error { return errors.Join(fillFixture(tx), fillSettings(tx), fillRecords(tx)) })
			if err != nil {
				t.Fatal(err)
			}
			if got, want := everything(t, s), everything(t, fresh); got != want {
				t.Errorf("an upgraded file differs from one of this format:\n%s", differences(got, want))
			}
			if _, is := buckets(t, openRaw(t, copyName(path, uint32(format)))); is != uint32(format) {
				t.Errorf("the copy has format %d", is)
			}
		})
	}
}
