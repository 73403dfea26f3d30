package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
)

// drifting is a world that compares every hour and counts what it finds.
func drifting(t *testing.T, rules ...mapping.Rule) (*world, map[string]int) {
	t.Helper()
	w := newWorld(t, rules...)
	drift := map[string]int{}
	w.config = func(d configured) {
		d.ResyncEvery, d.Drift = time.Hour, func(kind string) { drift[kind]++ }
	}
	w.restart()
	team(w, 4, "Admins", "Bosses")
	for i := range 3 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(5 * time.Second)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
	w.calls()
	return w, drift
}

func TestWhatIsGoneIsGrantedAgain(t *testing.T) {
	w, drift := drifting(t, admins)
	delete(w.vendor.holds["acme/a1"], "ADMIN")
	w.pass(time.Hour + time.Minute)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
	w.expectCalls("add acme: a1=ADMIN")
	if drift["missing"] != 1 || drift["foreign"] != 0 {
		t.Errorf("%v", drift)
	}
	w.expectCounts("pending 0, blocked 0, held 0")
	w.pass(5 * time.Hour)
	w.expectCalls()
}

func TestAResyncCanBeAskedFor(t *testing.T) {
	w, drift := drifting(t, admins)
	delete(w.vendor.holds["acme/a1"], "ADMIN")
	w.pass(30 * time.Second)
	w.expectCalls()
	w.resync()
	w.pass(30 * time.Second)
	w.expectCalls("add acme: a1=ADMIN")
	if drift["missing"] != 1 {
		t.Errorf("%v", drift)
	}
}

// One read that lags is no reason for anything.
func TestASingleStaleReadIsNotActedOn(t *testing.T) {
	w, drift := drifting(t, admins)
	w.pass(time.Minute)
	w.vendor.stale = map[string]bool{"a0/ADMIN": true}
	w.resync()
	w.pass(time.Second)
	w.vendor.stale = nil
	w.pass(2 * time.Hour)
	w.expectCalls()
	if len(drift) > 0 {
		t.Errorf("%v", drift)
	}
}

func TestAnEmptyListingIsNoEvidence(t *testing.T) {
	w, drift := drifting(t, admins)
	w.vendor.empty = true
	w.pass(10 * time.Hour)
	w.expectCalls()
	if len(drift) > 0 {
		t.Errorf("%v", drift)
	}
}

func TestTheForeignIsReportedAndLeftAlone(t *testing.T) {
	w, drift := drifting(t, admins)
	w.vendor.holds["acme/a3"] = map[string]bool{"ADMIN": true, "OTHER": true}
	w.pass(10 * time.Hour)
	w.expectCalls()
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN acme/a3=ADMIN,OTHER")
	if drift["foreign"] != 1 || drift["missing"] != 0 { // OTHER is no role of a rule
		t.Errorf("%v", drift)
	}
}

func TestAuthoritativeRulesRemoveTheForeign(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w, drift := drifting(t, rule)
	w.vendor.holds["acme/a3"] = map[string]bool{"ADMIN": true, "OTHER": true}
	w.pass(time.Hour - 3*time.Second)
	w.expectCalls() // seen once
	w.pass(time.Minute)
	w.expectCalls("remove acme: a3=ADMIN")
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN acme/a3=OTHER")
	if drift["foreign"] != 1 {
		t.Errorf("%v", drift)
	}
	for i := range 20 { // under the brakes, like everything
		id := fmt.Sprint("x", i)
		w.vendor.people[id+"@example.com"] = id
		w.vendor.holds["acme/"+id] = map[string]bool{"ADMIN": true}
	}
	w.pass(2 * time.Hour)
	w.expectCalls()
	w.hold("max_removals", 20)
}

// What was there before and what a group gives later is adopted, and goes with the group.
func TestWhatAGroupAlsoGivesIsAdopted(t *testing.T) {
	w, drift := drifting(t, admins)
	w.vendor.holds["acme/a3"] = map[string]bool{"ADMIN": true}
	w.join("okta", "u3", "Admins")
	w.pass(2 * time.Hour)
	if drift["foreign"] != 0 {
		t.Errorf("%v", drift)
	}
	w.leave("okta", "u3", "Admins")
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
}

// Where the vendor does not show who has what, only a user who is no member any more is missing.
func TestAHiddenRoleIsNotMissing(t *testing.T) {
	w, drift := drifting(t, admins)
	w.vendor.hidden = true
	delete(w.vendor.holds["acme/a1"], "ADMIN")
	w.pass(5 * time.Hour)
	w.expectCalls()
	if len(drift) > 0 {
		t.Errorf("%v", drift)
	}
}
