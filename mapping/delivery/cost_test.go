package delivery_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
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
	w.config = func(d *delivery.Worker) { d.Store = c }
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
