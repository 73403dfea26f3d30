package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/storetest"
)

const lease = 15 * time.Second

// fleet is several replicas over one store, before one vendor that tells who calls.
type fleet struct {
	*world
	leases *storetest.Shared

	trouble func(context.Context) error // what a replica's calls meet from its start on; nil: nothing

	mu       sync.Mutex
	journal  []string       // "a: add acme: a1=ADMIN"
	times    []time.Time    // when each of them arrived
	inFlight map[string]int // by replica
}

func newFleet(t *testing.T, rules ...mapping.Rule) *fleet {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "w.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{world: &world{t: t, clock: time.Now(), store: s}, leases: &storetest.Shared{Store: s}, inFlight: map[string]int{}}
	t.Cleanup(func() {
		storetest.Check(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	f.vendor = &vendor{t: t, now: time.Now, people: map[string]string{}, holds: map[string]map[string]bool{}, refuse: map[string]bool{}, gone: map[string]bool{}}
	f.remap(rules...)
	return f
}

// replica is one process: its store and its calls go through a gate that a test may close, as a stopped process does nothing.
type replica struct {
	*delivery.Candidate
	fleet  *fleet
	name   string
	gate   gate
	desk   *desk.Desk
	apply  func(context.Context) error // before a call that changes something; nil: nothing
	cancel context.CancelFunc
	done   chan error
}

type gate struct {
	mu     sync.Mutex
	closed chan struct{}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.closed)
	g.closed = nil
}

func (g *gate) pass() {
	g.mu.Lock()
	c := g.closed
	g.mu.Unlock()
	if c != nil {
		<-c
	}
}

func (f *fleet) start(name string) *replica {
	r := &replica{fleet: f, name: name, apply: f.trouble, done: make(chan error, 1)}
	clock := &delivery.Clock{}
	make := func(s store.Store) *delivery.Worker {
		brakes := usualBrakes()
		w := &delivery.Worker{
			Name: "vt", Store: s, Backend: caller{f.vendor, r}, Policy: func() view.Policy { return view.Policy{Rules: f.rules, Brakes: brakes} }, RetryInitial: time.Second, RetryMax: 5 * time.Minute,
			CallTimeout: 30 * time.Second,
			Now:         clock.Now, Jitter: func() float64 { return 0 },
			Settings: view.Settings{BatchSize: 25, BatchWait: time.Second, Straggler: 75 * time.Second},
		}
		if f.config != nil {
			f.config(configured{w, &brakes})
		}
		return w
	}
	r.Candidate = &delivery.Candidate{Name: "vt", Shared: gated{f.leases, &r.gate}, Owner: name, Lease: lease, Poll: time.Second, Clock: clock,
		Term: make, Who: func(owner string) string { return owner }}
	r.Log = slog.New(slog.DiscardHandler)
	r.desk = deskOf(make(f.leases).Init())
	r.desk.Nudge, r.desk.Standby = r.Nudge, r.StandsBy
	ctx, cancel := context.WithCancel(f.t.Context())
	r.cancel = cancel
	go func() { r.done <- r.Run(ctx) }()
	return r
}

// stop ends a replica as a signal does.
func (r *replica) stop() {
	r.fleet.t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		r.fleet.t.Errorf("%s: %v", r.name, err)
	}
}

// kill ends a replica as a power cut does: nothing of it is heard again before the end of the test.
func (r *replica) kill() {
	r.gate.close()
	r.fleet.t.Cleanup(func() {
		r.gate.open()
		r.stop()
	})
}

// gated is the store as a replica sees it.
type gated struct {
	store.Shared
	gate *gate
}

func (g gated) View(ctx context.Context, fn func(store.Tx) error) error {
	g.gate.pass()
	return g.Shared.View(ctx, fn)
}

func (g gated) Update(ctx context.Context, fn func(store.Tx) error) error {
	g.gate.pass()
	return g.Shared.Update(ctx, fn)
}

func (g gated) Take(ctx context.Context, name, owner string, ttl time.Duration) (store.Lease, error) {
	g.gate.pass()
	return g.Shared.Take(ctx, name, owner, ttl)
}

func (g gated) Renew(ctx context.Context, l store.Lease, ttl time.Duration) (store.Lease, error) {
	g.gate.pass()
	return g.Shared.Renew(ctx, l, ttl)
}

func (g gated) Release(ctx context.Context, l store.Lease) error {
	g.gate.pass()
	return g.Shared.Release(ctx, l)
}

func (g gated) Leases(ctx context.Context) ([]store.Lease, error) {
	g.gate.pass()
	return g.Shared.Leases(ctx)
}

func (g gated) Under(l store.Lease) store.Store { return under{g.Shared.Under(l), g.gate} }

type under struct {
	store.Store
	gate *gate
}

func (u under) View(ctx context.Context, fn func(store.Tx) error) error {
	u.gate.pass()
	return u.Store.View(ctx, fn)
}

func (u under) Update(ctx context.Context, fn func(store.Tx) error) error {
	u.gate.pass()
	return u.Store.Update(ctx, fn)
}

// caller is the vendor as a replica calls it.
type caller struct {
	*vendor
	replica *replica
}

func (c caller) Resolve(ctx context.Context, target string, keys []string) (map[string]backend.Account, error) {
	c.replica.gate.pass()
	c.replica.fleet.mu.Lock()
	defer c.replica.fleet.mu.Unlock()
	return c.vendor.Resolve(ctx, target, keys)
}

func (c caller) Observe(ctx context.Context, target string) (backend.Observation, error) {
	c.replica.gate.pass()
	c.replica.fleet.mu.Lock()
	defer c.replica.fleet.mu.Unlock()
	return c.vendor.Observe(ctx, target)
}

func (c caller) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	c.replica.gate.pass()
	f, name := c.replica.fleet, c.replica.name
	if err := ctx.Err(); err != nil { // as package net/http does before it sends
		return nil, &backend.Error{Kind: backend.Transient, Doing: "changing roles", Unsent: true, Err: err}
	}
	f.mu.Lock()
	f.inFlight[name]++
	if len(f.inFlight) > 1 {
		f.t.Errorf("calls of two replicas in flight: %v", f.inFlight)
	}
	f.journal, f.times = append(f.journal, name+": "+describe(d)), append(f.times, time.Now())
	apply := c.replica.apply
	f.mu.Unlock()
	var err error
	if apply != nil {
		err = apply(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inFlight[name]--; f.inFlight[name] == 0 {
		delete(f.inFlight, name)
	}
	if err != nil {
		return nil, err
	}
	return c.vendor.Apply(ctx, d)
}

// said is what was called since it was asked last.
func (f *fleet) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.journal
	f.journal, f.times = nil, nil
	return out
}

func (f *fleet) wantCalls(want ...string) {
	f.t.Helper()
	if got := f.said(); !slices.Equal(got, want) {
		f.t.Errorf("calls %q, want %q", got, want)
	}
}

// wait lets time go by until everything is at rest.
func (f *fleet) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	f.clock = time.Now()
}

// people have an account and are in the directory.
func (f *fleet) people(n int) {
	for i := 1; i <= n; i++ {
		email := fmt.Sprintf("p%d@example.com", i)
		f.vendor.people[email] = fmt.Sprintf("a%d", i)
		f.user("okta", fmt.Sprintf("u%d", i), email, true)
	}
}
