package postgres

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
	"github.com/scimbridge/scimbridge/store/storetest"
)

// next is a step as a later version may add one.
const next = `
ALTER TABLE users ADD COLUMN nickname text;
ALTER TABLE groups ADD COLUMN kind int NOT NULL DEFAULT 0;
ALTER TABLE memberships ADD COLUMN since timestamptz;
ALTER TABLE marks ADD COLUMN weight int NOT NULL DEFAULT 1;
ALTER TABLE events ADD COLUMN origin text;
CREATE TABLE badges (user_id bigint NOT NULL, badge text NOT NULL);
CREATE INDEX ON users (nickname);`

func upgrade(t testing.TB, s *Store) {
	t.Helper()
	steps := append(migrations(), next)
	if _, to, err := migrate(t.Context(), s.pool, steps); err != nil || to != len(steps) {
		t.Fatalf("to %d: %v", to, err)
	}
}

// A replica of the version before keeps the whole contract over the tables of the next one.
func TestTheNextVersionsTables(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s := mustOpen(t, postgrestest.Database(t), Options{})
		upgrade(t, s)
		return s
	})
}

// TestRollingUpgrade brings the tables up to date under two replicas that write: what was answered is there, the lease that one of
// them holds goes on, and one of the version before does not start any more.
func TestRollingUpgrade(t *testing.T) {
	dsn := postgrestest.Database(t)
	replicas := []*Store{mustOpen(t, dsn, Options{}), mustOpen(t, dsn, Options{})}
	lease, err := replicas[0].Take(t.Context(), "vt", "first", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	fenced := replicas[0].Under(lease)
	mustUpdate(t, replicas[0], func(tx store.Tx) error {
		return tx.Directory("okta").PutGroup(store.Group{ID: "g", DisplayName: "All"})
	})
	var stored sync.Map
	var done atomic.Bool
	var before atomic.Int64
	enough := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; !done.Load(); i++ {
				id := fmt.Sprintf("u%d-%d", w, i)
				var s store.Store = replicas[w%2]
				if w == 0 {
					s = fenced
				}
				err := s.Update(t.Context(), func(tx store.Tx) error {
					if err := tx.Directory("okta").PutUser(store.User{ID: id, UserName: id}); err != nil {
						return err
					}
					_, err := tx.Directory("okta").AddMembers("g", id)
					return err
				})
				switch {
				case err == nil:
					stored.Store(id, true)
				case !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrUnknown):
					t.Errorf("update: %v", err)
				}
				if before.Add(1) == 20 {
					close(enough)
				}
			}
		})
	}
	<-enough
	upgrade(t, replicas[1])
	after := before.Load()
	for before.Load() < after+20 && !t.Failed() {
		mustUpdate(t, replicas[1], set("as well as before"))
	}
	done.Store(true)
	writers.Wait()
	if _, err := replicas[0].Renew(t.Context(), lease, time.Minute); err != nil {
		t.Errorf("renew: %v", err)
	}
	if _, err := Open(t.Context(), dsn, Options{}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("the version before starts anew: %v", err)
	}
	for _, s := range replicas {
		err := s.View(t.Context(), func(tx store.Tx) error {
			for id := range stored.Range {
				if in, err := tx.Directory("okta").IsMember("g", id.(string)); err != nil || !in {
					t.Errorf("%s was answered and is no member: %v", id, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
