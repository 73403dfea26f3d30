package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

var (
	admins = mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}}
	bosses = mapping.Rule{Groups: []string{"Bosses"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN", "SCAN"}}
)

// team makes n users u0… with accounts a0…, and the groups.
func team(w *world, n int, groups ...string) {
	w.t.Helper()
	for i := range n {
		w.user("okta", fmt.Sprint("u", i), fmt.Sprintf("u%d@example.com", i), true)
		w.vendor.people[fmt.Sprintf("u%d@example.com", i)] = fmt.Sprint("a", i)
	}
	for _, g := range groups {
		w.group("okta", g)
	}
}

func TestJoinGrantsAndLeaveRevokes(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.expectCalls("add acme: a0=ADMIN")
	w.leave("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.expectCalls("remove acme: a0=ADMIN")
	w.expect("")
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestNothingIsSentForWhatCancelsOut(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.leave("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.expectCalls()
}

func TestARoleStaysUntilTheLastGroupIsLeft(t *testing.T) {
	w := newWorld(t, admins, bosses)
	team(w, 1, "Admins", "Bosses")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u0", "Bosses")
	w.pass(5 * time.Second)
	w.leave("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.expect("acme/a0=ADMIN,SCAN")
	w.leave("okta", "u0", "Bosses")
	w.pass(5 * time.Second)
	w.expect("")
}

// TestAnAccountIsTheUnionOverIdentityProviders: two identity providers know the same person.
func TestAnAccountIsTheUnionOverIdentityProviders(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.user("entra", "e0", "U0@Example.com", true)
	w.group("entra", "Admins")
	w.join("okta", "u0", "Admins")
	w.join("entra", "e0", "Admins")
	w.pass(5 * time.Second)
	w.calls()
	w.leave("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.expectCalls()
	w.expect("acme/a0=ADMIN")
	w.update(func(tx store.Tx) error {
		w.touch(tx, "entra", "e0", "Admins")
		return tx.Directory("entra").DeleteUser("e0")
	})
	w.pass(5 * time.Second)
	w.expect("")
}

func TestOffboardingRevokesAndReturnRestores(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.user("okta", "u0", "u0@example.com", false)
	w.pass(5 * time.Second)
	w.expect("")
	w.user("okta", "u0", "u0@example.com", true)
	w.pass(5 * time.Second)
	w.expect("acme/a0=ADMIN")
}

func TestWhatWasGrantedByHandIsNotTouched(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 2, "Admins")
	w.vendor.holds["acme/a1"] = map[string]bool{"ADMIN": true, "OTHER": true}
	w.vendor.holds["acme/a0"] = map[string]bool{"OTHER": true}
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.leave("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.expect("acme/a0=OTHER acme/a1=ADMIN,OTHER")
}

func TestChangesAreGatheredIntoFullBatchesRemovalsFirst(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.MaxRemovals.Count = 30 }
	w.restart()
	team(w, 61, "Admins")
	w.join("okta", "u60", "Admins") // and stays
	w.pass(5 * time.Second)
	w.calls()
	for i := range 30 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(5 * time.Second)
	if got := w.calls(); len(got) != 2 {
		t.Errorf("%d calls for 30 people with a batch of 25, want 2", len(got))
	}
	for i := range 60 {
		if i < 30 {
			w.leave("okta", fmt.Sprint("u", i), "Admins")
		} else {
			w.join("okta", fmt.Sprint("u", i), "Admins")
		}
	}
	w.pass(5 * time.Second)
	got := w.calls()
	if len(got) != 4 || !strings.HasPrefix(got[0], "remove") || !strings.HasPrefix(got[1], "remove") || !strings.HasPrefix(got[2], "add") {
		t.Errorf("calls %q, want two removals, then two additions", got)
	}
}

func TestAChangedEmailRevokesTheOldAccountAndGrantsTheNew(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.vendor.people["new@example.com"] = "a9"
	w.user("okta", "u0", "new@example.com", true)
	w.pass(10 * time.Second)
	w.expect("acme/a9=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestAChangedEmailOfTheSameAccountChangesNothing(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.calls()
	w.vendor.people = map[string]string{"new@example.com": "a0"}
	w.user("okta", "u0", "new@example.com", true)
	w.pass(10 * time.Second)
	w.expectCalls()
	w.expect("acme/a0=ADMIN")
}

func TestAChangedMappingIsDeliveredAfterARestart(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 3, "Admins")
	for i := range 3 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(5 * time.Second)
	other := admins
	other.Target, other.Roles = "beta", []string{"SCAN"}
	w.remap(other)
	w.restart()
	w.pass(10 * time.Second)
	w.expect("beta/a0=SCAN beta/a1=SCAN beta/a2=SCAN")
	w.calls()
	w.restart()
	w.pass(10 * time.Second)
	w.expectCalls()
}

func TestProtectedPeopleKeepTheirRoles(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Protect, d.OwnAccount = []string{"u0@example.com"}, "a1" }
	w.restart()
	team(w, 3, "Admins")
	for i := range 3 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(5 * time.Second)
	for i := range 3 {
		w.leave("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 2")
}

// What was held under other rules is decided again: a protection that ends releases the removal, and a rule that goes takes
// what it held with it.
func TestHeldWorkIsDecidedAgainUnderOtherRules(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		w := newWorld(t, admins)
		w.config = func(d configured) { d.Protect = []string{"u0@example.com"} }
		w.restart()
		team(w, 1, "Admins")
		w.join("okta", "u0", "Admins")
		w.pass(5 * time.Second)
		w.leave("okta", "u0", "Admins")
		w.pass(5 * time.Second)
		w.expectCounts("pending 0, blocked 0, held 1")
		w.restart() // nothing has changed
		w.pass(5 * time.Second)
		w.expectCounts("pending 0, blocked 0, held 1")
		w.config = nil
		if elsewhere {
			other := admins
			other.Target = "beta"
			w.remap(other)
		}
		w.restart()
		w.pass(5 * time.Second)
		w.expect("")
		w.expectCounts("pending 0, blocked 0, held 0")
	}
}

func TestModes(t *testing.T) {
	for mode, want := range map[view.Mode]string{
		view.Observe: "acme/a1=ADMIN", view.AddOnly: "acme/a0=ADMIN acme/a1=ADMIN", view.Sync: "acme/a0=ADMIN",
	} {
		t.Run(string(mode), func(t *testing.T) {
			w := newWorld(t, admins)
			team(w, 2, "Admins")
			w.join("okta", "u1", "Admins")
			w.pass(5 * time.Second)
			w.config = func(d configured) { d.Mode = mode }
			w.restart()
			w.leave("okta", "u1", "Admins")
			w.join("okta", "u0", "Admins")
			w.pass(5 * time.Second)
			w.expect(want)
		})
	}
}

func TestReplaceSendsExactlyWhatTheRulesGive(t *testing.T) {
	exact := bosses
	exact.Replace = true
	w := newWorld(t, exact)
	team(w, 1, "Bosses")
	w.vendor.holds["acme/a0"] = map[string]bool{"OTHER": true}
	w.join("okta", "u0", "Bosses")
	w.pass(5 * time.Second)
	w.expectCalls("replace acme: a0=ADMIN,SCAN")
	w.expect("acme/a0=ADMIN,SCAN")
	w.leave("okta", "u0", "Bosses")
	w.pass(5 * time.Second)
	w.expect("")
}

func TestPermissionSetsTravelWithTheFirstCall(t *testing.T) {
	rule := mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "r1", Roles: []string{"member"}, PermissionSets: []string{"ps1"}}
	w := newWorld(t)
	w.vendor.mixed = true
	team(w, 1, "Admins")
	w.remap(rule)
	w.restart()
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	got := strings.Join(w.calls(), " | ")
	if !strings.Contains(got, "sets r1: +[ps1] -[]") || !strings.Contains(got, "add r1: a0=member") {
		t.Errorf("calls %q, want the role and its permission set", got)
	}
	w.remap()
	w.restart()
	w.pass(5 * time.Second)
	w.expectCalls("remove r1: a0=member; sets r1: +[] -[ps1]")
}

// A paused rule grants nothing and revokes nothing; when it goes on, what was left undone is done.
func TestAPausedRuleMovesNothing(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 3, "Admins")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Admins")
	w.pass(5 * time.Second)
	w.calls()
	paused := admins
	paused.Paused = true
	w.remap(paused)
	w.restart()
	w.leave("okta", "u0", "Admins")
	w.join("okta", "u2", "Admins")
	w.pass(time.Hour)
	w.expectCalls()
	w.expectCounts("pending 0, blocked 0, held 0")
	w.remap(admins)
	w.restart()
	w.pass(time.Minute)
	w.expect("acme/a1=ADMIN acme/a2=ADMIN")
}

// The permission sets of a paused rule stay while the rule, its groups and its members change.
func TestPausedRule(t *testing.T) {
	fixed := admins
	fixed.PermissionSets = []string{"ps1"}
	pattern := mapping.Rule{Match: "vt-(?P<t>[a-z]+)", Backend: "vt", Target: "${t}", Roles: []string{"ADMIN"}, PermissionSets: []string{"ps1"}}
	captured := pattern
	captured.PermissionSets = []string{"ps-${t}"}
	for name, c := range map[string]struct {
		rule       mapping.Rule
		group, set string
	}{
		"fixed target": {fixed, "Admins", "ps1"}, "pattern": {pattern, "vt-acme", "ps1"}, "set with a capture": {captured, "vt-acme", "ps-acme"},
	} {
		t.Run(name+" keeps its permission set", func(t *testing.T) {
			w := newWorld(t, c.rule)
			w.vendor.mixed = true
			team(w, 2, c.group)
			w.update(func(tx store.Tx) error {
				return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{Account: store.TargetSettings})
			})
			w.join("okta", "u0", c.group)
			w.pass(2 * time.Minute)
			w.expect("acme/*=" + c.set + " acme/a0=ADMIN")
			w.calls()
			paused := c.rule
			paused.Paused = true
			w.remap(paused)
			w.restart()
			w.pass(time.Hour)
			w.expectCalls()
			w.deletes("okta", c.group)
			w.pass(time.Hour)
			w.expectCalls()
			w.expect("acme/*=" + c.set + " acme/a0=ADMIN")
			w.expectCounts("pending 0, blocked 0, held 0")
			w.remap(c.rule)
			w.restart()
			w.pass(time.Hour)
			w.expect(map[bool]string{true: "acme/*=" + c.set, false: ""}[name == "fixed target"]) // whose sets stay while the rule stands
		})
	}
}
