package mapping_test

import (
	"testing"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// A rule means the names that are written as it writes them, in any letter case, and no other that looks the same. Names are
// escaped where one would not see what they are.
func TestNamesThatLookTheSame(t *testing.T) {
	for name, c := range map[string]struct {
		rule, group string
		want        bool
	}{
		"the same":                         {"VT Admins", "VT Admins", true},
		"letter case":                      {"VT Admins", "vt aDMINS", true},
		"letter case of an umlaut":         {"Größe", "GRÖßE", true},
		"letter case of a Greek name":      {"Διαχείριση", "ΔΙΑΧΕΊΡΙΣΗ", true},
		"capital ß":                        {"Große", "GRO\u1e9eE", true},
		"ß is not ss":                      {"Große", "GROSSE", false},
		"ss is not ß":                      {"Grosse", "Große", false},
		"a space before":                   {"VT Admins", " VT Admins", false},
		"a space behind":                   {"VT Admins", "VT Admins ", false},
		"a tab behind":                     {"VT Admins", "VT Admins\t", false},
		"two spaces":                       {"VT Admins", "VT  Admins", false},
		"a no-break space":                 {"VT Admins", "VT\u00a0Admins", false},
		"a no-break space behind":          {"VT Admins", "VT Admins\u00a0", false},
		"a narrow no-break space":          {"VT Admins", "VT\u202fAdmins", false},
		"an ideographic space":             {"VT Admins", "VT\u3000Admins", false},
		"a zero width space":               {"VT Admins", "VT Admins\u200b", false},
		"a zero width joiner":              {"VT Admins", "VT Ad\u200dmins", false},
		"a zero width no-break space":      {"VT Admins", "\ufeffVT Admins", false},
		"a soft hyphen":                    {"VT Admins", "VT Ad\u00admins", false},
		"right to left":                    {"VT Admins", "\u202eVT Admins", false},
		"a Hangul filler":                  {"VT Admins", "VT Admins\u3164", false},
		"a variation selector":             {"VT Admins", "VT Admins\ufe0f", false},
		"an empty Braille pattern":         {"VT Admins", "VT\u2800Admins", false},
		"Cyrillic А":                       {"VT Admins", "VT \u0410dmins", false},
		"Greek Τ":                          {"VT Admins", "V\u03a4 Admins", false},
		"full width":                       {"VT Admins", "ＶＴ Admins", false},
		"mathematical letters":             {"VT Admins", "VT \U0001d400dmins", false},
		"a ligature":                       {"Officers", "O\ufb03cers", false},
		"a combining mark":                 {"VT Admins", "VT Admins\u0301", false},
		"a combining grapheme joiner":      {"VT Admins", "VT Ad\u034fmins", false},
		"decomposed":                       {"Café", "Cafe\u0301", false},
		"composed, for a decomposed rule":  {"Cafe\u0301", "Café", false},
		"a Kelvin sign":                    {"Kiosk", "\u212aiosk", false},
		"a Kelvin sign, for a rule with k": {"kiosk", "\u212aiosk", false},
		"an Ångström sign":                 {"Ångström", "\u212bngström", false},
		"a Turkish capital İ":              {"admins", "ADM\u0130NS", false},
		"a Turkish small ı":                {"ADMINS", "adm\u0131ns", false},
		"a Turkish ı in any case":          {"Kap\u0131", "KAPI", false},
		"a long s":                         {"VT Admins", "VT Admin\u017f", false},
		"a micro sign":                     {"\u03bcs", "\u00b5s", false},
		"rules with a no-break space":      {"VT\u00a0Admins", "VT Admins", false},
	} {
		t.Run(name, func(t *testing.T) {
			rules := compile(t, mapping.Rule{Groups: []string{c.rule}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}})
			if got := short(rules.Desired("idp", store.User{Active: true}, groups(c.group))) != ""; got != c.want {
				t.Errorf("%+q meets a rule for %+q: %v", c.group, c.rule, got)
			}
		})
	}
}

// An expression is about names that are written plainly, also if it would take others.
func TestExpressionsAreAboutPlainNames(t *testing.T) {
	anything := compile(t, mapping.Rule{Match: `(?i)kiosk.*`, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}})
	for name, want := range map[string]bool{
		"Kiosk": true, "KIOSK North": true, "kiosk-Größe": true, "kiosk-管理者": true,
		"\u212aiosk": false, "kio\u017fk": false, "kiosk ": false, "kiosk\u00a0": false, "kiosk\u200b": false, "kiosk\u200d1": false,
		"kiosk-ｎorth": false, "kiosk-e\u0301": false, "kiosk\u3164": false, "kiosk\n": false, "kiosk\u2028": false, "kiosk\u2800": false, "kiosk\ufe0f": false, "ki\u034fosk": false,
		"kiosk\u034f": false,
	} {
		if got := short(anything.Desired("idp", store.User{Active: true}, groups(name))) != ""; got != want {
			t.Errorf("%+q: %v", name, got)
		}
	}
}

// What is excluded is so however it is written.
func TestExcludeIsWide(t *testing.T) {
	rules := compile(t, mapping.Rule{Match: `risk-.+`, Exclude: []string{"risk-none ½"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}})
	listed := compile(t, mapping.Rule{Groups: []string{"Cafe\u0301", "Bar"}, Exclude: []string{"Caf\u00e9"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}})
	if got := short(listed.Desired("idp", store.User{Active: true}, groups("Cafe\u0301"))); got != "" {
		t.Errorf("decomposed: %q", got)
	}
	for name, want := range map[string]string{"risk-some": "vt/acme/ADMIN", "RISK-none 1\u20442": "", "risk-none 1\u20442": ""} {
		if got := short(rules.Desired("idp", store.User{Active: true}, groups(name))); got != want {
			t.Errorf("%q: %q", name, got)
		}
	}
}

// A rule with Pin gives something to the group to which the name is bound and to no other; its targets are those of the name.
func TestPin(t *testing.T) {
	pinned := admins
	pinned.Pin = true
	rules := compile(t, pinned, risk)
	both := []store.Group{{ID: "first", DisplayName: "VT Admins"}, {ID: "second", DisplayName: "vt admins"}, {ID: "third", DisplayName: "risk-approver"}}
	active := store.User{Active: true}
	if got := short(rules.Desired("idp", active, both)); got != "rc/approver/member" {
		t.Errorf("without bindings: %q", got)
	}
	bound := rules.With(func(backend, idp string, g store.Group) bool {
		return backend == "vt" && idp == "idp" && g.ID == "first"
	})
	for id, want := range map[int]string{0: "vt/acme/ADMIN", 1: "", 2: "rc/approver/member"} {
		if got := short(bound.Desired("idp", active, both[id:id+1])); got != want {
			t.Errorf("%s: %q, want %q", both[id].ID, got, want)
		}
		if n := len(rules.Targets("idp", both[id])); n != 1 {
			t.Errorf("%s: %d targets", both[id].ID, n)
		}
	}
	if got := short(bound.Desired("other", active, both[:1])); got != "" {
		t.Errorf("of another provider: %q", got)
	}
	if m := bound.Misses("idp", active, both); len(m) != 1 || m[0].Why != "pin" || m[0].Group.ID != "second" {
		t.Errorf("%+v", m)
	}
	if got := bound.Gives("vt", "idp", both[1])["acme"]; len(got) != 1 || got[0] != "ADMIN" {
		t.Errorf("it would give %v", got)
	}
	if is, everybody := bound.Pinned("vt", "idp", both[1]); !is || !everybody {
		t.Error("not pinned")
	}
	if is, _ := bound.Pinned("rc", "idp", both[2]); is {
		t.Error("pinned without pin")
	}
	if _, err := mapping.Compile([]mapping.Rule{{ID: "x", Pin: true, Backend: "vt", Target: "acme", Roles: []string{"R"}}}); err == nil {
		t.Error("an id is pinned")
	}
}
