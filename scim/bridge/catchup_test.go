package bridge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/record"
)

// refusing is a store that refuses every change for a while, or the requests to other replicas.
type refusing struct {
	store.Store
	refuses, apart bool
}

func (r *refusing) Update(ctx context.Context, fn func(store.Tx) error) error {
	away := errors.New("the database is away")
	if r.refuses {
		return away
	}
	return r.Store.Update(ctx, func(tx store.Tx) error {
		before, err := reloadAsked(tx)
		if err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		after, err := reloadAsked(tx)
		if r.apart && after != before {
			return away
		}
		return err
	})
}

// A replica that is asked to reload while the store is away does so once the store is back. A
// refused file is not read again and again.
func TestCatchUp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(group string) {
		t.Helper()
		text := "identity_providers: {okta: {tokens: [canary-okta-token-of-the-tests]}}\nbackends: {vt: {kind: virustotal, url: simulated, mode: sync}}\n" +
			"mappings:\n  - {group: " + group + ", backend: vt, target: acme, roles: [USER_ROLE_PRIVATE_SCANNING]}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Before")
	c, _, err := config.Load(file, Kinds())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := bolt.Open(filepath.Join(t.TempDir(), "s.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}()
	var log strings.Builder
	s := &refusing{Store: opened}
	b := &Bridge{Config: c, Path: file, Log: slog.New(slog.NewTextHandler(io.MultiWriter(&log, t.Output()), nil)), store: s, replicas: &replicas{}}
	ask := func(word string) {
		t.Helper()
		if err := opened.Update(t.Context(), func(tx store.Tx) error {
			return record.Put(tx, record.Command{Name: record.CommandReload, Value: word})
		}); err != nil {
			t.Fatal(err)
		}
	}
	given := func(group string) bool {
		p := b.policy.Load()
		return p != nil && len(p.rules.Targets("okta", store.Group{DisplayName: group})) > 0
	}
	write("After")
	ask("one")
	s.refuses = true
	if err := b.catchUp(t.Context()); err == nil || given("After") {
		t.Errorf("while the store is away: %v", err)
	}
	s.refuses = false
	if err := b.catchUp(t.Context()); err != nil || !given("After") {
		t.Errorf("when it is back: %v", err)
	}
	write("[")
	ask("two")
	for range 3 {
		if err := b.catchUp(t.Context()); err != nil || !given("After") {
			t.Errorf("a file that is refused: %v", err)
		}
	}
	if _, err := b.Reload(t.Context(), console.ReloadRequest{}); err == nil || !strings.HasPrefix(err.Error(), "the rules in force stay: ") || !given("After") {
		t.Errorf("a reload of a file that is refused: %v", err)
	}
	write("Again")
	s.apart = true
	if _, err := b.Reload(t.Context(), console.ReloadRequest{}); err == nil || strings.Contains(err.Error(), "stay") || !strings.Contains(err.Error(), "the rules are in force here, but the other replicas could not be notified") || !given("Again") {
		t.Errorf("a reload of which the other replicas cannot be notified: %v", err)
	}
	if n := strings.Count(log.String(), "this replica refuses its file; the rules in force stay"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}
