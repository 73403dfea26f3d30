package console

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// full refuses to store anything.
type full struct{ store.Store }

func (full) Update(context.Context, func(store.Tx) error) error { return store.ErrFull }

// TestUses: the latest use counts, for all processes and in any order of their writes. After an
// error a use is stored later.
func TestUses(t *testing.T) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "s.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ctx, at := context.Background(), time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var a, b Uses
	read := func(idp string) (uses map[string]time.Time) {
		t.Helper()
		if err := s.View(ctx, func(tx store.Tx) error { uses = lastUses(tx, idp); return nil }); err != nil {
			t.Fatal(err)
		}
		return uses
	}
	a.Note("okta", "x", at.Add(time.Hour))
	a.Note("okta", "x", at) // the clock was set
	b.Note("okta", "x", at.Add(time.Minute))
	b.Note("okta", "y", at)
	b.Note("entra", "x", at)
	if err := a.Write(ctx, full{s}); !errors.Is(err, store.ErrFull) {
		t.Errorf("%v", err)
	}
	for _, u := range []*Uses{&a, &b, &a} {
		if err := u.Write(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if okta := read("okta"); len(okta) != 2 || !okta["x"].Equal(at.Add(time.Hour)) || !okta["y"].Equal(at) || len(read("entra")) != 1 {
		t.Errorf("%v", okta)
	}
	for round := range 3 {
		for i := range 2 * maxUses {
			a.Note("okta", fmt.Sprint("jwt-", round, "-", i), at.Add(time.Duration(i+round)*time.Second))
		}
		if err := a.Write(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if okta := read("okta"); len(okta) > maxUses || okta["x"].IsZero() {
		t.Errorf("%d are remembered", len(okta))
	}
}
