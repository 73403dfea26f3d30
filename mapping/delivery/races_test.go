package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// twice is a store that runs each function of an Update once in vain, as any store may.
type twice struct{ store.Store }

var errOnceMore = errors.New("once more")

func (s twice) Update(ctx context.Context, fn func(store.Tx) error) error {
	err := s.Store.Update(ctx, func(tx store.Tx) error { return errors.Join(fn(tx), errOnceMore) })
	if err != nil && !errors.Is(err, errOnceMore) {
		return err
	}
	return s.Store.Update(ctx, fn)
}

// Two sightings are two readings, not one transaction that ran twice.
func TestASightingCountsOnceHoweverOftenItsTransactionRuns(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w, drift := drifting(t, rule)
	w.config = func(d configured) {
		d.Store, d.ResyncEvery, d.Drift = twice{w.store}, time.Hour, func(kind string) { drift[kind]++ }
	}
	w.restart()
	w.pass(5 * time.Minute)
	w.vendor.holds["acme/a3"] = map[string]bool{"ADMIN": true}
	w.resync()
	w.pass(time.Second)
	delete(w.vendor.holds["acme/a3"], "ADMIN") // what the first reading showed lagged
	w.pass(time.Hour)
	w.expectCalls()
	if drift["foreign"] != 1 {
		t.Errorf("%v", drift)
	}
}

// An operator is quicker than the visit that found what is held: its other calls are still to be made.
func TestADecisionDuringAVisitLeavesNobodyHeld(t *testing.T) {
	for name, decide := range map[string]func(*world, string) error{
		"approved": func(w *world, id string) error { return w.desk.Approve(w.t.Context(), id, "operator", "req") },
		"rejected": func(w *world, id string) error { return w.desk.Reject(w.t.Context(), id, "operator", "req") },
	} {
		t.Run(name, func(t *testing.T) {
			w := full(t, 6)
			w.leaveAll(0, 6)
			for i := range 6 {
				w.join("okta", fmt.Sprint("u", i), "Others")
			}
			w.vendor.during = func() {
				if err := decide(w, w.hold("empties_role", 6).ID); err != nil {
					t.Error(err)
				}
			}
			w.pass(time.Minute)
			w.noHold()
			w.expectCounts("pending 0, blocked 0, held 0")
			if n, want := w.heldBy("ADMIN"), map[string]int{"approved": 0, "rejected": 6}[name]; n != want {
				t.Errorf("%d are admins, want %d", n, want)
			}
		})
	}
}

// What an operator refuses to take away while the call that would is being prepared stays.
func TestARejectionIsNotOvertaken(t *testing.T) {
	w := full(t, 5)
	w.vendor.admin = "ADMIN"
	w.vendor.people["root@example.com"] = "root"
	w.vendor.holds["acme/root"] = map[string]bool{"ADMIN": true}
	l := &hooked{vendor: w.vendor}
	w.config = func(d configured) { d.Backend = l }
	w.restart()
	w.leaveAll(0, 5)
	w.pass(3 * time.Minute)
	id := w.hold("empties_role", 5).ID
	w.user("okta", "u0", "u0@example.com", false)
	w.everywhere("okta", "u0")
	l.observe = func() {
		if err := w.desk.Reject(t.Context(), id, "operator", "req"); err != nil {
			t.Error(err)
		}
	}
	w.pass(time.Minute)
	w.expectCalls()
	w.noHold()
	w.expectCounts("pending 0, blocked 0, held 0")
}

// Who leaves under another address is off-boarded, and no other user.
func TestWhoLeavesUnderAnotherAddressIsOffboarded(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Offboard, d.MaxRemovals = true, view.Limit{} }
	w.restart()
	team(w, 2, "Admins")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Admins")
	w.pass(5 * time.Second)
	w.calls()
	w.user("okta", "u0", "left-u0@example.com", false)
	w.everywhere("okta", "u0")
	w.pass(10 * time.Minute)
	w.noHold()
	w.expectCalls("remove acme: a0=ADMIN", "offboard acme: a0")
	w.expectCounts("pending 0, blocked 0, held 0")

	w.user("okta", "u0", "left-u0@example.com", true) // not known to be a0
	w.pass(10 * time.Minute)
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{Account: "a0"})
	})
	w.pass(10 * time.Minute)
	w.expectCalls()
	w.expectCounts("pending 0, blocked 1, held 0")
	w.user("okta", "u0", "u0@example.com", true)
	w.pass(10 * time.Minute)
	w.expectCalls("add acme: a0=ADMIN")
}

// A permission set that is refused keeps no other where it is.
func TestARefusedPermissionSetKeepsNoOther(t *testing.T) {
	rule := admins
	rule.PermissionSets = []string{"ps1", "ps2"}
	w := newWorld(t, rule)
	w.vendor.mixed = true
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(2 * time.Minute)
	w.expect("acme/*=ps1,ps2 acme/a0=ADMIN")
	rule.PermissionSets = []string{"bad", "ps3"}
	w.vendor.refuse["*/bad"] = true
	w.remap(rule)
	w.worker.RulesChanged()
	w.pass(time.Minute)
	w.expect("acme/*=ps3 acme/a0=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
}

// hooked is a vendor during whose next call something happens.
type hooked struct {
	*vendor
	ready, resolve, observe, offboard func()
}

func once(f *func()) {
	if do := *f; do != nil {
		*f = nil
		do()
	}
}

func (h *hooked) Ready(ctx context.Context) error {
	once(&h.ready)
	return h.vendor.Ready(ctx)
}

func (h *hooked) Resolve(ctx context.Context, target string, keys []string) (map[string]backend.Account, error) {
	once(&h.resolve)
	return h.vendor.Resolve(ctx, target, keys)
}

func (h *hooked) Observe(ctx context.Context, target string) (backend.Observation, error) {
	once(&h.observe)
	return h.vendor.Observe(ctx, target)
}

func (h *hooked) Offboard(ctx context.Context, target string, a backend.Account) error {
	once(&h.offboard)
	return h.vendor.Offboard(ctx, target, a)
}

// Rules that are taken back before the store knows of them move nothing, though a visit came in between.
func TestRulesThatAreTakenBackDuringAVisit(t *testing.T) {
	w := newWorld(t, admins)
	r := &hooked{vendor: w.vendor}
	w.config = func(d configured) { d.Backend = r }
	w.restart()
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(time.Minute)
	w.join("okta", "u0", "Admins")
	w.clock = w.clock.Add(2 * time.Second)
	r.ready = func() { w.remap() }
	w.round()
	w.worker.RulesChanged()
	w.remap(admins)
	w.worker.RulesChanged()
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN")
	w.remap()
	w.worker.RulesChanged()
	w.pass(time.Minute)
	w.expect("")
}

// Rules that are loaded during a listing, and taken back before the store knows of them, settle no mark.
func TestRulesThatAreTakenBackDuringAListing(t *testing.T) {
	w := newWorld(t, admins)
	l := &hooked{vendor: w.vendor}
	w.config = func(d configured) { d.Backend = l }
	w.restart()
	team(w, 1, "Admins")
	w.pass(time.Minute)
	w.join("okta", "u0", "Admins")
	w.clock = w.clock.Add(2 * time.Second)
	l.resolve = func() { w.remap() }
	w.round()
	w.worker.RulesChanged()
	w.remap(admins)
	w.worker.RulesChanged()
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN")
}

// Other rules wait for the call under way, and for nothing else.
func TestOtherRulesAreInForceAfterTheCallUnderWay(t *testing.T) {
	betas := mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "beta", Roles: []string{"SCAN"}}
	w := newWorld(t, admins, betas)
	w.config = func(d configured) { d.BatchSize = 1 }
	w.restart()
	team(w, 3, "Admins")
	for i := range 3 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.vendor.during = func() {
		w.remap()
		w.worker.RulesChanged()
	}
	w.pass(time.Minute)
	calls := w.calls()
	if len(calls) != 2 || !strings.HasPrefix(calls[0], "add") || calls[1] != strings.Replace(calls[0], "add", "remove", 1) {
		t.Errorf("calls %q, want one that adds, and its undoing", calls)
	}
}

// That a reading shows people and no permission sets is no sign that one is gone whose removal is refused.
func TestARefusedRemovalOfAPermissionSetIsNotTakenForDone(t *testing.T) {
	rule := admins
	rule.PermissionSets = []string{"ps1"}
	w := newWorld(t, rule)
	w.vendor.mixed = true
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(2 * time.Minute)
	w.expect("acme/*=ps1 acme/a0=ADMIN")
	w.vendor.refuse["*/ps1"] = true
	w.remap(admins)
	w.worker.RulesChanged()
	w.pass(time.Hour)
	w.expectCounts("pending 0, blocked 1, held 0")
	clear(w.vendor.refuse)
	w.pass(10 * time.Minute)
	w.expect("acme/a0=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

// failing is a store that gives these answers to the next calls of Update; nil and then: its own.
type failing struct {
	store.Store
	answers []error
}

func (f *failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	if len(f.answers) > 0 {
		err := f.answers[0]
		f.answers = f.answers[1:]
		if err != nil {
			return err
		}
	}
	return f.Store.Update(ctx, fn)
}

// A comparison that was asked for is made, though the store could not take what it found.
func TestAResyncThatCannotBeStoredIsMadeAgain(t *testing.T) {
	w := full(t, 1)
	f := &failing{Store: w.store}
	w.config = func(d configured) { d.Store = f }
	w.restart()
	delete(w.vendor.holds["acme/a0"], "ADMIN")
	w.clock = w.clock.Add(time.Minute)
	w.resync()
	f.answers = []error{nil, store.ErrFull} // that the command is taken, and what is found
	if _, err := w.worker.RunOnce(t.Context()); err != nil || len(f.answers) > 0 {
		t.Fatal(err, f.answers)
	}
	w.pass(2 * time.Minute)
	w.expect("acme/a0=ADMIN")
}

// Who comes back while those before them are off-boarded, which takes a call for each, is not.
func TestWhoComesBackBeforeTheirTurnIsNotOffboarded(t *testing.T) {
	w := newWorld(t, admins)
	e := &hooked{vendor: w.vendor}
	w.config = func(d configured) { d.Backend, d.Offboard = e, true }
	w.restart()
	team(w, 2, "Admins")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Admins")
	w.pass(time.Minute)
	w.calls()
	w.deactivate("okta", "u0")
	w.deactivate("okta", "u1")
	e.offboard = func() { w.user("okta", "u1", "u1@example.com", true) }
	w.pass(time.Minute)
	w.expectCalls("remove acme: a0=ADMIN a1=ADMIN", "offboard acme: a0", "add acme: a1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

// What was noted by a clock that was ahead says nothing about how long ago it was: reads are trusted after a window all the same.
func TestAClockThatWasSetBackKeepsDriftNoSecret(t *testing.T) {
	w := full(t, 1)
	w.clock = w.clock.Add(100 * time.Hour)
	w.join("okta", "u0", "Others")
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN,SCAN")
	w.clock = w.clock.Add(-100 * time.Hour)
	w.restart()
	w.pass(2 * time.Minute)
	delete(w.vendor.holds["acme/a0"], "SCAN")
	w.resync()
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN,SCAN")
}

// What was to be tried again in minutes is, though the clock is set back by hours.
func TestAClockThatIsSetBackKeepsNoRemovalWaiting(t *testing.T) {
	w := full(t, 1)
	set := w.settable()
	w.clock = w.clock.Add(time.Hour)
	w.vendor.refuse["a0/ADMIN"] = true
	w.leaveAll(0, 1)
	w.clock = w.clock.Add(2 * time.Second)
	w.round()
	w.expectCounts("pending 0, blocked 1, held 0")
	clear(w.vendor.refuse)
	*set = -5 * time.Hour
	for range 10 {
		w.round()
		w.clock = w.clock.Add(time.Minute)
	}
	w.expect("")
}

// A comparison that is only made when it is asked for looks twice, too, and not at one moment.
func TestASecondLookIsNotTakenAtOnce(t *testing.T) {
	w := full(t, 1)
	w.pass(2 * time.Minute)
	w.vendor.stale = map[string]bool{"a0/ADMIN": true}
	w.resync()
	w.pass(time.Second)
	w.vendor.stale = nil
	w.pass(time.Minute)
	w.expectCalls()
}

// What an operator approved is counted by no limit, also of a user who has something else held.
func TestAnApprovalCountsNothingBesideAHold(t *testing.T) {
	w := full(t, 8)
	for i := range 8 {
		w.join("okta", fmt.Sprint("u", i), "Others")
	}
	w.pass(time.Minute)
	w.config = func(d configured) { d.MaxRemovals = view.Limit{Count: 3, Window: time.Hour} }
	w.restart()
	w.leaveAll(0, 4)
	w.pass(time.Minute)
	id := w.hold("max_removals", 4).ID
	w.pass(2 * time.Minute)
	for i := range 4 {
		w.leave("okta", fmt.Sprint("u", i), "Others")
	}
	if err := w.desk.Approve(t.Context(), id, "operator", ""); err != nil {
		t.Fatal(err)
	}
	w.calls()
	w.pass(time.Minute)
	w.expectCalls("remove acme: a0=ADMIN a1=ADMIN a2=ADMIN a3=ADMIN")
	w.hold("max_removals", 4)
	w.leave("okta", "u7", "Admins")
	w.pass(time.Minute)
	w.expectCalls("remove acme: a7=ADMIN")
}
