package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
)

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
		f.config = func(d configured) { stale = d.Worker }
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
		holds, err := b.desk.Holds(t.Context())
		if err != nil || len(holds) != 1 || len(holds[0].Grants) != 6 {
			t.Fatalf("held: %+v, %v", holds, err)
		}
		if err := b.desk.Approve(t.Context(), holds[0].ID, "operator", "req"); err != nil {
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
		if err := b.desk.Resync(t.Context()); err != nil {
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
		if err := b.desk.Retry(t.Context()); err != nil {
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
