package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
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
		w := &delivery.Worker{
			Name: "vt", Store: s, Backend: caller{f.vendor, r}, Rules: func() *mapping.Rules { return f.rules }, Mode: delivery.Sync,
			BatchSize: 25, BatchWait: time.Second, RetryInitial: time.Second, RetryMax: 5 * time.Minute,
			CallTimeout: 30 * time.Second, Straggler: 75 * time.Second,
			MaxRemovals: delivery.Limit{Count: 10, Percent: 20, Window: time.Hour}, MaxOffboardings: delivery.Limit{Count: 100, Percent: 30, Window: time.Hour},
			Now: clock.Now, Jitter: func() float64 { return 0 },
		}
		if f.config != nil {
			f.config(w)
		}
		return w
	}
	r.Candidate = &delivery.Candidate{Worker: make(f.leases).Init(), Shared: gated{f.leases, &r.gate}, Owner: name, Lease: lease, Poll: time.Second, Clock: clock,
		Term: make, Who: func(owner string) string { return owner }}
	r.Log = slog.New(slog.DiscardHandler)
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

// TestOneReplicaDelivers stops the replica that delivers: the call under way is answered, and another goes on within two seconds.
func TestOneReplicaDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, admins)
		f.group("okta", "Admins")
		f.people(2)
		a := f.start("a")
		f.wait(2 * time.Second)
		b := f.start("b")
		f.join("okta", "u1", "Admins") // without a nudge: the replica that delivers looks by itself
		f.mu.Lock()
		a.apply = func(context.Context) error { time.Sleep(20 * time.Second); return nil }
		f.mu.Unlock()
		f.wait(3 * time.Second)
		f.wantCalls("a: add acme: a1=ADMIN")
		a.stop() // 18 s more, longer than the lease
		f.wait(0)
		f.expect("acme/a1=ADMIN")
		f.join("okta", "u2", "Admins")
		f.wait(4 * time.Second)
		f.wantCalls("b: add acme: a2=ADMIN")
		if state, _ := b.Health(); state != "ok" {
			t.Errorf("b is %s", state)
		}
		b.stop()
	})
}

// TestTakeOver kills the replica that delivers in the middle of a call. Another delivers within 20 s, what was open is in doubt, and is
// read back once the window has passed.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, admins)
		f.group("okta", "Admins")
		f.people(2)
		a := f.start("a")
		f.wait(2 * time.Second)
		b := f.start("b")
		f.mu.Lock()
		a.apply = func(ctx context.Context) error { <-ctx.Done(); return backendGone(ctx) }
		f.mu.Unlock()
		f.join("okta", "u1", "Admins")
		f.wait(3 * time.Second)
		f.wantCalls("a: add acme: a1=ADMIN")
		killed := time.Now()
		a.kill()
		f.join("okta", "u2", "Admins")
		f.wait(20 * time.Second)
		if f.expect("acme/a1=ADMIN acme/a2=ADMIN"); t.Failed() {
			return
		}
		if state, _ := b.Health(); state != "ok" {
			t.Errorf("%v after the kill b is %s", time.Since(killed), state)
		}
		if e := f.entry("acme", "a1", "ADMIN"); time.Until(e.Doubt) < 55*time.Second {
			t.Errorf("what was open is in doubt until %v, that is not a whole window from the take-over: %+v", e.Doubt, e)
		}
		f.wait(80 * time.Second)
		if e := f.entry("acme", "a1", "ADMIN"); !e.Doubt.IsZero() || e.State != store.Present {
			t.Errorf("after the window: %+v", e)
		}
		f.expectCounts("pending 0, blocked 0, held 0")
		b.stop()
	})
}

func backendGone(ctx context.Context) error {
	return &backend.Error{Kind: backend.Transient, Doing: "changing roles", Err: ctx.Err()}
}

// TestAZombie stops the replica that delivers for longer than the lease, before it can record an attempt. When it goes on, it neither
// writes nor calls.
func TestAZombie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, admins)
		f.group("okta", "Admins")
		f.people(2)
		a := f.start("a")
		f.wait(2 * time.Second)
		b := f.start("b")
		f.join("okta", "u1", "Admins")
		f.wait(500 * time.Millisecond)
		a.gate.close()
		f.wait(25 * time.Second)
		f.wantCalls("b: add acme: a1=ADMIN")
		f.leave("okta", "u1", "Admins")
		f.wait(3 * time.Second)
		f.wantCalls("b: remove acme: a1=ADMIN")
		a.gate.open()
		f.wait(time.Minute)
		f.wantCalls()
		f.expect("")
		if state, reason := a.Health(); state != delivery.Following || !strings.Contains(reason, "replica b delivers, in term 2") {
			t.Errorf("a is %s: %s", state, reason)
		}
		b.stop()
		f.join("okta", "u2", "Admins")
		f.wait(5 * time.Second)
		f.wantCalls("a: add acme: a2=ADMIN") // it may again
		a.stop()
	})
}

// TestAStaleWorkerIsFenced lets the worker of a term that is over go on: the store refuses its first write, and nothing is sent.
func TestAStaleWorkerIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, admins)
		f.group("okta", "Admins")
		f.people(1)
		var stale *delivery.Worker
		f.config = func(w *delivery.Worker) { stale = w }
		a := f.start("a")
		f.wait(2 * time.Second)
		old := stale
		a.stop()
		b := f.start("b")
		f.wait(2 * time.Second)
		b.gate.close() // so that the mark is there for the stale one
		f.join("okta", "u1", "Admins")
		f.wait(2 * time.Second)
		if _, err := old.RunOnce(t.Context()); !errors.Is(err, store.ErrFenced) {
			t.Errorf("the worker of a term that is over: %v, want ErrFenced", err)
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := old.Run(limited); !errors.Is(err, store.ErrFenced) {
			t.Errorf("it ends with %v, want ErrFenced", err)
		}
		f.wantCalls()
		b.gate.open()
		f.wait(20 * time.Second)
		f.expect("acme/a1=ADMIN")
		b.stop()
	})
}

// TestACallEndsWithTheTrust cuts the replica that delivers off from the store during a call: the call is cut before another may call.
// While the lease is renewed a call may take longer than a lease.
func TestACallEndsWithTheTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, admins)
		f.group("okta", "Admins")
		f.people(2)
		a := f.start("a")
		f.wait(2 * time.Second)
		f.join("okta", "u1", "Admins")
		f.mu.Lock()
		a.apply = func(ctx context.Context) error {
			select {
			case <-time.After(25 * time.Second):
				return nil
			case <-ctx.Done():
				return backendGone(ctx)
			}
		}
		f.mu.Unlock()
		f.wait(30 * time.Second)
		f.wantCalls("a: add acme: a1=ADMIN")
		f.expect("acme/a1=ADMIN")

		var cut time.Time
		f.mu.Lock()
		a.apply = func(ctx context.Context) error { <-ctx.Done(); cut = time.Now(); return backendGone(ctx) }
		f.mu.Unlock()
		b := f.start("b")
		f.join("okta", "u2", "Admins")
		f.wait(3 * time.Second)
		off := time.Now()
		a.gate.close()
		f.wait(20 * time.Second)
		if cut.IsZero() || cut.Sub(off) > lease-lease/5 {
			t.Errorf("the call was cut %v after the last renewal could be", cut.Sub(off))
		}
		f.expect("acme/a1=ADMIN acme/a2=ADMIN")
		a.gate.open()
		a.stop()
		b.stop()
	})
}

// TestAPauseSurvives lets the vendor refuse everybody for ten minutes. Who takes over calls no sooner.
func TestAPauseSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, admins)
		f.leases.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) } // and the clock of the store is another
		f.group("okta", "Admins")
		f.people(1)
		a := f.start("a")
		f.wait(2 * time.Second)
		b := f.start("b")
		until := f.leases.Now().Add(10 * time.Minute)
		f.mu.Lock()
		a.apply = func(context.Context) error {
			return &backend.Error{Kind: backend.Throttled, Doing: "changing roles", Status: 429, Until: until}
		}
		f.mu.Unlock()
		f.join("okta", "u1", "Admins")
		f.wait(3 * time.Second)
		f.wantCalls("a: add acme: a1=ADMIN")
		a.kill()
		f.wait(9 * time.Minute)
		f.wantCalls()
		if got := b.PausedUntil(); !got.Equal(until) {
			t.Errorf("b waits until %v, want %v", got, until)
		}
		if state, _ := b.Health(); state != "throttled" {
			t.Errorf("b is %s", state)
		}
		f.wait(time.Minute)
		f.wantCalls("b: add acme: a1=ADMIN")
		b.stop()
	})
}

// TestCommandsReachWhoDelivers gives every command to a replica that does not.
func TestCommandsReachWhoDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, admins)
		f.group("okta", "Admins")
		f.people(6)
		a := f.start("a")
		f.wait(2 * time.Second)
		b := f.start("b")
		for i := 1; i <= 6; i++ {
			f.join("okta", fmt.Sprintf("u%d", i), "Admins")
		}
		f.wait(5 * time.Second)
		f.said()
		for i := 1; i <= 6; i++ {
			f.leave("okta", fmt.Sprintf("u%d", i), "Admins")
		}
		f.wait(5 * time.Second)
		holds, err := b.Holds(t.Context())
		if err != nil || len(holds) != 1 || len(holds[0].Grants) != 6 {
			t.Fatalf("held: %+v, %v", holds, err)
		}
		if err := b.Approve(t.Context(), holds[0].ID, "operator", "req"); err != nil {
			t.Fatal(err)
		}
		f.wait(4 * time.Second)
		f.wantCalls("a: remove acme: a1=ADMIN a2=ADMIN a3=ADMIN a4=ADMIN a5=ADMIN a6=ADMIN")
		f.expect("")

		f.join("okta", "u1", "Admins")
		f.wait(4 * time.Second)
		f.said()
		f.mu.Lock()
		f.vendor.holds["acme/a1"] = nil // taken away by hand
		f.mu.Unlock()
		f.wait(time.Minute)
		f.wantCalls()
		if err := b.Resync(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.wait(10 * time.Second)
		f.wantCalls("a: add acme: a1=ADMIN")

		f.mu.Lock()
		a.apply = func(context.Context) error {
			return &backend.Error{Kind: backend.Throttled, Doing: "changing roles", Status: 429, Until: time.Now().Add(time.Hour)}
		}
		f.mu.Unlock()
		f.join("okta", "u2", "Admins")
		f.wait(4 * time.Second)
		f.wantCalls("a: add acme: a2=ADMIN")
		f.mu.Lock()
		a.apply = nil
		f.mu.Unlock()
		f.wait(4 * time.Second)
		f.wantCalls()
		if err := b.Retry(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.wait(4 * time.Second)
		f.wantCalls("a: add acme: a2=ADMIN")
		a.stop()
		b.stop()
	})
}

// TestOtherRulesElsewhere marks as a replica with other rules than those in force does: it cannot say where a change counts.
func TestOtherRulesElsewhere(t *testing.T) {
	w := newWorld(t, admins, mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "beta", Roles: []string{"SCAN"}})
	w.group("okta", "Admins")
	for i := 1; i <= 3; i++ {
		w.vendor.people[fmt.Sprintf("p%d@example.com", i)] = fmt.Sprintf("a%d", i)
		w.user("okta", fmt.Sprintf("u%d", i), fmt.Sprintf("p%d@example.com", i), true)
	}
	elsewhere := func(change func(d store.Directory) error, s func(tx store.Tx) store.Subject) {
		t.Helper()
		w.update(func(tx store.Tx) error {
			if err := change(tx.Directory("okta")); err != nil {
				return err
			}
			return tx.Work("vt").Touch(store.AnyTarget, w.clock, store.Origin{}, s(tx))
		})
		w.pass(10 * time.Second)
		w.expectCounts("pending 0, blocked 0, held 0")
	}
	person := func(id string) func(store.Tx) store.Subject {
		return func(store.Tx) store.Subject { return store.Subject{IdP: "okta", User: id} }
	}
	elsewhere(func(d store.Directory) error { _, err := d.AddMembers("Admins", "u1"); return err }, person("u1"))
	w.expect("acme/a1=ADMIN beta/a1=SCAN")
	elsewhere(func(d store.Directory) error { _, err := d.AddMembers("Admins", "u2", "u3"); return err }, func(tx store.Tx) store.Subject {
		seq, err := tx.Events().Append(store.Event{At: w.clock, Type: "group.members", IdP: "okta", Subject: "Admins", Added: []string{"u2", "u3"}})
		if err != nil {
			t.Fatal(err)
		}
		return store.Subject{IdP: "okta", Event: seq}
	})
	w.expect("acme/a1=ADMIN acme/a2=ADMIN acme/a3=ADMIN beta/a1=SCAN beta/a2=SCAN beta/a3=SCAN")
	elsewhere(func(d store.Directory) error { _, err := d.RemoveMembers("Admins", "u1"); return err }, person("u1"))
	w.expect("acme/a2=ADMIN acme/a3=ADMIN beta/a2=SCAN beta/a3=SCAN")
	elsewhere(func(d store.Directory) error { return d.DeleteGroup("Admins") }, func(store.Tx) store.Subject { return store.Subject{} })
	w.expect("")
}

func (w *world) entry(target, account, role string) (e store.Entry) {
	w.t.Helper()
	err := w.store.View(w.t.Context(), func(tx store.Tx) (err error) {
		e, err = tx.Ledger("vt").Entry(target, account, role)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}
