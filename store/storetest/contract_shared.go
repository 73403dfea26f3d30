package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// RunShared runs the contract of a store that several processes have open. open returns a function that opens
// one empty store, which t.Cleanup closes; each test opens it twice.
func RunShared(t *testing.T, open func(t *testing.T) func() store.Shared) {
	tests := []struct {
		name string
		test func(t *testing.T, one, two store.Shared)
	}{
		{"a lease is one's", testLease},
		{"a lease ends by the store's clock", testLeaseEnds},
		{"a lease is released", testRelease},
		{"the fence", testFence},
		{"no lease is taken from under a write", testTakeWaits},
		{"who comes first", testTakers},
		{"replicas", testReplicas},
		{"one counter", testSharedCounter},
		{"one group", testSharedGroup},
		{"marks that were touched meanwhile", testSharedMarks},
		{"what was only read", testSharedReads},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			handle := open(t)
			one, two := handle(), handle()
			t.Cleanup(func() { Check(withContext{t}, one) })
			test.test(t, one, two)
		})
	}
}

const (
	long  = time.Hour
	short = 30 * time.Millisecond
)

func take(t *testing.T, s store.Shared, owner string, ttl time.Duration) store.Lease {
	t.Helper()
	l, err := s.Take(t.Context(), backend, owner, ttl)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	return l
}

// over waits until a lease is over by the clock of the store.
func over(t *testing.T, s store.Shared, name string) {
	t.Helper()
	for {
		leases, err := s.Leases(t.Context())
		if err != nil {
			t.Fatalf("leases: %v", err)
		}
		for _, l := range leases {
			if l.Name == name && !l.Until.After(l.Now) {
				return
			}
		}
		time.Sleep(short / 3)
	}
}

func testLease(t *testing.T, one, two store.Shared) {
	leases, err := one.Leases(t.Context())
	if err != nil || len(leases) != 0 {
		t.Errorf("leases of an empty store: %v, %v", leases, err)
	}
	l := take(t, one, "a", long)
	if l.Name != backend || l.Owner != "a" || l.Term == 0 || l.Until.Sub(l.Now) > long || l.Until.Sub(l.Now) < long-time.Minute {
		t.Errorf("taken: %+v", l)
	}
	for _, owner := range []string{"a", "b"} {
		_, err = two.Take(t.Context(), backend, owner, long)
		is(t, "take what is held", err, store.ErrHeld)
	}
	other, err := two.Take(t.Context(), "another", "b", long)
	if err != nil || other.Owner != "b" {
		t.Errorf("leases are apart: %+v, %v", other, err)
	}
	renewed, err := two.Renew(t.Context(), l, 2*long)
	if err != nil || renewed.Term != l.Term || renewed.Owner != "a" || renewed.Until.Sub(l.Until) < long-time.Minute {
		t.Errorf("renewed: %+v, %v", renewed, err)
	}
	for what, wrong := range map[string]store.Lease{
		"owner": {Name: l.Name, Owner: "b", Term: l.Term}, "epoch": {Name: l.Name, Owner: "a", Term: l.Term + 1}, "name": {Name: "none", Owner: "a", Term: 1},
	} {
		_, err := one.Renew(t.Context(), wrong, long)
		is(t, "renew with another "+what, err, store.ErrFenced)
	}
	leases, err = one.Leases(t.Context())
	if err != nil || len(leases) != 2 || leases[0].Name != "another" || leases[1].Owner != "a" || !leases[1].Until.Equal(renewed.Until) || leases[1].Now.Before(l.Now) {
		t.Errorf("leases: %+v, %v", leases, err)
	}
}

func testLeaseEnds(t *testing.T, one, two store.Shared) {
	l := take(t, one, "a", short)
	over(t, two, backend)
	_, err := one.Renew(t.Context(), l, long)
	is(t, "renew what is over", err, store.ErrFenced)
	next := take(t, two, "b", long)
	if next.Term <= l.Term || next.Owner != "b" {
		t.Errorf("%+v after %+v", next, l)
	}
	_, err = one.Renew(t.Context(), l, long)
	is(t, "renew what is another's", err, store.ErrFenced)
	if err := one.Release(t.Context(), l); err != nil {
		t.Errorf("release of another's lease: %v", err)
	}
	_, err = one.Take(t.Context(), backend, "a", long)
	is(t, "take after a late release", err, store.ErrHeld)
}

func testRelease(t *testing.T, one, two store.Shared) {
	l := take(t, one, "a", long)
	if err := one.Release(t.Context(), l); err != nil {
		t.Fatalf("release: %v", err)
	}
	leases, err := two.Leases(t.Context())
	if err != nil || len(leases) != 1 || leases[0].Term != l.Term || leases[0].Until.After(leases[0].Now) {
		t.Errorf("released: %+v, %v", leases, err)
	}
	_, err = one.Renew(t.Context(), l, long)
	is(t, "renew what was released", err, store.ErrFenced)
	is(t, "write under it", one.Under(l).Update(t.Context(), func(store.Tx) error { return nil }), store.ErrFenced)
	if next := take(t, two, "a", long); next.Term <= l.Term {
		t.Errorf("epoch %d after %d", next.Term, l.Term)
	}
}

func testFence(t *testing.T, one, two store.Shared) {
	l := take(t, one, "a", long)
	held := one.Under(l)
	update(t, held, func(tx store.Tx) error { return tx.SetSetting("n", []byte("1")) })
	setting := func(want string) {
		t.Helper()
		View(t, held, func(tx store.Tx) error {
			Same(t, "setting", string(tx.Setting("n")), want)
			return nil
		})
	}
	setting("1")
	write := func(tx store.Tx) error { return tx.SetSetting("n", []byte("2")) }
	for what, wrong := range map[string]store.Lease{
		"owner": {Name: l.Name, Owner: "b", Term: l.Term}, "epoch": {Name: l.Name, Owner: "a", Term: l.Term - 1}, "name": {Name: "none", Owner: "a", Term: l.Term},
	} {
		is(t, "write with another "+what, two.Under(wrong).Update(t.Context(), write), store.ErrFenced)
	}
	setting("1")
	is(t, "error of the function", held.Update(t.Context(), func(store.Tx) error { return ErrWanted }), ErrWanted)
	if err := one.Release(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	brief := take(t, one, "a", short)
	over(t, one, backend) // and no replica has taken it
	is(t, "write after its end", one.Under(brief).Update(t.Context(), write), store.ErrFenced)
	take(t, two, "b", long)
	is(t, "write under another's", one.Under(brief).Update(t.Context(), write), store.ErrFenced)
	setting("1")
	update(t, one, write) // an Update without a lease still works
	setting("2")
}

// testTakeWaits begins a write under a lease before its end. The next holder of the lease must see the write.
func testTakeWaits(t *testing.T, one, two store.Shared) {
	l := take(t, one, "a", 10*short)
	inside, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	var once sync.Once
	go func() {
		done <- one.Under(l).Update(context.Background(), func(tx store.Tx) error {
			err := tx.SetSetting("n", []byte("1"))
			once.Do(func() { close(inside); <-goOn })
			return err
		})
	}()
	<-inside
	over(t, two, backend)
	ctx, cancel := context.WithTimeout(t.Context(), 20*short)
	defer cancel()
	got, err := two.Take(ctx, backend, "b", long)
	close(goOn)
	written := <-done
	if err == nil {
		t.Fatalf("%+v was taken from under a write", got)
	}
	for {
		_, err := two.Take(t.Context(), backend, "b", long)
		if err == nil {
			break
		}
		is(t, "take", err, store.ErrHeld)
	}
	View(t, two, func(tx store.Tx) error {
		Same(t, "what was written is there", string(tx.Setting("n")) == "1", written == nil)
		return nil
	})
}

func testTakers(t *testing.T, one, two store.Shared) {
	last := uint64(0)
	for range 5 {
		var wg sync.WaitGroup
		var won atomic.Pointer[store.Lease]
		for i := range 8 {
			wg.Go(func() {
				s := []store.Shared{one, two}[i%2]
				l, err := s.Take(context.Background(), backend, fmt.Sprint("replica ", i), long)
				switch {
				case err == nil && won.Swap(&l) != nil:
					t.Error("two replicas hold the lease")
				case err != nil:
					is(t, "take", err, store.ErrHeld)
				}
			})
		}
		wg.Wait()
		l := won.Load()
		if l == nil {
			t.Fatal("no replica holds the lease")
		}
		if l.Term <= last {
			t.Errorf("epoch %d after %d", l.Term, last)
		}
		last = l.Term
		if err := one.Release(t.Context(), *l); err != nil {
			t.Fatal(err)
		}
	}
}

func testReplicas(t *testing.T, one, two store.Shared) {
	a := store.Replica{ID: "a", Address: "10.0.0.1:8081", Version: "v1", Started: At(1)}
	b := store.Replica{ID: "b", Address: "10.0.0.2:8081", Version: "v2", Started: time.Unix(1_700_000_000, 5).UTC()}
	announce := func(s store.Shared, r store.Replica) {
		t.Helper()
		if err := s.Announce(t.Context(), r); err != nil {
			t.Fatalf("announce: %v", err)
		}
	}
	listed := func() []store.Replica {
		t.Helper()
		list, err := one.Replicas(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("replicas: %v, %v", list, err)
		}
		for i, want := range []store.Replica{a, b} {
			got := list[i]
			if got.Seen.IsZero() || got.Seen.After(got.Now) {
				t.Errorf("seen %v, now %v", got.Seen, got.Now)
			}
			got.Seen, got.Now = time.Time{}, time.Time{}
			Same(t, "replica", got, want)
		}
		return list
	}
	announce(two, b)
	announce(one, a)
	before := listed()
	a.Version = "v3"
	announce(one, a)
	after := listed()
	if !after[0].Seen.After(before[0].Seen) || !after[1].Seen.Equal(before[1].Seen) {
		t.Errorf("seen %v and %v, then %v and %v", before[0].Seen, before[1].Seen, after[0].Seen, after[1].Seen)
	}
}
