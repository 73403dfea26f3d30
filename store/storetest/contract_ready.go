package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// testReady changes marks at random and holds what is ready to what is there.
func testReady(t *testing.T, s store.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	targets := []string{"a", "b\x00", "c"}
	pick := func() (string, store.Subject) {
		return targets[r.IntN(len(targets))], store.Subject{IdP: "idp", User: fmt.Sprint("u", r.IntN(6))}
	}
	for range 150 {
		update(t, s, func(tx store.Tx) error {
			w := tx.Work("ready")
			target, subject := pick()
			m, err := w.Mark(target, subject)
			since := At(int64(r.IntN(20)))
			switch n := r.IntN(8); {
			case n == 0:
				return w.TouchUrgent(target, since, store.Origin{}, subject)
			case n <= 2 || err != nil:
				return w.Touch(target, since, store.Origin{}, subject)
			case n == 3:
				_, err = w.Settle(m)
				return err
			}
			m.State, m.NotBefore, m.Reason = store.MarkState(r.IntN(3)), time.Time{}, ""
			if m.State == store.Blocked {
				m.Reason = fmt.Sprint("reason", r.IntN(2))
			}
			if r.IntN(3) > 0 {
				m.NotBefore = At(int64(r.IntN(20)))
			}
			_, err = w.Park(m)
			return err
		})
		View(t, s, func(tx store.Tx) error {
			at, most := At(int64(r.IntN(20))), 1+r.IntN(8)
			compareReady(t, tx.Work("ready"), at, most, targets)
			return nil
		})
	}
}

// compareReady holds Ready, Waiting and Due to Marks.
func compareReady(t *testing.T, w store.Work, at time.Time, most int, targets []string) {
	t.Helper()
	var want []store.Waiting
	due := false
	for _, target := range targets {
		var ready, urgent []store.Mark
		sum := store.Waiting{Target: target}
		for _, m := range List(t, w.Marks(target)) {
			switch {
			case m.State == store.Held:
			case m.NotBefore.After(at):
				if sum.Next.IsZero() || m.NotBefore.Before(sum.Next) {
					sum.Next = m.NotBefore
				}
			default:
				ready = append(ready, m)
			}
		}
		due = due || len(ready) > 0
		slices.SortFunc(ready, func(a, b store.Mark) int {
			if a.Urgent != b.Urgent {
				return map[bool]int{true: -1, false: 1}[a.Urgent]
			}
			return cmp.Or(a.NotBefore.Compare(b.NotBefore), cmp.Compare(a.Seq, b.Seq))
		})
		for _, m := range ready {
			if m.Urgent {
				urgent = append(urgent, m)
			}
			if sum.Ready < most {
				sum.Add(m)
			}
		}
		Same(t, "ready on "+target, List(t, w.Ready(target, at, false)), ready)
		Same(t, "urgent on "+target, List(t, w.Ready(target, at, true)), urgent)
		if sum.Ready > 0 || !sum.Next.IsZero() {
			want = append(want, sum)
		}
	}
	Same(t, "waiting", List(t, w.Waiting(at, most)), want)
	is, err := w.Due(at)
	if err != nil {
		t.Fatal(err)
	}
	Same(t, "due", is, due)
}
