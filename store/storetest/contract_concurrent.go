package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

func testSharedCounter(t *testing.T, one, two store.Shared) {
	const clients, times = 6, 15
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for range times {
				err := []store.Shared{one, two}[c%2].Update(context.Background(), func(tx store.Tx) error {
					n := 0
					if v := tx.Setting("n"); v != nil {
						if _, err := fmt.Sscan(string(v), &n); err != nil {
							return err
						}
					}
					return tx.SetSetting("n", fmt.Append(nil, n+1))
				})
				if err != nil {
					t.Errorf("update: %v", err)
				}
			}
		})
	}
	wg.Wait()
	View(t, two, func(tx store.Tx) error {
		Same(t, "counter", string(tx.Setting("n")), fmt.Sprint(clients*times))
		return nil
	})
}

// testSharedGroup changes one group concurrently, renames it, and creates users with the same name.
func testSharedGroup(t *testing.T, one, two store.Shared) {
	const clients, times = 6, 10
	update(t, one, func(tx store.Tx) error { return tx.Directory("idp").PutGroup(group("g", "g")) })
	var wg sync.WaitGroup
	var taken atomic.Int64
	for c := range clients {
		wg.Go(func() {
			s := []store.Shared{one, two}[c%2]
			for i := range times {
				err := s.Update(context.Background(), func(tx store.Tx) error {
					d := tx.Directory("idp")
					g, err := d.Group("g")
					if err != nil {
						return err
					}
					g.Version++
					if _, err := d.AddMembers("g", fmt.Sprintf("%d-%d", c, i), fmt.Sprint("shared-", i)); err != nil {
						return err
					}
					return d.PutGroup(g)
				})
				if err != nil {
					t.Errorf("change of the group: %v", err)
				}
				err = s.Update(context.Background(), func(tx store.Tx) error {
					return tx.Directory("idp").PutUser(user(fmt.Sprintf("u%d-%d", c, i), fmt.Sprint("same name ", i)))
				})
				switch {
				case err == nil:
					taken.Add(1)
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("user: %v", err)
				}
			}
		})
	}
	wg.Wait()
	Same(t, "users that got each name first", taken.Load(), int64(times))
	View(t, two, func(tx store.Tx) error {
		d := tx.Directory("idp")
		n, err := d.MemberCount("g")
		Same(t, "members", n, clients*times+times)
		Same(t, "users", d.UserCount(), times)
		g, err2 := d.Group("g")
		Same(t, "version", g.Version, uint64(1+clients*times))
		return errors.Join(err, err2)
	})
}

func testSharedMarks(t *testing.T, one, two store.Shared) {
	u := store.Subject{Account: "a"}
	update(t, one, func(tx store.Tx) error { return tx.Work(backend).Touch("t", At(1), store.Origin{}, u) })
	var m store.Mark
	View(t, one, func(tx store.Tx) (err error) {
		m, err = tx.Work(backend).Mark("t", u)
		return err
	})
	touched := false
	update(t, one, func(tx store.Tx) error {
		if !touched { // on a store that serializes Updates another one would wait here indefinitely
			touched = true
			settled, err := tx.Work(backend).Settle(store.Mark{Target: "t", Subject: u, Seq: m.Seq + 1})
			if settled || err != nil {
				return fmt.Errorf("settled %v: %w", settled, err)
			}
			update(t, two, func(tx store.Tx) error { return tx.Work(backend).Touch("t", At(2), store.Origin{}, u) })
		}
		_, err := tx.Work(backend).Settle(m)
		return err
	})
	View(t, two, func(tx store.Tx) error {
		now, err := tx.Work(backend).Mark("t", u)
		if err == nil && now.Seq <= m.Seq {
			t.Errorf("number %d after %d", now.Seq, m.Seq)
		}
		return err
	})
}

// testSharedReads makes two changes that depend on the same reads. One of them must see the other.
func testSharedReads(t *testing.T, one, two store.Shared) {
	update(t, one, func(tx store.Tx) error { return tx.Directory("idp").PutGroup(group("g", "g")) })
	join := func(tx store.Tx, id string) error { // the first one joins
		d := tx.Directory("idp")
		if n, err := d.MemberCount("g"); err != nil || n > 0 || d.UserCount() > 0 {
			return err
		}
		return d.PutUser(user(id, id))
	}
	met := false
	update(t, one, func(tx store.Tx) error {
		if err := join(tx, "a"); err != nil {
			return err
		}
		if !met {
			met = true
			update(t, two, func(tx store.Tx) error { return join(tx, "b") })
		}
		return nil
	})
	View(t, two, func(tx store.Tx) error {
		Same(t, "users", tx.Directory("idp").UserCount(), 1)
		return nil
	})
}
