package postgres

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
	"github.com/scimbridge/scimbridge/store/postgres/schema"
	"github.com/scimbridge/scimbridge/store/record"
	"github.com/scimbridge/scimbridge/store/storetest"
)

// next is a step that a later version may add.
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
	steps := append(schema.Steps(), next)
	if _, to, err := schema.Migrate(t.Context(), s.db.Pool, steps, convertSettings); err != nil || to != len(steps) {
		t.Fatalf("to %d: %v", to, err)
	}
}

// A replica of the previous version passes the contract over the tables of the next version.
func TestTheNextVersionsTables(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s := mustOpen(t, postgrestest.Database(t), Options{})
		upgrade(t, s)
		return s
	})
}

// TestRollingUpgrade migrates the tables under two replicas that write: no answered change is missing, a held
// lease continues, and the previous version refuses to start.
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
		t.Errorf("the previous version starts: %v", err)
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

// Tables of version 2 have settings instead of typed tables, and no tallies.
func TestUpgradeOfRecords(t *testing.T) {
	dsn := postgrestest.Database(t)
	db, err := pgtx.Open(t.Context(), dsn, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, _, err := schema.Migrate(t.Context(), db.Pool, schema.Steps()[:schema.RecordsVersion-1], convertSettings); err != nil {
		t.Fatal(err)
	}
	postgrestest.Run(t, dsn, `INSERT INTO backends (name) VALUES ('vt')`,
		`INSERT INTO settings (name, value) VALUES ('stays/vt/a', 'vt-1'), ('restored', 'x'),
			('ends/vt', '[{"id":"vt-2","target":"t","account":"b","key":"b@example.com","since":"2026-09-21T13:46:48Z"}]')`,
		`INSERT INTO marks (backend, target, idp, usr, account, event, seq, state, urgent, tries, reason)
			SELECT 1, 't', 'okta', 'u' || n, '', 0, n, n % 3, n % 2 = 0, 0, 'r' || n % 2 FROM generate_series(1, 50) AS n`,
		`INSERT INTO links (backend, idp, usr, account, key) SELECT 1, 'okta', 'u' || n, 'a' || n / 7, '' FROM generate_series(1, 30) AS n`,
		`INSERT INTO entries (backend, target, account, role, key, state, wanted, open, adopted, maybe_gone, approved, attempt, missed, note, hold, why)
			SELECT 1, 't' || n % 3, 'a' || n % 5, 'r' || n, '', 1, true, false, false, false, false, n, 0, '', CASE WHEN n % 2 = 0 THEN 'h' || n % 4 ELSE '' END, 'w' FROM generate_series(1, 40) AS n`)
	s := mustOpen(t, dsn, Options{})
	storetest.Check(t, s)
	err = s.View(t.Context(), func(tx store.Tx) error {
		kept, _, err := record.Get(tx, record.Retained{Backend: "vt", Account: "a"})
		if err != nil || kept.Hold != "vt-1" {
			t.Errorf("an account that stays: %+v, %v", kept, err)
		}
		if pending, blocked, held := tx.Work("vt").Counts(); pending+blocked+held != 50 || blocked == 0 {
			t.Errorf("marks: %d, %d, %d", pending, blocked, held)
		}
		for name := range tx.Settings() {
			if name != "restored" {
				t.Errorf("the setting %s is left", name)
			}
		}
		sizes, err := store.TalliesOf(tx, "vt")
		if sizes.Entries != 40 || sizes.HeldAccounts == 0 || sizes.BlockedUsers == 0 || len(sizes.Holds) < 3 {
			t.Errorf("%+v", sizes)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Merging the rows of the tallies changes none of them.
func TestTalliesAreMerged(t *testing.T) {
	s := mustOpen(t, postgrestest.Database(t), Options{})
	for i := range 30 {
		mustUpdate(t, s, func(tx store.Tx) error {
			who := store.Subject{IdP: "okta", User: fmt.Sprint(i % 10)}
			return errors.Join(tx.Work("vt").Touch("t", time.Unix(1, 0), store.Origin{}, who), tx.Ledger("vt").PutEntry(store.Entry{Target: "t", Account: fmt.Sprint(i), Role: "r"}))
		})
	}
	rows := func() (n int) {
		if err := s.db.Pool.QueryRow(t.Context(), `SELECT count(*) FROM tallies`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := rows()
	mustUpdate(t, s, func(tx store.Tx) error {
		_, err := tx.Records().Sweep(time.Unix(0, 0), 10)
		return err
	})
	if after := rows(); after >= before || after > 2 {
		t.Errorf("%d rows, before %d", after, before)
	}
	storetest.Check(t, s)
}
