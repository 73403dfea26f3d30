package audit_test

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/audit"
	"github.com/scimbridge/scimbridge/store/postgres"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// busy is a store that calls a function after one of the Views.
type busy struct {
	store.Store
	views int // before the call
	then  func()
}

func (b *busy) View(ctx context.Context, fn func(tx store.Tx) error) error {
	err := b.Store.View(ctx, fn)
	if b.views--; b.views == 0 {
		b.then()
	}
	return err
}

// An event that gets its place during an export is exported once.
func TestSealedWhileExporting(t *testing.T) {
	for views := 1; views < 5; views++ {
		s := open(t, filepath.Join(t.TempDir(), "s.db"))
		happened(t, s, some(3)...)
		seal(t, s)
		happened(t, s, some(2)...)
		lines := exported(t, &busy{s, views, func() { seal(t, s) }}, audit.Filter{})
		if len(lines) != 5 {
			t.Errorf("sealed after %d views, 5 events are %d lines:\n%s", views, len(lines), strings.Join(lines, "\n"))
		}
	}
}

// late appends an event that is committed after others with higher numbers, which already have their places.
func late(t *testing.T, s store.Store, others int) {
	t.Helper()
	met := false
	update(t, s, func(tx store.Tx) error {
		_, err := tx.Events().Append(store.Event{Type: "late", At: start})
		if !met {
			met = true
			happened(t, s, some(others)...)
			seal(t, s)
		}
		return err
	})
}

// An event that was committed late has its place after higher numbers. It does not count as inserted.
func TestCommittedLate(t *testing.T) {
	ctx := context.Background()
	s, err := postgres.Open(ctx, postgrestest.Database(t), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	const page = 500 // the late one is the first of the second
	late(t, s, page)
	whole(t, s, page, 1)
	if r := verify(t, &busy{s, 2, func() { seal(t, s) }}, ""); r.Broken != "" {
		t.Errorf("sealed while it is verified: %s", r.Broken)
	}
	whole(t, s, page+1, 0)
	if err := audit.Export(ctx, s, audit.Filter{}, io.Discard); err != nil {
		t.Error(err)
	}
	if err := forget(t, s, start.Add(time.Hour), time.Minute); err != nil {
		t.Errorf("forget: %v", err)
	}
	whole(t, s, 0, 0)
}
