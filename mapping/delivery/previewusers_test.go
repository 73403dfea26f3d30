package delivery_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
)

// users returns a line for each grant of a plan.
func users(p desk.Preview) (out []string) {
	for _, g := range p.Users {
		words := strings.Trim(fmt.Sprintf("%s %s from %s on %s: %s %s", g.Action, g.Role, g.Person, g.Target, g.State, g.Reason), " ")
		out = append(out, words+": "+strings.Join(g.Why, "; "))
	}
	return out
}

// TestPlanNamesUsers: in every mode a plan names each user with the roles that sync would grant and
// revoke, why, and what the mode leaves out.
func TestPlanNamesUsers(t *testing.T) {
	grant := "grant ADMIN from u0@example.com on acme: %s: group Admins, by the rule on line 0"
	revoke := "revoke ADMIN from u1@example.com on acme: %s: in no group that gives it"
	for mode, want := range map[view.Mode][]string{
		view.Observe: {fmt.Sprintf(grant, "not_in_mode"), fmt.Sprintf(revoke, "not_in_mode")},
		view.AddOnly: {fmt.Sprintf(grant, "now"), fmt.Sprintf(revoke, "not_in_mode")},
		view.Sync:    {fmt.Sprintf(grant, "now"), fmt.Sprintf(revoke, "now")},
	} {
		w := newWorld(t, admins, others)
		team(w, 2, "Admins", "Others")
		w.join("okta", "u0", "Others")
		w.join("okta", "u1", "Admins")
		w.pass(5 * time.Second)
		w.leave("okta", "u1", "Admins")
		w.join("okta", "u0", "Admins")
		brakes := usualBrakes()
		brakes.Mode = mode
		p, err := w.desk.PreviewUnder(t.Context(), view.Policy{Rules: w.rules, Brakes: brakes})
		if err != nil {
			t.Fatal(err)
		}
		if got := users(p); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", mode, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		sync := p.Calls
		if mode != view.Sync {
			sync = p.InSync.Calls
		}
		if len(sync) != 2 || sync[0].Changes[0].Op != "remove" || sync[0].Changes[0].Person != "u1@example.com" {
			t.Errorf("%s: in sync %+v", mode, sync)
		}
		if len(p.Totals) != 2 || p.Totals[1].Users != 1 || p.Totals[1].Grants != 1 {
			t.Errorf("%s: totals %+v", mode, p.Totals)
		}
	}
}

// TestPlanOfBlockedGrants: a grant that the vendor refused is no call of now. It has a reason, and a
// moment when it is tried again; then it is one.
func TestPlanOfBlockedGrants(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 2, "Admins")
	w.vendor.refuse = map[string]bool{"a0/ADMIN": true}
	w.pass(time.Minute)
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Admins")
	w.pass(time.Minute)
	w.expectCounts("pending 0, blocked 1, held 0")
	p, err := w.desk.Preview(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"grant ADMIN from u0@example.com on acme: blocked rejected: group Admins, by the rule on line 0"}
	if got := users(p); !slices.Equal(got, want) || len(p.Calls) > 0 || p.Something() {
		t.Errorf("%q, calls %+v", got, p.Calls)
	}
	if s := p.Summary(); !strings.HasSuffix(s, ", 1 blocked") {
		t.Error(s)
	}
	until := p.Users[0].Until
	if !until.After(w.clock) {
		t.Errorf("tried again at %s, now it is %s", until, w.clock)
	}
	w.clock = until
	if p, err = w.desk.Preview(t.Context(), nil); err != nil || len(p.Calls) != 1 || p.Users[0].State != desk.Now {
		t.Errorf("%v, calls %+v", err, p.Calls)
	}
}

// TestPlanOfReasons: a plan says of each revocation why it comes: from the user, a group or the rules.
func TestPlanOfReasons(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Offboard = true }
	w.restart()
	team(w, 3, "Admins")
	for i := range 3 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
	}
	w.pass(time.Hour)
	w.deactivate("okta", "u0")
	w.leave("okta", "u1", "Admins")
	rules, err := mapping.Compile([]mapping.Rule{{Groups: []string{"Others"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.desk.Preview(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range p.Users {
		got = append(got, fmt.Sprint(g.Action, " ", g.Person, ": ", strings.Join(g.Why, "; ")))
	}
	want := []string{"off_board u0@example.com: the user is not active at okta", "revoke u0@example.com: the user is not active at okta",
		"revoke u1@example.com: in no group that gives it", "revoke u2@example.com: the rules in force give it: group Admins, by the rule on line 0"}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
