package delivery_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
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
	plan := func(rules ...mapping.Rule) delivery.Preview {
		t.Helper()
		compiled, err := mapping.Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.worker.Preview(t.Context(), compiled)
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
	for _, h := range plan(rule("Nobody", "acme")).Held {
		held = append(held, h.Person)
	}
	sorted("held", held)
	for _, c := range plan(rule("Staff", "acme"), mapping.Rule{Groups: []string{"Staff"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}}).Calls[0].Changes {
		changed = append(changed, c.Person)
	}
	sorted("changed", changed)
	for _, name := range names { // of whom nobody knows who they are, in the order of groups
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
