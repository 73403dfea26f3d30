package delivery_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
)

// What a harness with vendors of its own found over HTTP, and a third pair of eyes: each test is named after the defect.

// Two roles of one account for which two marks wait, the removal of each refused at another time, must not keep each other from believing what is read.
func TestRefusalsOfTwoRolesDoNotKeepEachOtherWaiting(t *testing.T) {
	w := full(t, 1)
	w.join("okta", "u0", "Others")
	w.pass(time.Hour)
	w.vendor.hidden = true
	w.vendor.refuse["a0/ADMIN"], w.vendor.refuse["a0/SCAN"] = true, true
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{Account: "a0"})
	})
	for _, group := range []string{"Admins", "Others"} { // taken, without an answer that says so; the repetition is refused
		w.vendor.answers = []answer{{err: failure(backend.Transient, 503), apply: true}}
		w.leave("okta", "u0", group)
		w.pass(40 * time.Second)
	}
	w.pass(time.Hour)
	w.expectCounts("pending 0, blocked 0, held 0")
}

// A batch is refused after it took effect in part, and the first half of it never leaves: what may have been given is remembered.
func TestWhatARefusedBatchMayHaveGivenIsNotForgotten(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 4, "Admins")
	w.vendor.answers = []answer{{err: failure(backend.Rejected, 404), apply: true}, {err: &backend.Error{Kind: backend.Transient, Doing: "changing roles", Unsent: true}}}
	for _, u := range []string{"u0", "u1", "u2", "u3"} {
		w.join("okta", u, "Admins")
	}
	w.pass(time.Second)
	w.leaveAll(0, 3)
	w.pass(time.Hour)
	w.expect("acme/a3=ADMIN")
}

// A single removal is refused although it took effect, and the person comes back: what may be gone is given again.
func TestARefusedRemovalThatTookEffectIsUndone(t *testing.T) {
	w := full(t, 2)
	w.vendor.hidden = true
	w.pass(time.Hour)
	w.vendor.answers = []answer{{err: failure(backend.Rejected, 409), apply: true}}
	w.leaveAll(0, 1)
	w.pass(2 * time.Second)
	w.join("okta", "u0", "Admins")
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
}

// The list still shows an admin whose removal was just confirmed: that admin does not remain, also for a new process.
func TestAnAdminWhoWasRemovedAMomentAgoIsNotOneWhoRemains(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w := full(t, 2)
		w.vendor.admin = "ADMIN"
		w.pass(time.Hour)
		w.leaveAll(0, 1)
		w.pass(2 * time.Second)
		w.expect("acme/a1=ADMIN")
		w.vendor.lags = map[string][]string{"acme/a0": {"ADMIN"}}
		if restarted {
			w.restart()
		}
		w.leaveAll(1, 2)
		w.pass(10 * time.Second)
		w.expect("acme/a1=ADMIN")
		w.vendor.lags = nil
		w.pass(2 * time.Minute)
		w.expect("acme/a1=ADMIN")
		w.hold("last_admin", 1)
	}
}

// A rule with replace would clear the role of an admin who was made by hand and is the last.
func TestReplaceDoesNotClearTheLastAdmin(t *testing.T) {
	exact := mapping.Rule{Groups: []string{"Exact"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}, Replace: true}
	w := newWorld(t, exact)
	w.vendor.admin = "ADMIN"
	team(w, 2, "Exact")
	w.vendor.holds["acme/a0"] = map[string]bool{"ADMIN": true}
	w.join("okta", "u0", "Exact")
	w.join("okta", "u1", "Exact")
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN,SCAN acme/a1=SCAN")
	if err := w.worker.Approve(t.Context(), w.hold("last_admin", 1).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.expect("acme/a0=SCAN acme/a1=SCAN")
}

// What an operator refused to take away stays, also of a user who is to have exactly some roles.
func TestReplaceDoesNotClearWhatWasRejected(t *testing.T) {
	exact := mapping.Rule{Groups: []string{"Exact"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}, Replace: true}
	more := mapping.Rule{Groups: []string{"More"}, Backend: "vt", Target: "acme", Roles: []string{"FILES"}}
	w := newWorld(t, admins, exact, more)
	w.config = func(d *delivery.Worker) { d.MaxRemovals = delivery.Limit{Count: 1, Window: time.Hour} }
	w.restart()
	team(w, 2, "Admins", "Exact", "More")
	for _, u := range []string{"u0", "u1"} {
		w.join("okta", u, "Admins")
		w.join("okta", u, "Exact")
	}
	w.pass(time.Minute)
	w.leaveAll(0, 2)
	w.pass(time.Minute)
	if err := w.worker.Reject(t.Context(), w.hold("max_removals", 2).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.join("okta", "u0", "More")
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN,FILES,SCAN acme/a1=ADMIN,SCAN")
}

// A pattern that is authoritative could name any target: it is so only for those that a group of it names.
func TestAnAuthoritativePatternTakesNothingElsewhere(t *testing.T) {
	pattern := mapping.Rule{Match: "^risk-(?P<r>[a-z]+)$", Backend: "vt", Target: "${r}", Roles: []string{"ADMIN"}, Authoritative: true}
	w := newWorld(t, admins, pattern)
	w.config = func(d *delivery.Worker) { d.ResyncEvery = time.Hour }
	w.restart()
	team(w, 3, "Admins", "risk-beta")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u0", "risk-beta")
	w.vendor.holds["acme/a2"], w.vendor.holds["beta/a2"] = map[string]bool{"ADMIN": true}, map[string]bool{"ADMIN": true}
	w.pass(3 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN beta/a0=ADMIN")
}

// A target that no rule names any more has no condition.
func TestHealthForgetsATargetThatNoRuleNames(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.vendor.gone["acme"] = true
	w.join("okta", "u0", "Admins")
	w.pass(time.Minute)
	if state, _ := w.worker.Health(); state != "no_target" {
		t.Error(state)
	}
	w.remap()
	w.worker.RulesChanged()
	w.pass(time.Hour)
	w.expectCounts("pending 0, blocked 0, held 0")
	if state, reason := w.worker.Health(); state != "ok" {
		t.Errorf("%s: %s", state, reason)
	}
}

// A target vanished at the vendor while people have something there, and no rule names it any more: an operator can say that
// what they had is gone, or that the bridge is to have nothing to do with it, and until then it is tried.
func TestWhatWaitsForAVanishedTargetIsDecided(t *testing.T) {
	for _, approve := range []bool{true, false} {
		w := full(t, 2)
		w.vendor.lost = map[string]bool{"acme": true}
		w.leaveAll(0, 1)
		w.pass(time.Minute)
		w.noHold() // a rule names it: it may be made again
		w.remap()
		w.worker.RulesChanged()
		w.pass(time.Minute)
		w.calls()
		w.pass(time.Hour)
		if n := len(w.calls()); n < 10 {
			t.Errorf("tried %d times in an hour", n)
		}
		h := w.hold("no_target", 2)
		decide := w.worker.Reject
		if approve {
			decide = w.worker.Approve
		}
		if err := decide(t.Context(), h.ID, "operator", "req"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		w.noHold()
		w.expectCalls()
		w.expectCounts("pending 0, blocked 0, held 0")
		if state, reason := w.worker.Health(); state != "ok" {
			t.Errorf("%s: %s", state, reason)
		}
	}
}

// longWinded is a vendor that reads for a long time before it changes something, and when it is asked what is there: page after page,
// each within its deadline.
type longWinded struct {
	*vendor
	reads time.Duration
}

func (l longWinded) page(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return &backend.Error{Kind: backend.Transient, Doing: "reading", Unsent: true, Err: ctx.Err()}
	case <-time.After(l.reads):
		return nil
	}
}

func (l longWinded) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	if err := l.page(ctx); err != nil {
		return nil, err
	}
	return l.vendor.Apply(ctx, d)
}

func (l longWinded) Observe(ctx context.Context, target string) (backend.Observation, error) {
	if err := l.page(ctx); err != nil {
		return backend.Observation{}, err
	}
	return l.vendor.Observe(ctx, target)
}

// At a low rate the list of many people takes longer than one call may: that is no reason never to deliver.
func TestALongListingIsNotCutAtTheDeadlineOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, admins)
		w.config = func(d *delivery.Worker) {
			d.Backend, d.Now, d.CallTimeout = longWinded{w.vendor, 2 * time.Minute}, time.Now, 30*time.Second
		}
		w.clock = time.Now()
		w.restart()
		team(w, 2, "Admins")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.worker.Run(ctx) }()
		step := func(do func()) {
			w.clock = time.Now()
			do()
			w.worker.Nudge()
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		step(func() { w.join("okta", "u0", "Admins"); w.join("okta", "u1", "Admins") })
		w.expect("acme/a0=ADMIN acme/a1=ADMIN")
		w.vendor.answers = []answer{{err: failure(backend.Rejected, 404), apply: true}} // and shows so
		w.vendor.refuse["a0/ADMIN"] = true
		step(func() { w.leave("okta", "u0", "Admins") })
		w.expect("acme/a1=ADMIN")
		w.expectCounts("pending 0, blocked 0, held 0")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A user without an account is looked for again with each comparison, too, however far apart the tries have become.
func TestAResyncLooksForThoseWithoutAnAccount(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d *delivery.Worker) { d.ResyncEvery = time.Hour }
	w.restart()
	team(w, 2, "Admins")
	delete(w.vendor.people, "u0@example.com")
	w.join("okta", "u0", "Admins")
	w.pass(101 * time.Hour)
	w.expectCounts("pending 0, blocked 1, held 0")
	w.vendor.people["u0@example.com"] = "a0"
	w.pass(61 * time.Minute)
	w.expect("acme/a0=ADMIN")
}

// Two users of two identity providers are one account: what the one is given the other does not lose.
func TestExplainKnowsTheOtherUserOfAnAccount(t *testing.T) {
	w := full(t, 1)
	w.group("entra", "Admins")
	w.user("entra", "e0", "u0@example.com", true)
	w.join("entra", "e0", "Admins")
	w.pass(time.Minute)
	state := func() string {
		t.Helper()
		whys, err := w.worker.Explain(t.Context(), "u0", "ADMIN")
		if err != nil || len(whys) != 1 || len(whys[0].Grants) != 1 {
			t.Fatalf("%+v, %v", whys, err)
		}
		return whys[0].Grants[0].State
	}
	w.leave("okta", "u0", "Admins")
	w.pass(time.Minute)
	if s := state(); !strings.Contains(s, "another user who is this account") {
		t.Error(s)
	}
	w.worker.Mode = delivery.AddOnly
	w.leave("entra", "e0", "Admins")
	w.pass(time.Minute)
	if s := state(); !strings.Contains(s, "keeps it: the mode of the backend is add_only") {
		t.Error(s)
	}
}

// `retry` also ends the waiting of those who could not be off-boarded yet.
func TestARetryIsAlsoForThoseWhoCannotBeEndedYet(t *testing.T) {
	w := full(t, 2)
	w.config = func(d *delivery.Worker) { d.Offboard = true }
	w.restart()
	for range 8 {
		w.vendor.ends = append(w.vendor.ends, failure(backend.Transient, 503))
	}
	w.deactivate("okta", "u0")
	w.pass(3 * time.Minute)
	w.vendor.ends = nil
	w.calls()
	if err := w.worker.Retry(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	w.expectCalls("offboard acme: a0")
}

// What is read after a refusal, however long that takes, is postponed for a user who leaves.
func TestWhoLeavesWaitsForNoReadingAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, admins)
		slow := &slowVendor{vendor: w.vendor}
		w.config = func(d *delivery.Worker) { d.Backend, d.Now = slow, time.Now }
		w.clock = time.Now()
		w.restart()
		team(w, 2, "Admins")
		w.join("okta", "u0", "Admins")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.worker.Run(ctx) }()
		step := func(wait time.Duration, do func()) {
			w.clock = time.Now()
			do()
			w.worker.Nudge()
			time.Sleep(wait)
			synctest.Wait()
		}
		step(time.Minute, func() {
			slow.slow.Store(true)
			w.vendor.refuse["a1/ADMIN"] = true
			w.join("okta", "u1", "Admins")
		})
		step(2*time.Second, func() { w.deactivate("okta", "u0") })
		w.expect("")
		step(time.Hour, func() {})
		w.expectCounts("pending 0, blocked 1, held 0")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A user who is deactivated at one identity provider and stays at another is looked at first, and waits only for the window.
func TestARefusalOfWhoLeavesInPartIsReadAtOnce(t *testing.T) {
	w := full(t, 1)
	w.group("entra", "Others")
	w.user("entra", "e0", "u0@example.com", true)
	w.join("entra", "e0", "Others")
	w.pass(time.Hour)
	w.vendor.hidden = true
	w.vendor.refuse["a0/ADMIN"] = true
	w.vendor.answers = []answer{{err: failure(backend.Transient, 503), apply: true}}
	w.deactivate("okta", "u0")
	w.pass(time.Hour)
	w.expect("acme/a0=SCAN")
	w.expectCounts("pending 0, blocked 0, held 0")
}
