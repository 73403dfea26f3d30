package filter

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	fp "github.com/scim2/filter-parser/v2"
)

// fedToLibrary reports whether the library may see the input: it overflows the stack on deep
// parentheses and takes its time on long input. It also loses digits of long numbers, does not
// decode escapes and takes the name of a schema after a dot for an attribute, so those are no
// evidence against us.
func fedToLibrary(s string) bool {
	return len(s) <= 200 && strings.Count(s, "(") <= 4 && !strings.Contains(s, `\`) && !longNumber(s) && !dottedURN.MatchString(s)
}

var dottedURN = regexp.MustCompile(`(?i)urn:ietf:params:scim:schemas:[^ ]*:\d[^ :]*:[^ :]*\.`)

// meant replaces the words of a tree by the values that the library makes of them: ours keeps them
// as they were written, for attributes that are texts.
func meant(e fp.Expression) fp.Expression {
	switch e := e.(type) {
	case *fp.LogicalExpression:
		return &fp.LogicalExpression{Left: meant(e.Left), Right: meant(e.Right), Operator: e.Operator}
	case *fp.NotExpression:
		return &fp.NotExpression{Expression: meant(e.Expression)}
	case *fp.ValuePath:
		return &fp.ValuePath{AttributePath: e.AttributePath, ValueFilter: meant(e.ValueFilter)}
	case *fp.AttributeExpression:
		word, bare := e.CompareValue.(Word)
		if !bare {
			return e
		}
		return &fp.AttributeExpression{AttributePath: e.AttributePath, Operator: e.Operator, CompareValue: valueOf(string(word))}
	}
	return e
}

func valueOf(word string) any {
	switch {
	case strings.EqualFold(word, "null"):
		return nil
	case strings.EqualFold(word, "true"), strings.EqualFold(word, "false"):
		return strings.EqualFold(word, "true")
	case !json.Valid([]byte(word)):
		return word
	}
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return word
	}
	return f
}

func longNumber(s string) bool {
	digits := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			digits = 0
		} else if digits++; digits > 15 {
			return true
		}
	}
	return false
}

var filterSeeds = []string{
	`userName eq "x"`, `title pr`, `a pr and b pr or not (c pr)`, `emails[type eq "work" and value co "@x"]`, `emails[not (type eq "work")]`,
	`(a eq 1 or b gt 2.5) and c eq null`, `urn:ietf:params:scim:schemas:core:2.0:User:name.givenName sw "A"`, `active eq true`, `$ref eq "x"`,
	`emails[type eq "work"].value eq "x"`, `externalId eq jyoung`, `a eq -0`, `a eq 1e3`, `a eq "ż"`, `a  eq  "x"  and  b pr`, `a EQ FALSE`,
	`a eq 'x'`, `a eq 'O\'Neil' or b eq O'Neil`, `a eq 'O'Neil'`, `not (a eq “x”)`, "a ne `x`", `a eq &quot;x&quot;`, `a co %22x%22`, `a eq N'x'`, `a eq \"x\"`,
	`a eq "x"b`, `a eq "x`, `a eq '`, `a eq 12e5`, `a ne null`, `urn:ietf:params:scim:schemas:core:2.0:User.name.givenName eq x`,
}

// TestDifferential holds the parser to the library's on a systematic set of filters.
func TestDifferential(t *testing.T) {
	terms := []string{`a eq "x"`, `b.c pr`, `not (d gt 1.5)`, `(e le 3)`, `f[type eq "w"]`, `f[type eq "w" or value sw "x"]`, `f[not (g pr)]`, `urn:x:2.0:Y:h ne null`, `i eq TRUE`}
	both := 0
	for _, x := range terms {
		for _, y := range terms {
			for _, z := range terms {
				for _, form := range []string{"%", "% and %", "% or %", "% and % or %", "% or % and %", "(% or %) and %", "not (% and %) or %", "% and (% or not (%))"} {
					s := form
					for _, term := range []string{x, y, z} {
						s = strings.Replace(s, "%", term, 1)
					}
					if compareWithLibrary(t, s) {
						both++
					}
				}
			}
		}
	}
	if both < 5000 {
		t.Errorf("only %d filters were accepted by both parsers", both)
	}
}

// compareWithLibrary reports whether both parsers accept s; their trees must then be equal.
func compareWithLibrary(t *testing.T, s string) bool {
	t.Helper()
	theirs, theirErr := fp.ParseFilter([]byte(s))
	ours, ourErr := Parse(s)
	if theirErr != nil || ourErr != nil {
		return false
	}
	if got, want := show(meant(ours)), show(theirs); got != want {
		t.Fatalf("Parse(%q)\n got %s\nwant %s", s, got, want)
	}
	return true
}

func FuzzParse(f *testing.F) {
	for _, s := range filterSeeds {
		f.Add(s)
	}
	f.Add(strings.Repeat("(", 100) + "a pr")
	f.Add(`a eq "\ud83d\ude00\u"`)
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s)
		if err == nil {
			_ = Equality(e)
			_ = userSchema().Validate(e)
			_, _ = Match(e, ada(), userSchema())
		}
		if fedToLibrary(s) {
			compareWithLibrary(t, s)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{`members`, `name.givenName`, `members[value eq "x"]`, `emails[type eq "work"].value`, `urn:a:2.0:B:c.d`, `a[b pr or c pr]`, `roles[primary eq "True"].$ref`,
		`emails[type eq 'work'].value`, `members[value eq “x”]`, `urn:ietf:params:scim:schemas:core:2.0:Group.members[value eq 'x']`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, err := ParsePath(s)
		if err != nil || !fedToLibrary(s) {
			return
		}
		theirs, err := fp.ParsePath([]byte(s))
		if err != nil {
			return
		}
		same := pathOf(ours.AttributePath) == pathOf(theirs.AttributePath) && ours.SubAttributeName() == theirs.SubAttributeName() &&
			(ours.ValueExpression == nil) == (theirs.ValueExpression == nil)
		if same && ours.ValueExpression != nil {
			same = show(meant(ours.ValueExpression)) == show(theirs.ValueExpression)
		}
		if !same {
			t.Fatalf("ParsePath(%q)\n got %v\nwant %v", s, ours, theirs)
		}
	})
}
