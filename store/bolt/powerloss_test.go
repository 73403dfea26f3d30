package bolt

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
)

// powerImages names the variable with the number of disk images.
const powerImages = "SCIMBRIDGE_POWER_IMAGES"

const sector = 512 // a disk writes it completely or not at all

// TestPowerLoss builds disk images of a power failure during a commit: bbolt writes data pages, syncs, writes
// a meta page, syncs. Any of the sectors that are not synced may be missing. Every image must open, be
// consistent, and have every acknowledged change, and of the current one all or nothing.
func TestPowerLoss(t *testing.T) {
	images := 500
	if v := os.Getenv(powerImages); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		images = n
	} else if os.Getenv("SCIMBRIDGE_LONG") != "" {
		images = 20_000
	}
	dir := t.TempDir()
	//nolint:usetesting // a disk in memory is faster
	if shm, err := os.MkdirTemp("/dev/shm", "power"); err == nil {
		dir = shm
		t.Cleanup(func() { _ = os.RemoveAll(shm) })
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	path := filepath.Join(dir, "store.db")
	s := mustOpen(t, path)
	if s.db.NoSync || s.db.NoGrowSync {
		t.Fatal("without syncs there is no order in which pages reach the disk")
	}
	s.part = 16
	var mu sync.Mutex
	var crashes []crash
	s.commitHook = func(tx *bbolt.Tx) error {
		c := crash{before: content(t, path), least: lastChange(t, s)}
		err := tx.Commit()
		c.after, c.most = content(t, path), lastChange(t, s)
		mu.Lock()
		crashes = append(crashes, c)
		mu.Unlock()
		return err
	}
	const commits = 100
	tried := 0
	for n := 1; n <= commits; n++ {
		if err := s.Update(context.Background(), powerChange(r, n)); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		these := crashes // each part of a large change is a commit
		crashes = nil
		mu.Unlock()
		for range images / commits {
			image, least, most := these[r.IntN(len(these))].image(r)
			survived(t, filepath.Join(dir, "crash.db"), image, least, most)
			tried++
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d images", tried)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// powerChange is one acknowledged change with its marks and its event, of a size that splits and merges pages.
func powerChange(r *rand.Rand, n int) func(store.Tx) error {
	from, many := r.IntN(300), 1+r.IntN(40)
	return func(tx store.Tx) error {
		d := tx.Directory("idp")
		if err := d.PutGroup(store.Group{ID: "g", DisplayName: fmt.Sprint("g", n), Attributes: []byte(`{}`)}); err != nil {
			return err
		}
		var values []string
		for i := range many {
			values = append(values, fmt.Sprintf("%08d-0000-4000-8000-000000000000", from+i))
		}
		change := d.AddMembers
		if n%3 == 0 {
			change = d.RemoveMembers
		}
		if _, err := change("g", values...); err != nil {
			return err
		}
		if err := tx.Work("vt").Touch("t", time.Unix(int64(n), 0), store.Origin{}, store.Subject{Account: fmt.Sprint("a", n%17)}); err != nil {
			return err
		}
		if _, err := tx.Events().Append(store.Event{Type: "group.members", IdP: "idp", Subject: "g", Added: values}); err != nil {
			return err
		}
		return tx.SetSetting("n", []byte(strconv.Itoa(n)))
	}
}

// crash is a commit during which the power fails: the file before and after it, and the last change in each.
type crash struct {
	before, after []byte
	least, most   int
}

// image returns a disk in the middle of the commit, and the least and the most changes that it must have.
func (c crash) image(r *rand.Rand) (image []byte, least, most int) {
	before, after := c.before, c.after
	size := max(len(before), len(after))
	image = make([]byte, size)
	copy(image, before)
	whole := make([]byte, size)
	copy(whole, after)
	const pageSize = 4096
	metas := 2 * pageSize
	data := r.IntN(3) > 0 // the power fails during the write of the data or of the meta page
	keep := r.IntN(101)
	for at := 0; at < size; at += sector {
		end := min(at+sector, size)
		if bytes.Equal(image[at:end], whole[at:end]) {
			continue
		}
		isMeta := at < metas
		switch {
		case data && isMeta: // not written before the data is synced
		case !data && !isMeta: // synced
			copy(image[at:end], whole[at:end])
		case r.IntN(100) < keep:
			copy(image[at:end], whole[at:end])
		case r.IntN(50) == 0: // torn within the sector
			half := at + r.IntN(end-at)
			copy(image[at:half], whole[at:half])
		}
	}
	if data {
		return image, c.least, c.least
	}
	return image, c.least, c.most
}

// lastChange returns the number of the last change.
func lastChange(t *testing.T, s *Store) (n int) {
	err := s.View(context.Background(), func(tx store.Tx) (err error) {
		if v := tx.Setting("n"); v != nil {
			n, err = strconv.Atoi(string(v))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return n
}

// survived opens an image and checks that it has the acknowledged changes.
func survived(t *testing.T, path string, image []byte, least, most int) {
	t.Helper()
	used := bytes.TrimRight(image, "\x00")
	if err := os.WriteFile(path, used, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(image))); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Errorf("change %d to %d: %v", least, most, err)
		return
	}
	defer func() { _ = s.Close() }()
	if err := s.Check(); err != nil {
		t.Errorf("change %d to %d: %v", least, most, err)
	}
	got := lastChange(t, s)
	if got < least || got > most {
		t.Errorf("change %d is the last one, want %d to %d", got, least, most)
	}
}
