package postgres

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

func uuid(kind byte, n int) string {
	return fmt.Sprintf("%c%07x-5a3c-4b1d-9e2f-%012x", kind, n*2654435761%0xfffffff, n)
}

// patch returns the changes of a PATCH of a group.
func patch(group string, members ...string) func(store.Tx) error {
	return func(tx store.Tx) error {
		d := tx.Directory("idp")
		g, err := d.Group(group)
		if err != nil {
			return err
		}
		added, err := d.AddMembers(group, members...)
		if err != nil {
			return err
		}
		g.Version++
		if err := d.PutGroup(g); err != nil {
			return err
		}
		seq, err := tx.Events().Append(store.Event{At: time.Unix(1_700_000_000, 0), Type: "group.members", Actor: "idp", Request: uuid('r', 1), IdP: "idp", Subject: group, Added: added})
		if err != nil {
			return err
		}
		subjects := []store.Subject{{IdP: "idp", Event: seq}}
		if len(added) <= 100 {
			subjects = nil
			for _, m := range added {
				subjects = append(subjects, store.Subject{IdP: "idp", User: m})
			}
		}
		return tx.Work("vt").Touch("t", time.Unix(1_700_000_000, 0), store.Origin{}, subjects...)
	}
}

func mustUpdate(t testing.TB, s store.Store, fn func(store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func fill(t testing.TB, s store.Store, users, groups int) {
	t.Helper()
	for from := 0; from < users; from += 500 {
		mustUpdate(t, s, func(tx store.Tx) error {
			for u := from; u < min(users, from+500); u++ {
				name := fmt.Sprintf("user%d@example.com", u)
				if err := tx.Directory("idp").PutUser(store.User{ID: uuid('a', u), UserName: name, ExternalID: fmt.Sprint("x", u), Emails: []string{name}, Active: true, Attributes: fmt.Appendf(nil, `{"userName":%q}`, name)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	mustUpdate(t, s, func(tx store.Tx) error {
		for g := range groups {
			if err := tx.Directory("idp").PutGroup(store.Group{ID: uuid('b', g), DisplayName: fmt.Sprint("group ", g)}); err != nil {
				return err
			}
		}
		return nil
	})
}

func ids(kind byte, from, to int) []string {
	var out []string
	for n := from; n < to; n++ {
		out = append(out, uuid(kind, n))
	}
	return out
}

// BenchmarkAddMember adds to a group of 10 and to one of 20,000 in turn; the cost of a change is the change's.
func BenchmarkAddMember(b *testing.B) {
	s := mustOpen(b, postgrestest.Database(b), Options{})
	fill(b, s, 20_000, 2)
	groups := []string{uuid('b', 0), uuid('b', 1)}
	mustUpdate(b, s, patch(groups[0], ids('a', 0, 10)...))
	for from := 0; from < 20_000; from += 1000 {
		mustUpdate(b, s, patch(groups[1], ids('a', from, from+1000)...))
	}
	var took [2][]time.Duration
	for i := 0; b.Loop(); i++ {
		for g, group := range groups {
			value := fmt.Sprintf("new-%d", i%10)
			mustUpdate(b, s, func(tx store.Tx) error { // so that the small one stays small
				_, err := tx.Directory("idp").RemoveMembers(group, value)
				return err
			})
			start := time.Now()
			mustUpdate(b, s, patch(group, value))
			took[g] = append(took[g], time.Since(start))
		}
	}
	median := func(d []time.Duration) float64 { slices.Sort(d); return float64(d[len(d)/2]) }
	b.ReportMetric(median(took[0]), "ns/of-10")
	b.ReportMetric(median(took[1]), "ns/of-20000")
	b.ReportMetric(median(took[1])/median(took[0]), "ratio")
}

// BenchmarkWriters writes with clients of two replicas at once; it reports the runs of a function for each committed Update.
func BenchmarkWriters(b *testing.B) {
	const users, groups, each = 2000, 50, 20
	kinds := map[string]func(n int) func(store.Tx) error{
		"patches of 1": func(int) func(store.Tx) error {
			return patch(uuid('b', rand.IntN(groups)), uuid('a', rand.IntN(users)))
		},
		"patches of 1000": func(int) func(store.Tx) error {
			from := rand.IntN(users - 1000)
			return patch(uuid('b', rand.IntN(groups)), ids('a', from, from+1000)...)
		},
		"new users": func(n int) func(store.Tx) error {
			return func(tx store.Tx) error {
				return tx.Directory("idp").PutUser(store.User{ID: uuid('n', n), UserName: fmt.Sprint("new", n), Emails: []string{fmt.Sprint("new", n)}})
			}
		},
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		for _, clients := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%d clients, %s", clients, kind), func(b *testing.B) {
				dsn := postgrestest.Database(b)
				stores := []*Store{mustOpen(b, dsn, Options{}), mustOpen(b, dsn, Options{})}
				fill(b, stores[0], users, groups)
				var runs, done atomic.Int64
				start := time.Now()
				for b.Loop() {
					var wg sync.WaitGroup
					for c := range clients {
						wg.Go(func() {
							for range each {
								fn := kinds[kind](int(done.Add(1)))
								err := stores[c%2].Update(context.Background(), func(tx store.Tx) error {
									runs.Add(1)
									return fn(tx)
								})
								if err != nil {
									b.Error(err)
								}
							}
						})
					}
					wg.Wait()
				}
				b.ReportMetric(float64(done.Load())/time.Since(start).Seconds(), "updates/s")
				b.ReportMetric(float64(runs.Load())/float64(done.Load()), "runs/update")
			})
		}
	}
}
