package console

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store/bolt"
)

// TestRejectionsOfReplicas: the replica that notifies counts what the others rejected, for an hour.
func TestRejectionsOfReplicas(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	now := func() time.Time { return at }
	one := &Console{Store: s, Metrics: NewMetrics(s, nil), Now: now, Self: "one", Traffic: &Traffic{}}
	other := &Console{Store: s, Metrics: NewMetrics(s, nil), Now: now, Self: "other", Traffic: &Traffic{}}
	ctx, noted := context.Background(), int64(0)
	reject := func(c *Console, n int) {
		for range n {
			c.Traffic.Note("", 401, at)
		}
		if c == other {
			if noted, err = c.NoteRejections(ctx, noted); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(n int) {
		t.Helper()
		if f, err := one.Facts(ctx); err != nil || f.Rejected != n {
			t.Errorf("%d rejected, want %d: %v", f.Rejected, n, err)
		}
	}
	reject(other, 9)
	want(0) // too few to be written
	reject(one, 50)
	reject(other, 41)
	want(100)
	at = at.Add(time.Hour)
	want(0)
	reject(other, 0)
	if noted != 0 {
		t.Errorf("%d are noted", noted)
	}
}
