package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOurOwnRemovalIsNoDrift(t *testing.T) {
	w, drift := drifting(t, admins)
	w.leave("okta", "u0", "Admins")
	w.pass(2 * time.Second)
	w.vendor.lags = map[string][]string{"acme/a0": {"ADMIN"}}
	w.resync()
	w.pass(30 * time.Second)
	w.vendor.lags = nil
	w.pass(2 * time.Hour)
	if len(drift) > 0 {
		t.Errorf("%v", drift)
	}
}

func TestTwoSightingsMustBeInARow(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w, drift := drifting(t, rule)
	w.pass(2 * time.Minute)
	for range 3 {
		w.vendor.lags = map[string][]string{"acme/a3": {"ADMIN"}}
		w.resync()
		w.pass(time.Second)
		w.vendor.lags = nil
		w.pass(2 * time.Hour)
	}
	w.expectCalls()
	if drift["foreign"] != 3 { // each time it came again
		t.Errorf("%v", drift)
	}
}

// TestASightingOfWhatAGroupGivesIsNotTheFirstOfAStranger: two readings have to show a grant that no rule gives before it is taken over.
func TestASightingOfWhatAGroupGivesIsNotTheFirstOfAStranger(t *testing.T) {
	rule := admins
	rule.Authoritative = true
	w := newWorld(t, rule)
	w.config = func(d configured) { d.ResyncEvery, d.BatchWait = time.Hour, time.Hour }
	w.restart()
	team(w, 4, "Admins")
	for i := range 4 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(2 * time.Hour)
	w.leave("okta", "u3", "Admins")
	w.pass(2 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
	w.vendor.holds["acme/a3"] = map[string]bool{"ADMIN": true} // by hand
	w.join("okta", "u3", "Admins")
	w.resync()
	if _, err := w.worker.RunOnce(t.Context()); err != nil { // seen, and wanted
		t.Fatal(err)
	}
	w.leave("okta", "u3", "Admins")
	w.clock = w.clock.Add(10 * time.Second)
	w.resync()
	if _, err := w.worker.RunOnce(t.Context()); err != nil { // seen for the first time as what no rule gives
		t.Fatal(err)
	}
	if told := w.trail(); strings.Contains(told, "takeover") {
		t.Errorf("taken over at the first sighting:\n%s", told)
	}
	w.pass(5 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
}

// A user without an account is looked for again with each comparison, too, however far apart the tries have become.
func TestAResyncLooksForThoseWithoutAnAccount(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.ResyncEvery = time.Hour }
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

func TestAnAccountMadeAgainIsFoundByResync(t *testing.T) {
	w, _ := drifting(t, admins)
	w.vendor.people["u1@example.com"] = "b1"
	delete(w.vendor.holds, "acme/a1")
	w.pass(time.Hour + time.Minute)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN acme/b1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
	w.leave("okta", "u1", "Admins")
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN")
}

func TestAnAccountMadeAgainIsFoundWithAllItsRoles(t *testing.T) {
	w, _ := drifting(t, admins, others)
	w.group("okta", "Others")
	w.join("okta", "u1", "Others")
	w.pass(time.Minute)
	w.vendor.people["u1@example.com"] = "b1"
	delete(w.vendor.holds, "acme/a1")
	w.pass(time.Hour + time.Minute)
	w.expect("acme/a0=ADMIN acme/a2=ADMIN acme/b1=ADMIN,SCAN")
}
