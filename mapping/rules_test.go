package mapping_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

func compile(t *testing.T, rules ...mapping.Rule) *mapping.Rules {
	t.Helper()
	r, err := mapping.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func groups(names ...string) []store.Group {
	var out []store.Group
	for i, n := range names {
		out = append(out, store.Group{ID: fmt.Sprint("g", i), DisplayName: n})
	}
	return out
}

func named(names ...string) []mapping.Named {
	var out []mapping.Named
	for _, g := range groups(names...) {
		out = append(out, mapping.Named{IdP: "idp", Group: g})
	}
	return out
}

// short writes grants as "backend/target/role", sorted.
func short(grants []mapping.Grant) string {
	var out []string
	for _, g := range grants {
		out = append(out, g.Target.Backend+"/"+g.Target.Target+"/"+g.Role)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

var (
	admins = mapping.Rule{Groups: []string{"VT Admins"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}}
	bosses = mapping.Rule{Groups: []string{"Bosses"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN", "SCAN"}}
	risk   = mapping.Rule{Match: `risk-(?P<role>[A-Za-z0-9]+)`, Backend: "rc", Target: "${role}", Roles: []string{"member"}}
	loose  = mapping.Rule{Match: `(?i)vt-(?P<org>\w+)-(?P<what>\w+)`, Backend: "vt", Target: "${org}", Roles: []string{"ROLE_${what}"}}
)

func TestDesired(t *testing.T) {
	rules := compile(t, admins, bosses, risk, loose)
	for name, c := range map[string]struct {
		groups []store.Group
		want   string
	}{
		"no group":                           {nil, ""},
		"a group that no rule names":         {groups("Canteen"), ""},
		"by name":                            {groups("VT Admins"), "vt/acme/ADMIN"},
		"letter case does not count":         {groups("vt aDMINS"), "vt/acme/ADMIN"},
		"a name is not a prefix":             {groups("VT Admins 2"), ""},
		"two groups give the same role once": {groups("VT Admins", "Bosses"), "vt/acme/ADMIN vt/acme/SCAN"},
		"the last of the two is left":        {groups("Bosses"), "vt/acme/ADMIN vt/acme/SCAN"},
		"a capture names the target":         {groups("risk-approver"), "rc/approver/member"},
		"an expression matches whole names":  {groups("xrisk-approver", "risk-a b"), ""},
		"an expression counts letter case":   {groups("Risk-approver"), ""},
		"unless it says otherwise":           {groups("VT-org1-SCAN"), "vt/org1/ROLE_SCAN"},
		"a newline does not end the name":    {groups("risk-a\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := short(rules.Desired("idp", store.User{Active: true}, c.groups)); got != c.want {
				t.Errorf("desired %q, want %q", got, c.want)
			}
		})
	}
}

// What a group's name puts into a target stays one part of a vendor's address, and a role has a name.
func TestCaptures(t *testing.T) {
	rules := compile(t,
		mapping.Rule{Match: `t-(?P<t>.*)`, Backend: "rc", Target: "${t}", Roles: []string{"member"}},
		mapping.Rule{Match: `in-(?P<t>.*)`, Backend: "rc", Target: "a/${t}", Roles: []string{"member"}},
		mapping.Rule{Match: `r-(?P<r>.*)`, Backend: "vt", Target: "acme", Roles: []string{"${r}"}},
		mapping.Rule{Match: `two-(?P<r>.*)`, Backend: "vt", Target: "acme", Roles: []string{"${r}", "SCAN"}},
		mapping.Rule{Match: `s-(?P<s>.*)`, Backend: "rc", Target: "role", Roles: []string{"member"}, PermissionSets: []string{"${s}", "ps"}},
	)
	for name, want := range map[string]string{
		"t-a": "rc/a/member", "t-a/b": "", `t-a\b`: "", "t-a%2fb": "", "t-a?b": "", "t-a#b": "", "t-": "", "in-b": "rc/a/b/member", "in-b/c": "",
		"r-SCAN": "vt/acme/SCAN", "r-": "", "r- ": "", "two-": "vt/acme/SCAN", "two-A": "vt/acme/A vt/acme/SCAN",
	} {
		g := groups(name)
		if got := short(rules.Desired("idp", store.User{Active: true}, g)); got != want {
			t.Errorf("group %q gives %q, want %q", name, got, want)
		}
		if targets := rules.Targets("idp", g[0]); (len(targets) == 0) != (want == "") {
			t.Errorf("group %q counts on %v", name, targets)
		}
	}
	if got := rules.PermissionSets(mapping.Target{Backend: "rc", Target: "role"}, []mapping.Named{{Group: groups("s-")[0]}}); len(got) != 1 || got[0] != "ps" {
		t.Errorf("permission sets %q", got)
	}
}

func TestInactiveUsersGetNothing(t *testing.T) {
	rules := compile(t, admins)
	if got := rules.Desired("idp", store.User{}, groups("VT Admins")); got != nil {
		t.Errorf("an inactive user gets %v", got)
	}
	e := rules.Explain("idp", store.User{}, groups("VT Admins"))
	if e.Active || short(e.Grants) != "vt/acme/ADMIN" {
		t.Errorf("the explanation does not say what activation would give: %+v", e)
	}
}

func TestExplainNamesEveryGroupAndRule(t *testing.T) {
	first, second := admins, bosses
	first.Line, second.Line = 7, 12
	rules := compile(t, first, second)
	e := rules.Explain("idp", store.User{Active: true}, groups("VT Admins", "Bosses"))
	for _, g := range e.Grants {
		if g.Role != "ADMIN" {
			continue
		}
		var why []string
		for _, r := range g.From {
			why = append(why, fmt.Sprintf("%s by line %d", r.Group.DisplayName, r.Rule.Line))
		}
		if got, want := strings.Join(why, ", "), "VT Admins by line 7, Bosses by line 12"; got != want {
			t.Errorf("why: %s, want %s", got, want)
		}
		return
	}
	t.Error("the role is not explained at all")
}

func TestCompileReportsEveryMistake(t *testing.T) {
	_, err := mapping.Compile([]mapping.Rule{
		{Line: 1, Backend: "vt", Target: "x", Roles: []string{"R"}},
		{Line: 2, Groups: []string{"g"}, Match: "m", Target: "x", Roles: []string{"R"}},
		{Line: 3, Groups: []string{"g"}, Roles: []string{"R"}},
		{Line: 4, Groups: []string{"g"}, Target: "x"},
		{Line: 5, Match: "(", Target: "x", Roles: []string{"R"}},
		{Line: 6, Match: "(?P<a>x)", Target: "${b}", Roles: []string{"R"}},
		{Line: 7, Groups: []string{"g"}, Target: "${a}", Roles: []string{"R"}},
		{Line: 8, Match: "(?P<a>x)", Target: "${a}", Roles: []string{"${c}"}},
		{Line: 9, Match: "(?P<a>x)", Target: "$1", Roles: []string{"R"}},
		{Line: 10, Match: "(?P<a>x)", Target: "t", Roles: []string{"$a"}},
		{Line: 11, Match: "(?P<a>x)", Target: "t-${a", Roles: []string{"R"}},
		{Line: 12, Groups: []string{"g"}, Target: " t", Roles: []string{"R"}},
	})
	if err == nil {
		t.Fatal("compiled")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 12 {
		t.Fatalf("%d problems, want 12:\n%v", len(lines), err)
	}
	for i, l := range lines {
		if !strings.HasPrefix(l, fmt.Sprintf("line %d: mappings.0.", i+1)) {
			t.Errorf("problem %d does not name its line: %s", i+1, l)
		}
	}
	var one *mapping.Error
	if !errors.As(err, &one) {
		t.Error("a mistake is not a *mapping.Error")
	}
}

func TestPermissionSets(t *testing.T) {
	fixed := mapping.Rule{Groups: []string{"A"}, Backend: "rc", Target: "r1", Roles: []string{"member"}, PermissionSets: []string{"ps2", "ps1"}}
	by := risk
	by.PermissionSets = []string{"ps-${role}"}
	rules := compile(t, fixed, by)
	for _, c := range []struct {
		target string
		groups []string
		want   string
	}{
		{"r1", nil, "ps1 ps2"},
		{"r1", []string{"risk-r1"}, "ps-r1 ps1 ps2"},
		{"r2", []string{"risk-r1"}, ""},
		{"r2", []string{"risk-r2"}, "ps-r2"},
	} {
		got := strings.Join(rules.PermissionSets(mapping.Target{Backend: "rc", Target: c.target}, named(c.groups...)), " ")
		if got != c.want {
			t.Errorf("%s with %v carries %q, want %q", c.target, c.groups, got, c.want)
		}
	}
}

func TestFingerprintFollowsTheRulesOfTheBackend(t *testing.T) {
	base := compile(t, admins, risk).Fingerprint("vt")
	moved := admins
	moved.Line = 99
	if compile(t, moved, risk).Fingerprint("vt") != base {
		t.Error("a line number changes the fingerprint")
	}
	if compile(t, admins).Fingerprint("vt") != base {
		t.Error("a rule of another backend changes the fingerprint")
	}
	other := admins
	other.Roles = []string{"SCAN"}
	if compile(t, other, risk).Fingerprint("vt") == base {
		t.Error("another role does not change the fingerprint")
	}
}

// TestUnionIsOrderless holds desired to a count kept by hand, under random joins and leaves: a role is wanted
// exactly while at least one group that gives it is left, in every order.
func TestUnionIsOrderless(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var all []mapping.Rule
	for i := range 12 {
		all = append(all, mapping.Rule{Groups: []string{fmt.Sprint("g", i)}, Backend: "vt", Target: fmt.Sprint("t", i%3), Roles: []string{fmt.Sprint("R", i%4), fmt.Sprint("R", i%5)}})
	}
	rules := compile(t, all...)
	in := map[int]bool{}
	for range 500 {
		n := r.IntN(len(all))
		in[n] = !in[n]
		count := map[string]int{}
		var names []string
		for i, here := range in {
			if !here {
				continue
			}
			names = append(names, all[i].Groups[0])
			for _, role := range all[i].Roles {
				count["vt/"+all[i].Target+"/"+role]++
			}
		}
		var want []string
		for g := range count {
			want = append(want, g)
		}
		slices.Sort(want)
		if got := short(rules.Desired("idp", store.User{Active: true}, groups(names...))); got != strings.Join(want, " ") {
			t.Fatalf("in %v: desired %q, want %q", names, got, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("risk-(?P<role>[a-z]+)", "${role}", "risk-x")
	f.Add("(", "${", "x")
	f.Add("(?P<a>.*)", "${a}${b}", "")
	f.Fuzz(func(t *testing.T, match, target, name string) {
		rules, err := mapping.Compile([]mapping.Rule{{Match: match, Backend: "b", Target: target, Roles: []string{"R"}}})
		if err != nil {
			return
		}
		for _, g := range rules.Desired("idp", store.User{Active: true}, groups(name)) {
			if g.Target.Target == "" {
				t.Errorf("a grant on no target from %q", name)
			}
		}
	})
}

// TestSelectors has a rule for each way to select groups and users.
func TestSelectors(t *testing.T) {
	adult := func(u store.User) bool { return u.UserName == "adult" }
	for name, c := range map[string]struct {
		rule mapping.Rule
		idp  string
		user string
		g    store.Group
		want bool
	}{
		"one of a list":         {mapping.Rule{Groups: []string{"A", "b"}}, "idp", "", store.Group{DisplayName: "B"}, true},
		"none of a list":        {mapping.Rule{Groups: []string{"A", "b"}}, "idp", "", store.Group{DisplayName: "C"}, false},
		"excluded":              {mapping.Rule{Match: "team-.*", Exclude: []string{"Team-X"}}, "idp", "", store.Group{DisplayName: "team-x"}, false},
		"not excluded":          {mapping.Rule{Match: "team-.*", Exclude: []string{"Team-X"}}, "idp", "", store.Group{DisplayName: "team-y"}, true},
		"of this provider":      {mapping.Rule{Groups: []string{"A"}, IdP: "idp"}, "idp", "", store.Group{DisplayName: "A"}, true},
		"of another provider":   {mapping.Rule{Groups: []string{"A"}, IdP: "other"}, "idp", "", store.Group{DisplayName: "A"}, false},
		"by externalId":         {mapping.Rule{ExternalID: "x-1"}, "idp", "", store.Group{DisplayName: "renamed", ExternalID: "x-1"}, true},
		"by another externalId": {mapping.Rule{ExternalID: "x-1"}, "idp", "", store.Group{DisplayName: "x-1", ExternalID: "X-1"}, false},
		"by id":                 {mapping.Rule{ID: "g-1"}, "idp", "", store.Group{ID: "g-1"}, true},
		"by another id":         {mapping.Rule{ID: "g-1"}, "idp", "", store.Group{ID: "g-2"}, false},
		"where it is so":        {mapping.Rule{Groups: []string{"A"}, Where: adult}, "idp", "adult", store.Group{DisplayName: "A"}, true},
		"where it is not so":    {mapping.Rule{Groups: []string{"A"}, Where: adult}, "idp", "child", store.Group{DisplayName: "A"}, false},
		"paused":                {mapping.Rule{Groups: []string{"A"}, Paused: true}, "idp", "", store.Group{DisplayName: "A"}, false},
	} {
		c.rule.Backend, c.rule.Target, c.rule.Roles = "vt", "acme", []string{"R"}
		rules := compile(t, c.rule)
		got := rules.Desired(c.idp, store.User{UserName: c.user, Active: true}, []store.Group{c.g})
		if (len(got) == 1) != c.want {
			t.Errorf("%s: %+v", name, got)
		}
		if rules.Conditional() != (c.rule.Where != nil) || rules.Frozen(mapping.Target{Backend: "vt", Target: "acme"}, "R") != c.rule.Paused {
			t.Errorf("%s: conditional %t, frozen or not", name, rules.Conditional())
		}
	}
}

func TestSelectorsThatCannotBe(t *testing.T) {
	for detail, r := range map[string]mapping.Rule{
		"one of group":       {Groups: []string{"A"}, ID: "x"},
		"can never match":    {Groups: []string{"A"}, Exclude: []string{"a"}},
		"an empty name":      {Groups: []string{" "}},
		"needs group, match": {},
	} {
		r.Backend, r.Target, r.Roles = "vt", "acme", []string{"R"}
		if _, err := mapping.Compile([]mapping.Rule{r}); err == nil || !strings.Contains(err.Error(), detail) {
			t.Errorf("%s: %v", detail, err)
		}
	}
}
