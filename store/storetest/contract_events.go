package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// sealOf returns a seal that differs from all others.
func sealOf(place, event uint64) store.Seal {
	return store.Seal{Place: place, Event: event, Digest: [32]byte{byte(place), byte(event), 31: 0xff}}
}

// seqs appends a number of events and returns their numbers.
func seqs(t *testing.T, s store.Store, n int) []uint64 {
	t.Helper()
	var out []uint64
	update(t, s, func(tx store.Tx) error {
		out = nil
		for i := range n {
			seq, err := tx.Events().Append(store.Event{At: At(int64(i)), Type: "x", Detail: fmt.Sprint(i)})
			if err != nil {
				return err
			}
			out = append(out, seq)
		}
		return nil
	})
	return out
}

func numbers(events []store.Event) (out []uint64) {
	for _, e := range events {
		out = append(out, e.Seq)
	}
	return out
}

func testSeals(t *testing.T, s store.Store) {
	n := seqs(t, s, 6)
	first, second := sealOf(1, n[0]), sealOf(2, n[1])
	update(t, s, func(tx store.Tx) error {
		e := tx.Events()
		Same(t, "unsealed", numbers(List(t, e.Unsealed())), n)
		for what, bad := range map[string]store.Seal{"a place beyond the next": sealOf(2, n[0]), "no place": sealOf(0, n[0]), "an event that is not there": sealOf(1, n[5]+1), "not the first": sealOf(1, n[1]), "no event": sealOf(1, 0)} {
			is(t, what, e.Seal(bad), store.ErrConflict)
		}
		err := e.Seal(first)
		is(t, "the place again", e.Seal(sealOf(1, n[1])), store.ErrConflict)
		is(t, "the event again", e.Seal(sealOf(2, n[0])), store.ErrConflict)
		return errors.Join(err, e.Seal(second))
	})
	View(t, s, func(tx store.Tx) error {
		e := tx.Events()
		Same(t, "unsealed", numbers(List(t, e.Unsealed())), n[2:])
		Same(t, "seals", List(t, e.Seals(0)), []store.Seal{first, second})
		Same(t, "seals after a place", List(t, e.Seals(1)), []store.Seal{second})
		Same(t, "seals after the last", len(List(t, e.Seals(2)))+len(List(t, e.Seals(math.MaxUint64))), 0)
		last, err := e.LastSeal()
		Same(t, "last", last, second)
		anchor, err2 := e.Anchor()
		Same(t, "anchor", anchor, store.Seal{})
		return errors.Join(err, err2)
	})
	update(t, s, func(tx store.Tx) error {
		is(t, "an anchor under a chain", tx.Events().SetAnchor(sealOf(7, 0)), store.ErrConflict)
		return nil
	})
	err := s.Update(context.Background(), func(tx store.Tx) error { return errors.Join(tx.Events().Seal(sealOf(3, n[2])), ErrWanted) })
	is(t, "a seal that is not committed", err, ErrWanted)
	update(t, s, func(tx store.Tx) error { return tx.Events().Seal(sealOf(3, n[2])) })

	update(t, s, func(tx store.Tx) error {
		e := tx.Events()
		for what, bad := range map[string][]store.Seal{
			"the second not the next":                {sealOf(4, n[3]), sealOf(6, n[4])},
			"the second not the next event":          {sealOf(4, n[3]), sealOf(5, n[5])},
			"the second not there":                   {sealOf(4, n[3]), sealOf(5, n[4]), sealOf(6, n[5]), sealOf(7, n[5]+1)},
			"the first had one":                      {sealOf(3, n[2]), sealOf(4, n[3])},
			"the places are the next, not the first": {sealOf(5, n[3]), sealOf(6, n[4])},
		} {
			is(t, what, e.Seal(bad...), store.ErrConflict)
			Same(t, what+": unsealed", numbers(List(t, e.Unsealed())), n[3:])
			Same(t, what+": seals", len(List(t, e.Seals(0))), 3)
		}
		return errors.Join(e.Seal(), e.Seal(sealOf(4, n[3]), sealOf(5, n[4])))
	})
	View(t, s, func(tx store.Tx) error {
		e := tx.Events()
		Same(t, "unsealed after several", numbers(List(t, e.Unsealed())), n[5:])
		Same(t, "several", List(t, e.Seals(3)), []store.Seal{sealOf(4, n[3]), sealOf(5, n[4])})
		return nil
	})
}

// testAnchor checks a trail that came from another store.
func testAnchor(t *testing.T, s store.Store) {
	anchor := store.Seal{Place: 7, Digest: sealOf(7, 3).Digest}
	n := seqs(t, s, 2)
	update(t, s, func(tx store.Tx) error { return tx.Events().SetAnchor(sealOf(7, 3)) })
	update(t, s, func(tx store.Tx) error {
		e := tx.Events()
		last, err := e.LastSeal()
		Same(t, "last", last, anchor)
		Same(t, "unsealed", numbers(List(t, e.Unsealed())), n)
		is(t, "the first place", e.Seal(sealOf(1, n[0])), store.ErrConflict)
		return errors.Join(err, e.Seal(sealOf(8, n[0])))
	})
	View(t, s, func(tx store.Tx) error {
		Same(t, "seals", List(t, tx.Events().Seals(0)), []store.Seal{sealOf(8, n[0])})
		got, err := tx.Events().Anchor()
		Same(t, "anchor", got, anchor)
		return err
	})
}

func testForget(t *testing.T, s store.Store) {
	subject := store.Subject{IdP: "idp"}
	n := seqs(t, s, 6)
	subject.Event = n[3]
	update(t, s, func(tx store.Tx) error {
		var errs []error
		for i, seq := range n[:5] {
			errs = append(errs, tx.Events().Seal(sealOf(uint64(i+1), seq)))
		}
		return errors.Join(append(errs, tx.Work(backend).Touch("a", At(1), store.Origin{}, subject), tx.Work("other").Touch("b", At(1), store.Origin{}, subject))...)
	})
	forget := func(place uint64, want store.Seal, left ...uint64) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			anchor, err := tx.Events().Forget(place)
			Same(t, "what is forgotten", anchor, want)
			return err
		})
		View(t, s, func(tx store.Tx) error {
			e := tx.Events()
			anchor, err := e.Anchor()
			Same(t, "anchor", anchor, want)
			Same(t, "events", numbers(List(t, e.Since(0))), left)
			sealed := []uint64{}
			for _, s := range List(t, e.Seals(0)) {
				sealed = append(sealed, s.Event)
			}
			Same(t, "events of the seals", sealed, left[:len(left)-1])
			Same(t, "unsealed", numbers(List(t, e.Unsealed())), n[5:])
			return err
		})
	}
	anchor := func(i uint64) store.Seal { return store.Seal{Place: i, Digest: sealOf(i, n[i-1]).Digest} }
	forget(0, store.Seal{}, n...)
	forget(2, anchor(2), n[2:]...)
	forget(1, anchor(2), n[2:]...)
	forget(5, anchor(3), n[3:]...) // a mark refers to the next
	settle := func(b, target string) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			if err := tx.Work(b).Touch(target, At(2), store.Origin{}, subject); err != nil { // a second Touch keeps one reference
				return err
			}
			m, err := tx.Work(b).Mark(target, subject)
			if err != nil {
				return err
			}
			_, err = tx.Work(b).Settle(m)
			return err
		})
	}
	settle(backend, "a")
	forget(5, anchor(3), n[3:]...)
	settle("other", "b")
	forget(4, anchor(4), n[4:]...)
	forget(9, anchor(5), n[5:]...) // unsealed events stay
	update(t, s, func(tx store.Tx) error {
		last, err := tx.Events().LastSeal()
		Same(t, "last", last, anchor(5))
		is(t, "an anchor under another", tx.Events().SetAnchor(sealOf(7, 0)), store.ErrConflict)
		seq, err2 := tx.Events().Append(store.Event{Type: "y"})
		if seq <= n[5] {
			t.Errorf("event %d after %d", seq, n[5])
		}
		return errors.Join(err, err2, tx.Events().Seal(sealOf(6, n[5])))
	})
}

// testSealers runs several sealers: every place and every event is used once.
func testSealers(t *testing.T, s store.Store) {
	const sealers, events = 4, 60
	seqs(t, s, events/2)
	var wg sync.WaitGroup
	wg.Go(func() { // another writer
		for range events / 2 {
			if err := s.Update(context.Background(), func(tx store.Tx) error { return appended(tx, store.Event{Type: "y"}) }); err != nil {
				t.Errorf("append: %v", err)
			}
		}
	})
	for range sealers {
		wg.Go(func() {
			for {
				var next store.Seal
				err := s.View(context.Background(), func(tx store.Tx) error {
					last, err := tx.Events().LastSeal()
					next = store.Seal{Place: last.Place + 1}
					for e, err := range tx.Events().Unsealed() {
						next.Event = e.Seq
						return err
					}
					return err
				})
				if err == nil && next.Place > events {
					return
				}
				if err == nil && next.Event > 0 {
					err = s.Update(context.Background(), func(tx store.Tx) error { return tx.Events().Seal(sealOf(next.Place, next.Event)) })
				}
				if err != nil && !errors.Is(err, store.ErrConflict) {
					t.Errorf("seal: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	View(t, s, func(tx store.Tx) error {
		seen := map[uint64]bool{}
		for i, seal := range List(t, tx.Events().Seals(0)) {
			Same(t, "place", seal.Place, uint64(i+1))
			seen[seal.Event] = true
		}
		Same(t, "events that have a place", len(seen), events)
		return nil
	})
}
