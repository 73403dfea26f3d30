package where

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/scimbridge/scimbridge/scim/resource"
	"github.com/scimbridge/scimbridge/store"
)

// TestWhereComparesByLetterCaseAlone: a condition compares texts by letter case alone, although a
// search is wider. Texts are escaped where their characters look alike.
func TestWhereComparesByLetterCaseAlone(t *testing.T) {
	for name, c := range map[string]struct {
		where, have string
		want        bool
	}{
		"the same":                  {`userType eq "Employee"`, "Employee", true},
		"letter case":               {`userType eq "Employee"`, "eMPLOYEE", true},
		"letter case of a part":     {`userType co "PLOY"`, "Employee", true},
		"letter case of an umlaut":  {`userType eq "Größe"`, "GRÖ\u1e9eE", true},
		"a Greek final s":           {`department eq "ΝΟΜΟΣ"`, "νομος", true},
		"full width":                {`userType eq "Employee"`, "\uff25mployee", false},
		"full width, in a rule":     {"userType eq \"\uff25mployee\"", "Employee", false},
		"full width in any case":    {"userType eq \"\uff25mployee\"", "\uff45mployee", true},
		"full width, in a part":     {`userType co "Employee"`, "an \uff25mployee", false},
		"full width, in an address": {`emails eq "Employee"`, "\uff25mployee", false},
		"full width, in brackets":   {`emails[type eq "work" and value sw "Employee"]`, "\uff25mployee", false},
		"full width, negated":       {`not (emails.value eq "Employee")`, "\uff25mployee", true},
		"composed otherwise":        {`userType eq "Café"`, "Cafe\u0301", false},
		"a ligature":                {`userType eq "Officer"`, "O\ufb03cer", false},
		"a no-break space":          {`userType eq "An Employee"`, "An\u00a0Employee", false},
		"a Kelvin sign":             {`userType eq "Kiosk"`, "\u212aiosk", false},
		"a Kelvin sign, in a part":  {`userType sw "kio"`, "\u212aiosk", false},
		"a long s":                  {`userType eq "Staff"`, "\u017ftaff", false},
		"a Turkish capital İ":       {`userType sw "in"`, "\u0130ntern", false},
		"single quotes":             {`userType eq 'employee'`, "Employee", true},
		"no quotes":                 {`userType eq 12e5`, "12E5", true},
		"no quotes, other digits":   {`userType eq 12e5`, "1200000", false},
		"a dotted URN":              {`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.department eq 'R&D'`, "R&D", true},
		"in order":                  {`userType gt "_"`, "Employee", true}, // as small letters are
	} {
		t.Run(name, func(t *testing.T) {
			where, err := Compile(c.where)
			if err != nil {
				t.Fatal(err)
			}
			attributes, err := json.Marshal(map[string]any{"userType": c.have, "emails": []any{map[string]any{"type": "work", "value": c.have}},
				resource.Users.Schema.Extensions[0].ID: map[string]any{"department": c.have}})
			if err != nil {
				t.Fatal(err)
			}
			if got := where(store.User{Active: true, Attributes: attributes}); got != c.want {
				t.Errorf("%s is %v for %+q", c.where, got, c.have)
			}
		})
	}
}

// TestWhereRefusesGroups holds that conditions on groups are refused in every spelling.
func TestWhereRefusesGroups(t *testing.T) {
	for _, where := range []string{`groups eq "x"`, `groups[value eq 'x']`, `urn:ietf:params:scim:schemas:core:2.0:User.groups eq x`, `active eq true or not (GROUPS.display eq "x")`} {
		if _, err := Compile(where); err == nil || !strings.Contains(err.Error(), "groups") {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// TestLetterCase: letters are equal as in strings.EqualFold, except for a letter of ASCII and one
// outside of it.
func TestLetterCase(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		own := letterCase(string(r))
		if !strings.EqualFold(own, string(r)) {
			t.Errorf("%+q becomes %+q", r, own)
		}
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			alien := (r <= unicode.MaxASCII) != (other <= unicode.MaxASCII)
			if same := letterCase(string(other)) == own; same == alien {
				t.Errorf("%+q and %+q: %v", r, other, same)
			}
		}
	}
}

// TestNeverActive finds the filters that no active user meets, and no others.
func TestNeverActive(t *testing.T) {
	for text, want := range map[string]bool{
		`active eq false`: true, `active ne true`: true, `not (active pr)`: true, `active eq "False"`: true, `urn:ietf:params:scim:schemas:core:2.0:User:active eq false`: true,
		`userType eq "Employee" and active eq false`: true, `not (active eq true or userType eq "x")`: true, `active eq false and (active eq true or title pr)`: true,
		`active eq false or not (active eq true)`: true, `active eq 'False'`: true, `urn:ietf:params:scim:schemas:core:2.0:User.active ne TRUE`: true, `active eq null`: true,
		`active eq true`: false, `active pr`: false, `active eq false or userType eq "Employee"`: false, `userType eq "Employee"`: false, `not (userType eq "Employee")`: false,
		`not (active eq false and userType eq "x")`: false, `emails[type eq "work"]`: false, `active gt`: false, ``: false, `active ne null`: false, `active eq ‘false’`: false,
	} {
		if got := NeverActive(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
