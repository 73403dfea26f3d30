package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// filled makes a file with records of every kind and returns its content.
func filled(t testing.TB, path string) []byte {
	t.Helper()
	s := mustOpen(t, path)
	for g := range 4 {
		err := s.Update(context.Background(), func(tx store.Tx) error {
			d := tx.Directory("idp")
			group := fmt.Sprint("g", g)
			if err := d.PutGroup(store.Group{ID: group, DisplayName: group}); err != nil {
				return err
			}
			for u := range 200 {
				id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", u)
				if err := d.PutUser(store.User{ID: id, UserName: id, Emails: []string{id + "@example.com"}, Attributes: []byte(`{"a":"b"}`)}); err != nil {
					return err
				}
				if _, err := d.AddMembers(group, id); err != nil {
					return err
				}
				if err := tx.Work("vt").Touch("t", time.Unix(1, 0), store.Origin{}, store.Subject{IdP: "idp", User: id}); err != nil {
					return err
				}
				if err := tx.Ledger("vt").PutEntry(store.Entry{Target: "t", Account: id, Role: "r"}); err != nil {
					return err
				}
			}
			seq, err := tx.Events().Append(store.Event{Type: "x", IdP: "idp", Subject: group})
			if g%2 == 0 { // and one event without a seal
				err = errors.Join(err, tx.Events().Seal(store.Seal{Place: uint64(g/2 + 1), Event: uint64(g/2 + 1), Digest: [32]byte{byte(seq)}}))
			}
			return errors.Join(err, tx.SetSetting("a", []byte("b")),
				tx.Accounts("vt").PutLink(store.Link{IdP: "idp", User: "u", Account: "a"}))
		})
		if err != nil {
			t.Fatalf("fill: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refused opens the content: it must be refused in one line, and the file stay as it is.
func refused(t *testing.T, content []byte, want error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, want) {
		t.Fatalf("open: %v, want %v", err, want)
	}
	if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
		t.Errorf("not one line that names the file: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(after, content) {
		t.Errorf("the file was changed: %d bytes, then %d: %v", len(content), len(after), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("files were left: %q", left)
	}
}

func TestOpenCreates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	path := filepath.Join(dir, "store.db")
	mustOpen(t, path)
	for name, want := range map[string]os.FileMode{path: 0o600, dir: 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v: %v", name, info.Mode(), want, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("files were left: %q", left)
	}
}

func TestOpenTightensMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	filled(t, path)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
}

func TestOpenAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	var wg sync.WaitGroup
	var mu sync.Mutex
	var opened []*Store
	for range 4 {
		wg.Go(func() {
			s, err := Open(path, Options{})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				opened = append(opened, s)
			} else if !errors.Is(err, store.ErrLocked) {
				t.Errorf("open: %v", err)
			}
		})
	}
	wg.Wait()
	if len(opened) != 1 {
		t.Fatalf("%d have it open", len(opened))
	}
	if err := opened[0].Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	filled(t, path)
	mustOpen(t, path)
	start := time.Now()
	_, err := Open(path, Options{})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "in use by another scimbridge") {
		t.Errorf("open: %v", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v to say so", took)
	}
}

func TestOpenRefusesOthers(t *testing.T) {
	whole := filled(t, filepath.Join(t.TempDir(), "store.db"))
	for name, content := range map[string][]byte{
		"empty": {}, "short": []byte("x"), "text": bytes.Repeat([]byte("not a store\n"), 1000), "zeros": make([]byte, 1<<16),
		"no meta page": append(make([]byte, 8192), whole[8192:]...), "two pages": whole[:8192],
	} {
		t.Run(name, func(t *testing.T) { refused(t, content, store.ErrDamaged) })
	}
	t.Run("foreign bbolt file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "other.db")
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, content, store.ErrDamaged)
	})
	for format, why := range map[uint32]error{fileFormat + 1: store.ErrNewer, oldestFormat - 1: store.ErrDamaged} {
		t.Run(fmt.Sprint("format ", format), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			filled(t, path)
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = errors.Join(db.Update(func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte(kv.TopMeta)).Put([]byte(kv.MetaFormat), binary.BigEndian.AppendUint32(nil, format))
			}), db.Close())
			content, readErr := os.ReadFile(path)
			if err := errors.Join(err, readErr); err != nil {
				t.Fatal(err)
			}
			refused(t, content, why)
		})
	}
	t.Run("directory", func(t *testing.T) {
		if _, err := Open(t.TempDir(), Options{}); err == nil {
			t.Error("a directory was opened")
		}
	})
}

// used returns the number of used bytes of the file.
func used(content []byte) int { return len(bytes.TrimRight(content, "\x00")) }

func TestOpenTruncated(t *testing.T) {
	whole := filled(t, filepath.Join(t.TempDir(), "store.db"))
	n := used(whole)
	for _, keep := range []int{n / 10, n / 4, n / 2, n * 3 / 4, n - 5000} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) { refused(t, whole[:keep], store.ErrDamaged) })
	}
}

// damages is the number of damages that TestDamage tries.
const damages = 300

// dump returns everything that filled has stored, as read through the port.
func dump(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	put := func(v any, err error) { fmt.Fprintf(&b, "%+v %v\n", v, err) }
	err := s.View(context.Background(), func(tx store.Tx) error {
		put(tx.IdPs(), nil)
		put(tx.Setting("a"), nil)
		d := tx.Directory("idp")
		for u, err := range d.Users(store.From{}) {
			put(u, err)
			put(d.FindUsers(store.ByEmail, u.Emails[0]))
		}
		for g, err := range d.Groups(store.From{}) {
			put(g, err)
			put(d.MemberCount(g.ID))
			for m, err := range d.Members(g.ID) {
				put(m, err)
			}
		}
		for m, err := range tx.Work("vt").Marks("") {
			put(m, err)
		}
		for e, err := range tx.Ledger("vt").Entries("", "") {
			put(e, err)
		}
		put(tx.Accounts("vt").Linked("a"))
		for e, err := range tx.Events().Since(0) {
			put(e, err)
		}
		for s, err := range tx.Events().Seals(0) {
			put(s, err)
		}
		return nil
	})
	put(nil, err)
	return b.String()
}

// survives opens damaged content and reads everything. The damage may be refused, found by a read, or
// harmless. It must not end the process, or change a result without an error.
func survives(t *testing.T, path string, content []byte, want string) (outcome string) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrNewer) {
			t.Errorf("open: %v", err)
		}
		return "refused"
	}
	defer func() { _ = s.Close() }()
	if err := s.Check(); err != nil {
		if !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrNewer) {
			t.Errorf("check: %v", err)
		}
		return "found"
	}
	if dump(t, s) != want {
		t.Error("damage went unnoticed")
	}
	return "harmless"
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	whole := filled(t, filepath.Join(dir, "store.db"))
	s, err := Open(filepath.Join(dir, "store.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, damages))
	outcomes := map[string]int{}
	pages := used(whole) / 4096
	for i := range damages {
		content := bytes.Clone(whole)
		if i%3 == 0 {
			page := 2 + r.IntN(pages-2)
			clear(content[page*4096 : (page+1)*4096])
			outcomes["zeroed page "+survives(t, filepath.Join(dir, "damaged.db"), content, want)]++
			continue
		}
		bit := r.IntN(used(whole) * 8)
		content[bit/8] ^= 1 << (bit % 8)
		outcomes["flipped bit "+survives(t, filepath.Join(dir, "damaged.db"), content, want)]++
	}
	t.Log(outcomes)
	if outcomes["zeroed page refused"] == 0 || outcomes["flipped bit found"] == 0 {
		t.Error("no damage was ever found")
	}
}
