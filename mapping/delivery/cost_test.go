package delivery_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// countingStore counts transactions.
type countingStore struct {
	store.Store
	views, updates atomic.Int64
}

func (c *countingStore) View(ctx context.Context, fn func(store.Tx) error) error {
	c.views.Add(1)
	return c.Store.View(ctx, fn)
}

func (c *countingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	c.updates.Add(1)
	return c.Store.Update(ctx, fn)
}

// TestCost of a change of a user whose account is known: one View that finds what is due, one that plans,
// and two Updates, before and after the call.
func TestCost(t *testing.T) {
	w := newWorld(t, mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}},
		mapping.Rule{Groups: []string{"Staff"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}})
	c := &countingStore{Store: w.store}
	w.config = func(d configured) { d.Store = c }
	w.restart()
	for i := range 12 {
		name := fmt.Sprint("u", i)
		w.user("okta", name, name+"@example.com", true)
		w.vendor.people[name+"@example.com"] = "a" + name[1:]
	}
	for _, g := range []string{"Admins", "Staff"} {
		w.group("okta", g)
	}
	for i := range 12 {
		w.join("okta", fmt.Sprint("u", i), "Staff")
	}
	w.pass(10 * time.Minute)
	cost := func(what, call string) {
		t.Helper()
		w.clock = w.clock.Add(2 * time.Second)
		w.calls()
		c.views.Store(0)
		c.updates.Store(0)
		if _, err := w.worker.RunOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.expectCalls(call)
		rounds := int64(2) // the second one sees that the visit has ended
		if v, u := c.views.Load(), c.updates.Load(); v > 1+rounds || u > 2 {
			t.Errorf("%s costs %d Views and %d Updates", what, v, u)
		}
	}
	w.join("okta", "u1", "Admins")
	cost("a grant", "add acme: a1=ADMIN")
	w.leave("okta", "u1", "Admins")
	cost("a revocation", "remove acme: a1=ADMIN")
}

// marksRead counts the marks that are read from a store.
type marksRead struct {
	store.Store
	n atomic.Int64
}

func (s *marksRead) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(marksReadTx{tx, &s.n}) })
}

func (s *marksRead) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(marksReadTx{tx, &s.n}) })
}

type marksReadTx struct {
	store.Tx
	n *atomic.Int64
}

func (t marksReadTx) Work(backend string) store.Work { return marksReadWork{t.Tx.Work(backend), t.n} }

type marksReadWork struct {
	store.Work
	n *atomic.Int64
}

func (w marksReadWork) counted(seq iter.Seq2[store.Mark, error]) iter.Seq2[store.Mark, error] {
	return func(yield func(store.Mark, error) bool) {
		for m, err := range seq {
			if w.n.Add(1); !yield(m, err) {
				return
			}
		}
	}
}

func (w marksReadWork) Marks(target string) iter.Seq2[store.Mark, error] {
	return w.counted(w.Work.Marks(target))
}

func (w marksReadWork) Ready(target string, at time.Time, urgent bool) iter.Seq2[store.Mark, error] {
	return w.counted(w.Work.Ready(target, at, urgent))
}

func (w marksReadWork) Waiting(at time.Time, most int) iter.Seq2[store.Waiting, error] {
	return func(yield func(store.Waiting, error) bool) {
		for of, err := range w.Work.Waiting(at, most) {
			if w.n.Add(int64(of.Ready)); !yield(of, err) {
				return
			}
		}
	}
}

// A change costs what it is about, not what waits on its target and elsewhere.
func TestCostOfWhatWaits(t *testing.T) {
	const waiting = 600
	beta := mapping.Rule{Groups: []string{"Betas"}, Backend: "vt", Target: "beta", Roles: []string{"SCAN"}}
	w := newWorld(t, admins, beta)
	c := &marksRead{Store: w.store}
	w.config = func(d configured) { d.Store = c }
	w.restart()
	w.group("okta", "Admins")
	w.group("okta", "Betas")
	for i := range waiting { // users without an account wait until they have one
		name := fmt.Sprint("w", i)
		w.user("okta", name, name+"@example.com", true)
		w.join("okta", name, "Admins")
		w.join("okta", name, "Betas")
	}
	w.user("okta", "u1", "u1@example.com", true)
	w.vendor.people["u1@example.com"] = "a1"
	w.join("okta", "u1", "Betas")
	w.pass(10 * time.Minute)
	w.calls()
	w.expectCounts(fmt.Sprintf("pending 0, blocked %d, held 0", 2*waiting))
	cost := func(call string) {
		t.Helper()
		c.n.Store(0)
		w.pass(2 * time.Second)
		w.expectCalls(call)
		if n := c.n.Load(); n > 40 {
			t.Errorf("%s: %d marks were read, of %d that wait", call, n, 2*waiting)
		}
	}
	w.join("okta", "u1", "Admins")
	cost("add acme: a1=ADMIN")
	w.leave("okta", "u1", "Admins")
	cost("remove acme: a1=ADMIN")
}
