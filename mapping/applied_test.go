package mapping_test

import (
	"fmt"
	"testing"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// TestApply lists what rules make of a group.
func TestApply(t *testing.T) {
	t.Parallel()
	rules, err := mapping.Compile([]mapping.Rule{
		{Groups: []string{"Admins"}, Backend: "vt", Target: "acme", Roles: []string{"A", "B"}, Pin: true},
		{Match: `risk-(?P<r>\w+)`, Backend: "rc", Target: "${r}", Roles: []string{"${r}"}, Paused: true, Index: 1},
		{Groups: []string{"Admins"}, IdP: "okta", Backend: "vt", Target: "other", Roles: []string{"A"}, Index: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	bound := rules.With(func(_, idp string, _ store.Group) bool { return idp == "entra" })
	for _, c := range []struct{ idp, group, want string }{
		{"entra", "admins", "[{0 {vt acme} [A B] false}]"},
		{"okta", "Admins", "[{0 {vt acme} [A B] true} {2 {vt other} [A] false}]"},
		{"okta", "risk-x", "[{1 {rc x} [x] false}]"},
		{"okta", "nothing", "[]"},
	} {
		type applied struct {
			rule   int
			target mapping.Target
			roles  []string
			held   bool
		}
		got := []applied{}
		for _, a := range bound.Apply(c.idp, store.Group{DisplayName: c.group}) {
			got = append(got, applied{a.Rule.Index, a.Target, a.Roles, a.Held})
		}
		if text := fmt.Sprint(got); text != c.want {
			t.Errorf("%s of %s: %s, want %s", c.group, c.idp, text, c.want)
		}
	}
}
