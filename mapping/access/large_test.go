package access_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/postgres"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// roles is how many roles each user of a large store has.
const roles = 10

// fill makes users who are in ten groups, each of which gives one role, with everything granted.
func fill(t testing.TB, s store.Store, users int) {
	t.Helper()
	const part = 2000
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	update := func(fn func(tx store.Tx) error) {
		t.Helper()
		if err := s.Update(context.Background(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx store.Tx) error {
		for g := range roles {
			if err := tx.Directory("okta").PutGroup(store.Group{ID: fmt.Sprint("group-", g), DisplayName: fmt.Sprint("Group ", g), Attributes: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return nil
	})
	for from := 0; from < users; from += part {
		update(func(tx store.Tx) error {
			var ids []string
			for i := from; i < min(from+part, users); i++ {
				id, email := fmt.Sprintf("2819c223-7f76-453a-919d-%012d", i), fmt.Sprintf("user-%06d@example.com", i)
				ids = append(ids, id)
				u := store.User{ID: id, UserName: email, Emails: []string{email}, Active: true, Created: at, Modified: at,
					Attributes: fmt.Appendf(nil, `{"userName":%q,"emails":[{"value":%q,"primary":true}],"active":true}`, email, email)}
				if err := tx.Directory("okta").PutUser(u); err != nil {
					return err
				}
				if err := tx.Accounts("vt").PutLink(store.Link{IdP: "okta", User: id, Key: email, Account: accountOf(i), Seen: at}); err != nil {
					return err
				}
				if err := grantAll(tx, i, id, email, at); err != nil {
					return err
				}
			}
			for g := range roles {
				if _, err := tx.Directory("okta").AddMembers(fmt.Sprint("group-", g), ids...); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func accountOf(i int) string { return fmt.Sprintf("%040x", i) }

func grantAll(tx store.Tx, i int, id, email string, at time.Time) error {
	for g := range roles {
		role := fmt.Sprintf("USER_ROLE_%02d", g)
		err := tx.Ledger("vt").PutEntry(store.Entry{Target: "acme", Account: accountOf(i), Role: role, Key: email, State: store.Present, Wanted: true,
			Attempt: 1, Sent: at, Since: at, Note: "ok"})
		if err == nil {
			_, err = tx.Events().Append(store.Event{At: at, Type: "grant", Actor: "bridge", Initiator: "okta", Request: fmt.Sprintf("6f1c0f0e-5d2b-4f0e-9a3f-%012d", i/100),
				IdP: "okta", Subject: id, Name: email, Backend: "vt", Target: "acme", Account: accountOf(i), Role: role,
				Causes: []string{fmt.Sprintf("okta/Group %d (rule in line %d)", g, g+10)}, Evidence: "clean answer"})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// large is what a report of a large store is read from.
func large(t testing.TB, s store.Store) *access.Source {
	t.Helper()
	var all []mapping.Rule
	for g := range roles {
		all = append(all, mapping.Rule{Groups: []string{fmt.Sprint("Group ", g)}, Backend: "vt", Target: "acme", Roles: []string{fmt.Sprintf("USER_ROLE_%02d", g)}, Line: g + 10, Index: g})
	}
	rules, err := mapping.Compile(all)
	if err != nil {
		t.Fatal(err)
	}
	return &access.Source{Store: s, Backends: []access.Backend{{Name: "vt", Match: "email", Mode: "sync"}}, IdPs: []string{"okta"},
		Rules: func(store.Tx) *mapping.Rules { return rules }}
}

// heap is how much is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestReportStreams holds what a report keeps to a few bytes a row, now and of a moment. A part of it
// does not grow with the rows: a page of the trail, and of the ledger.
func TestReportStreams(t *testing.T) {
	const users, mostPerRow = 4000, 300
	s := openBolt(t)
	fill(t, s, users)
	for name, q := range map[string]access.Query{"now": {}, "a moment": {At: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)}} {
		heap() // what the filling left behind
		before, most, rows := heap(), uint64(0), 0
		_, err := large(t, s).Report(context.Background(), q, func(access.Row) error {
			if rows++; rows%10_000 == 1 {
				most = max(most, heap())
			}
			return nil
		})
		if err != nil || rows != users*roles {
			t.Fatalf("%s: %d rows, %v", name, rows, err)
		}
		if kept := int64(most) - int64(before); kept > mostPerRow*users*roles {
			t.Errorf("%s: %d bytes are kept for %d rows", name, kept, rows)
		} else {
			t.Logf("%s: %d bytes a row", name, kept/int64(rows))
		}
	}
}

func openBolt(t testing.TB) store.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// BenchmarkReport reads a store of SCIMBRIDGE_ACCESS_USERS users, a thousand if it is not set, and
// of PostgreSQL if there is one.
func BenchmarkReport(b *testing.B) {
	users := 1000
	if text := os.Getenv("SCIMBRIDGE_ACCESS_USERS"); text != "" {
		if _, err := fmt.Sscan(text, &users); err != nil {
			b.Fatal(err)
		}
	}
	run := func(s store.Store) func(*testing.B) {
		return func(b *testing.B) {
			for name, q := range map[string]access.Query{"now": {}, "at": {At: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)}, "user": {User: "user-000500@example.com"}} {
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						lines := json.NewEncoder(io.Discard)
						if _, err := large(b, s).Report(context.Background(), q, func(r access.Row) error { return lines.Encode(&r) }); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/report")
				})
			}
		}
	}
	s := openBolt(b)
	fill(b, s, users)
	b.Run("bolt", run(s))
	if os.Getenv("SCIMBRIDGE_TEST_POSTGRES") == "" {
		return
	}
	p, err := postgres.Open(context.Background(), postgrestest.Database(b), postgres.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	fill(b, p, users)
	b.Run("postgres", run(p))
}
