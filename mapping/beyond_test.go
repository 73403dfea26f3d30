package mapping_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

func excesses(t *testing.T, rules *mapping.Rules, used string, groups ...string) (out []string) {
	t.Helper()
	over, err := rules.Excesses("vt", func(yield func(mapping.Named) error) error {
		for _, g := range groups {
			if err := yield(mapping.Named{IdP: "okta", Group: store.Group{ID: g, DisplayName: g}}); err != nil {
				return err
			}
		}
		return nil
	}, func(target string) (bool, error) { return slices.Contains(strings.Fields(used), target), nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range over {
		out = append(out, fmt.Sprintf("%d of %d: %s", e.Named, e.Allowed, strings.Join(e.Targets, " ")))
	}
	return out
}

func TestExcesses(t *testing.T) {
	pattern := mapping.Rule{Match: `team-(?P<t>.+)`, Exclude: []string{"team-x"}, Backend: "vt", Target: "${t}", Roles: []string{"R"}, MaxTargets: 2}
	fixed := mapping.Rule{Groups: []string{"All"}, Backend: "vt", Target: "c", Roles: []string{"R"}}
	wide := mapping.Rule{Match: `(?P<t>team)-d`, Backend: "vt", Target: "d", Roles: []string{"R"}}
	elsewhere := mapping.Rule{Match: `team-(?P<t>.+)`, Backend: "rc", Target: "${t}", Roles: []string{"R"}, MaxTargets: 1}
	for _, tt := range []struct {
		name   string
		rules  []mapping.Rule
		used   string
		groups string
		want   string
	}{
		{"the oldest groups count first", []mapping.Rule{pattern}, "", "team-a team-b team-c team-d", "4 of 2: c d"},
		{"targets in use count before them", []mapping.Rule{pattern}, "d", "team-a team-b team-c team-d", "4 of 2: b c"},
		{"what is in use is never beyond", []mapping.Rule{pattern}, "b c d", "team-a team-b team-c team-d", "4 of 2: a"},
		{"as many as allowed", []mapping.Rule{pattern}, "", "team-a team-b", ""},
		{"two groups of one target", []mapping.Rule{pattern}, "", "team-a team-b team-a", ""},
		{"excluded and other groups", []mapping.Rule{pattern}, "", "team-a team-x other team-b", ""},
		{"a target that another rule names", []mapping.Rule{pattern, fixed, wide}, "", "team-a team-b team-c team-d team-e", "5 of 2: e"},
		{"another backend's rule", []mapping.Rule{elsewhere}, "", "team-a team-b", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(excesses(t, compile(t, tt.rules...), tt.used, strings.Fields(tt.groups)...), "; "); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	var many []string
	for i := range 201 {
		many = append(many, fmt.Sprintf("team-%03d", i))
	}
	pattern.MaxTargets = 0
	if got := excesses(t, compile(t, pattern), "", many...); len(got) != 1 || got[0] != "201 of 200: 200" {
		t.Errorf("without max_targets: %q", got)
	}
}

func TestNamedByCapture(t *testing.T) {
	for _, tt := range []struct {
		match, target string
		max           int
		want          bool
	}{
		{`team-(?P<t>.+)`, "${t}", 200, true},
		{`team-(?P<t>[a-z]+)`, "${t}", 1000, true},
		{`team-(?P<t>[a-z]{2})`, "${t}", 200, true},
		{`team-(?P<t>[a-z]{2})`, "${t}", 676, false},
		{`team-(?P<t>a|b|c)`, "${t}", 3, false},
		{`team-(?P<t>a|b|c)`, "${t}", 2, true},
		{`team-(?P<t>ab?c?)`, "${t}", 4, false},
		{`team-(?P<t>.+)`, "team-${t}", 200, false},
		{`(?P<x>.+)-(?P<t>a)`, "${t}", 200, false},
		{`(?P<x>.+)-(?P<t>a)`, "${x}", 200, true},
		{`team-(?P<t>x{2,})`, "${t}", 200, true},
		{`(`, "${t}", 200, false},
	} {
		if got := mapping.NamedByCapture(tt.match, tt.target, tt.max); got != tt.want {
			t.Errorf("%s as %s, at most %d: %v, want %v", tt.match, tt.target, tt.max, got, tt.want)
		}
	}
}
