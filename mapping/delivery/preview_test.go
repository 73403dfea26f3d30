package delivery_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
)

// A plan lists people by their names, not as accounts and groups happen to stand.
func TestAPlanIsSorted(t *testing.T) {
	rule := func(group, target string) mapping.Rule {
		return mapping.Rule{Groups: []string{group}, Backend: "vt", Target: target, Roles: []string{"SCAN"}}
	}
	w := newWorld(t, rule("Staff", "acme"))
	names := []string{"zoe", "bob", "yan", "ada", "max", "eve"}
	for i, name := range names {
		w.user("okta", name, name+"@example.com", true)
		w.vendor.people[name+"@example.com"] = string(rune('a' + i)) // sorts otherwise than the name
		for _, group := range []string{"Staff", "Z of " + name} {
			w.group("okta", group)
			w.join("okta", name, group)
		}
	}
	w.pass(time.Minute)
	w.expectCounts("pending 0, blocked 0, held 0")
	plan := func(rules ...mapping.Rule) desk.Preview {
		t.Helper()
		compiled, err := mapping.Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.desk.Preview(t.Context(), compiled)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	sorted := func(what string, people []string) {
		t.Helper()
		if len(people) != len(names) || !slices.IsSorted(people) {
			t.Errorf("%s: %s", what, strings.Join(people, " "))
		}
	}
	var held, changed, lookUps []string
	for _, h := range plan(rule("Empty", "acme")).Held {
		held = append(held, h.Person)
	}
	sorted("held", held)
	for _, c := range plan(rule("Staff", "acme"), mapping.Rule{Groups: []string{"Staff"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}}).Calls[0].Changes {
		changed = append(changed, c.Person)
	}
	sorted("changed", changed)
	for _, name := range names { // their accounts are not known; in the order of groups
		other := map[string]string{"zoe": "A", "bob": "F", "yan": "B", "ada": "E", "max": "C", "eve": "D"}[name]
		w.user("okta", "new-"+name, "new-"+name+"@example.com", true)
		w.group("okta", other)
		w.join("okta", "new-"+name, other)
	}
	p := plan(rule("Staff", "acme"), mapping.Rule{Match: "[A-F]", Backend: "vt", Target: "acme", Roles: []string{"SCAN"}})
	for _, l := range p.LookUps {
		lookUps = append(lookUps, l.Person)
	}
	sorted("to be looked up", lookUps)
	sorted("unknown", p.Unknown)
}

// What the mode does not let happen is not in a plan, which says so, and what it would be; and no user is shown as about to get it.
func TestAPlanUnderAnotherMode(t *testing.T) {
	rest := regexp.MustCompile(`, since \S+Z|; waiting for delivery`)
	for mode, want := range map[view.Mode][]string{
		view.Observe: {"0 call(s): 0 removed, 0 added, 0 replaced, 0 held, 0 to be looked up",
			"the mode of the backend is observe: nothing is changed there. Under sync there would be 2 call(s): 1 removed, 1 added, 0 replaced, 0 held, 0 to be looked up",
			"does not have it through the bridge, and does not get it: the mode of the backend is observe", "has it, and keeps it: the mode of the backend is observe"},
		view.AddOnly: {"1 call(s): 0 removed, 1 added, 0 replaced, 0 held, 0 to be looked up",
			"the mode of the backend is add_only: nothing is taken away there. Under sync there would be 2 call(s): 1 removed, 1 added, 0 replaced, 0 held, 0 to be looked up",
			"is about to get it", "has it, and keeps it: the mode of the backend is add_only"},
		view.Sync: {"2 call(s): 1 removed, 1 added, 0 replaced, 0 held, 0 to be looked up", "", "is about to get it", "has it, and is about to lose it"},
	} {
		w := newWorld(t, admins, others)
		team(w, 2, "Admins", "Others")
		w.join("okta", "u0", "Others") // so that everybody knows who they are
		w.join("okta", "u1", "Admins")
		w.pass(5 * time.Second)
		w.config = func(d configured) { d.Mode = mode }
		w.restart()
		w.leave("okta", "u1", "Admins")
		w.join("okta", "u0", "Admins")
		p, err := w.desk.Preview(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		states := []string{}
		for _, who := range []string{"u0", "u1"} {
			why, err := w.desk.Explain(t.Context(), who, "ADMIN")
			if err != nil || len(why) != 1 || len(why[0].Grants) != 1 {
				t.Fatalf("%+v %v", why, err)
			}
			states = append(states, rest.ReplaceAllString(why[0].Grants[0].State, ""))
		}
		got := []string{p.Summary(), strings.Join(p.Notes, "; "), states[0], states[1]}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", mode, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestPlanPrintsEveryCall compares what `plan` says with what is called then: invitations and the ends
// of memberships, too.
func TestPlanPrintsEveryCall(t *testing.T) {
	w := newWorld(t, mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}})
	w.config = func(d configured) { d.Invite, d.Offboard = true, true }
	w.restart()
	w.group("okta", "Admins")
	for _, name := range []string{"ada", "bob", "eve", "new"} {
		w.user("okta", name, name+"@example.com", true)
		w.vendor.people[name+"@example.com"] = "of-" + name
	}
	delete(w.vendor.people, "new@example.com")
	for _, name := range []string{"ada", "bob"} {
		w.join("okta", name, "Admins")
	}
	w.pass(10 * time.Minute)
	w.calls()
	w.leave("okta", "ada", "Admins")
	w.deactivate("okta", "bob")
	w.join("okta", "eve", "Admins")
	w.join("okta", "new", "Admins")
	p, err := w.desk.Preview(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var planned []string
	for _, c := range p.Calls {
		switch {
		case c.Offboard != nil:
			planned = append(planned, "offboard acme: "+c.Offboard.Account)
		case c.Invite != "":
			planned = append(planned, "invite acme: "+c.Invite)
		}
		for _, change := range c.Changes {
			planned = append(planned, change.Op+" acme: "+change.Account+"="+strings.Join(change.Roles, ","))
		}
	}
	w.pass(10 * time.Minute)
	var called []string
	for _, c := range w.calls() {
		op, rest, _ := strings.Cut(c, " acme: ")
		for _, one := range strings.Fields(rest) {
			called = append(called, op+" acme: "+one)
		}
	}
	slices.Sort(planned)
	slices.Sort(called)
	if !slices.Equal(planned, called) || len(called) != 5 {
		t.Errorf("planned %q, called %q", planned, called)
	}
	if s := p.Summary(); !strings.HasSuffix(s, "1 off-boarded, 1 invited") {
		t.Errorf("summary %q", s)
	}
}
