package bolt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/bolt/tables"
)

// longVariable turns on tests that take a minute.
const longVariable = "SCIMBRIDGE_LONG"

func uuid(kind byte, n int) string {
	return fmt.Sprintf("%c%07x-5a3c-4b1d-9e2f-%012x", kind, n*2654435761%0xfffffff, n)
}

func members(group string, values ...string) func(store.Tx) error {
	return func(tx store.Tx) error {
		for _, v := range values {
			if _, err := tx.Directory("idp").AddMembers(group, v); err != nil {
				return err
			}
		}
		_, err := tx.Events().Append(store.Event{
			At: time.Unix(1_700_000_000, 0), Type: "group.members", Actor: "idp", Request: "00000000-0000-4000-8000-000000000000",
			IdP: "idp", Subject: group, Name: "group", Added: values,
		})
		return err
	}
}

func fillUsers(t testing.TB, s *Store, users, groups int) {
	t.Helper()
	do := func(fn func(tx store.Tx) error) {
		if err := s.Update(context.Background(), fn); err != nil {
			t.Fatal(err)
		}
	}
	for from := 0; from < users; from += 500 {
		do(func(tx store.Tx) error {
			for u := from; u < min(users, from+500); u++ {
				id := uuid('a', u)
				user := store.User{ID: id, UserName: fmt.Sprintf("user%d@example.com", u), Emails: []string{fmt.Sprintf("user%d@example.com", u)}, Active: true,
					Attributes: fmt.Appendf(nil, `{"userName":"user%d@example.com","name":{"givenName":"Given%d","familyName":"Family%d"},"emails":[{"value":"user%d@example.com","type":"work","primary":true}],"active":true}`, u, u, u, u)}
				if err := tx.Directory("idp").PutUser(user); err != nil {
					return err
				}
			}
			return nil
		})
	}
	do(func(tx store.Tx) error {
		for g := range groups {
			if err := tx.Directory("idp").PutGroup(store.Group{ID: uuid('b', g), DisplayName: fmt.Sprint("group ", g)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// BenchmarkAddMember adds to a group of 10 and to one of 20,000 in turn; the cost of a change is the change's.
func BenchmarkAddMember(b *testing.B) {
	s := mustOpen(b, filepath.Join(b.TempDir(), "store.db"))
	fillUsers(b, s, 20_000, 2)
	small, large := uuid('b', 0), uuid('b', 1)
	for from := 0; from < 20_000; from += 1000 {
		var values []string
		for u := from; u < from+1000; u++ {
			values = append(values, uuid('a', u))
		}
		if err := s.Update(b.Context(), members(large, values...)); err != nil {
			b.Fatal(err)
		}
	}
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		for g, group := range []string{small, large} {
			value := fmt.Sprintf("new-%d", i%10)
			err := s.Update(b.Context(), func(tx store.Tx) error { // so that the small one stays small
				_, err := tx.Directory("idp").RemoveMembers(group, value)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			if err := s.Update(b.Context(), members(group, value)); err != nil {
				b.Fatal(err)
			}
			took[g] = append(took[g], time.Since(start))
		}
	}
	median := func(d []time.Duration) float64 { slices.Sort(d); return float64(d[len(d)/2]) }
	b.ReportMetric(median(took[0]), "ns/of-10")
	b.ReportMetric(median(took[1]), "ns/of-20000")
	b.ReportMetric(median(took[1])/median(took[0]), "ratio")
}

// BenchmarkGroupCommit compares the group commit with one commit for every request, in turn.
func BenchmarkGroupCommit(b *testing.B) {
	for _, clients := range []int{1, 64} {
		b.Run(fmt.Sprint(clients, " clients"), func(b *testing.B) {
			s := mustOpen(b, filepath.Join(b.TempDir(), "store.db"))
			fillUsers(b, s, 2000, 64)
			plain := func(_ context.Context, fn func(store.Tx) error) error {
				return s.db.Update(func(btx *bbolt.Tx) error { return fn(tables.New(kv.New(btx))) })
			}
			var rate [2]float64
			const each = 300 * time.Millisecond
			n := 0
			for b.Loop() {
				for turn := range 2 {
					i := (turn + n) % 2 // the first one has the smaller file
					update := []func(context.Context, func(store.Tx) error) error{plain, s.Update}[i]
					var wg sync.WaitGroup
					var mu sync.Mutex
					done, start := 0, time.Now()
					for c := range clients {
						wg.Go(func() {
							mine := 0
							for ; time.Since(start) < each; mine++ {
								if err := update(context.Background(), members(uuid('b', c), fmt.Sprintf("%d-%d-%d-%d", n, i, c, mine))); err != nil {
									b.Error(err)
								}
							}
							mu.Lock()
							done += mine
							mu.Unlock()
						})
					}
					wg.Wait()
					rate[i] += float64(done) / time.Since(start).Seconds()
				}
				n++
			}
			b.ReportMetric(rate[0]/float64(n), "plain/s")
			b.ReportMetric(rate[1]/float64(n), "group/s")
			b.ReportMetric(rate[1]/rate[0], "ratio")
		})
	}
}

// TestMillionMemberships measures the disk space of a million memberships: 10,000 users in 100 groups, added
// by requests of 100 members each, with an event each.
func TestMillionMemberships(t *testing.T) {
	if os.Getenv(longVariable) == "" {
		t.Skip("set " + longVariable + "=1 to run it; it takes a minute")
	}
	const users, groups, request = 10_000, 100, 100
	for name, at := range map[string]func(i int) (group, from int){
		"group by group": func(i int) (int, int) { return i / (users / request), i % (users / request) * request },
		"user by user":   func(i int) (int, int) { return i % groups, i / groups * request },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			s := mustOpen(t, path)
			fillUsers(t, s, users, groups)
			start := time.Now()
			for i := range groups * users / request {
				g, from := at(i)
				var values []string
				for u := from; u < from+request; u++ {
					values = append(values, uuid('a', u))
				}
				if err := s.Update(context.Background(), members(uuid('b', g), values...)); err != nil {
					t.Fatal(err)
				}
			}
			took := time.Since(start)
			start = time.Now()
			if err := s.Check(); err != nil {
				t.Error(err)
			}
			checked := time.Since(start)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			start = time.Now()
			mustOpen(t, path)
			t.Logf("%d MB, added in %v, checked in %v, reopened in %v", info.Size()/1_000_000, took, checked, time.Since(start))
			if info.Size() > 120_000_000 {
				t.Errorf("%d bytes", info.Size())
			}
		})
	}
}

// BenchmarkNewMembers adds new members in requests of several sizes: the cost of one must not grow with their
// number.
func BenchmarkNewMembers(b *testing.B) {
	sizes := []int{10_000, 100_000}
	var each [2]float64
	n := 0
	for b.Loop() {
		for i, size := range sizes {
			s := mustOpen(b, filepath.Join(b.TempDir(), fmt.Sprint(n, ".db")))
			n++
			fillUsers(b, s, 0, 1)
			var values []string
			for u := range size {
				values = append(values, uuid('c', u))
			}
			start := time.Now()
			err := s.Update(b.Context(), func(tx store.Tx) error {
				added, err := tx.Directory("idp").AddMembers(uuid('b', 0), values...)
				if err != nil {
					return err
				}
				_, err = tx.Events().Append(store.Event{Type: "group.members", IdP: "idp", Subject: uuid('b', 0), Added: added})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			each[i] += float64(time.Since(start)) / float64(size)
		}
	}
	b.ReportMetric(each[0]/float64(b.N), "ns/new-of-10000")
	b.ReportMetric(each[1]/float64(b.N), "ns/new-of-100000")
	b.ReportMetric(each[1]/each[0], "ratio")
}
