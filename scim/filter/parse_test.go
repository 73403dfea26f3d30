package filter

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	fp "github.com/scim2/filter-parser/v2"
)

// show writes an expression with a parenthesis around every logical term, so that precedence can be
// seen.
func show(e fp.Expression) string {
	switch e := e.(type) {
	case *fp.LogicalExpression:
		return fmt.Sprintf("(%s %s %s)", show(e.Left), e.Operator, show(e.Right))
	case *fp.NotExpression:
		return "not" + show(e.Expression)
	case *fp.ValuePath:
		return fmt.Sprintf("%s[%s]", pathOf(e.AttributePath), show(e.ValueFilter))
	case *fp.AttributeExpression:
		if e.Operator == fp.PR {
			return pathOf(e.AttributePath) + " pr"
		}
		if word, bare := e.CompareValue.(Word); bare {
			return fmt.Sprintf("%s %s %s", pathOf(e.AttributePath), e.Operator, word)
		}
		return fmt.Sprintf("%s %s %#v", pathOf(e.AttributePath), e.Operator, e.CompareValue)
	}
	return fmt.Sprintf("%T", e)
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"comparison", `userName eq "x"`, `userName eq "x"`},
		{"operator in any case", `userName Eq "x"`, `userName eq "x"`},
		{"present", `title pr`, `title pr`},
		{"sub-attribute", `name.givenName sw "A"`, `name.givenName sw "A"`},
		{"reference", `members.$ref ew "1"`, `members.$ref ew "1"`},
		{"URN", `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "1"`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "1"`},
		{"and binds tighter than or", `a pr or b pr and c pr`, `(a pr or (b pr and c pr))`},
		{"left to right", `a pr and b pr and c pr`, `((a pr and b pr) and c pr)`},
		{"group", `(a pr or b pr) and c pr`, `((a pr or b pr) and c pr)`},
		{"group with spaces", `( ( a pr ) )`, `a pr`},
		{"not", `not (a pr) and b pr`, `(nota pr and b pr)`},
		{"not without space, upper case", `NOT(a pr OR b pr)`, `not(a pr or b pr)`},
		{"attribute called not", `not pr`, `not pr`},
		{"attribute called and", `and eq 1`, `and eq 1`},
		{"and before a group without space", `a pr and(b pr)`, `(a pr and b pr)`},
		{"value path", `emails[type eq "work" and value co "@"]`, `emails[(type eq "work" and value co "@")]`},
		{"value path with three terms and a group", `emails[type eq "a" or (value pr and not (primary eq true))]`, `emails[(type eq "a" or (value pr and notprimary eq true))]`},
		{"E04", `emails[type eq "work"].value eq "u@x"`, `emails[(type eq "work" and value eq "u@x")]`},
		{"E05", `emails[primary eq true].value eq "u@x" and active eq true`, `(emails[(primary eq true and value eq "u@x")] and active eq true)`},
		{"E03 without quotes", `externalId eq jyoung`, `externalId eq jyoung`},
		{"E03 in a group", `(externalId eq jyoung)`, `externalId eq jyoung`},
		{"identifier that starts with a digit", `id eq 00aa-1`, `id eq 00aa-1`},
		{"identifier with leading zeros", `id eq 007`, `id eq 007`},
		{"identifier of more digits than an int has", `id eq 117923456789012345678`, `id eq 117923456789012345678`},
		{"boolean", `active eq TRUE`, `active eq TRUE`},
		{"null", `title eq Null`, `title eq Null`},
		{"whole number", `n ge -12`, `n ge -12`},
		{"fraction", `n lt 1.5e2`, `n lt 1.5e2`},
		{"escaped quote", `userName eq "o\"brien\\"`, `userName eq "o\"brien\\"`},
		{"escapes", `a eq "\/\b\f\n\r\t"`, `a eq "/\b\f\n\r\t"`},
		{"code point of either case", `a eq "\u017C\u017c"`, `a eq "żż"`},
		{"surrogate pair", `a eq "\ud83d\ude00"`, `a eq "😀"`},
		{"half a pair", `a eq "\ud83dx"`, `a eq "�x"`},
		{"half a pair and another character", `a eq "\ud83d\u0041"`, `a eq "�A"`},
		{"parentheses in a string", `a eq "((((((((((((((((((((("`, `a eq "((((((((((((((((((((("`},
		{"spaces around", `  a pr  `, `a pr`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(e); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		``, ` `, `userName`, `userName eq`, `userName eq `, `eq "x"`, `userName is "x"`, `userName eq "x`, `userName eq "\x"`,
		`userName eq "\u12"`, `userName eq "\u+123"`, "a eq \"\x01\"", `a eq 'x' y`, `a eq "x" b eq "y"`, `a pr and`, `a pr or or b pr`, `(a pr`, `a pr)`,
		`not a pr`, `not (a pr`, `emails[type eq "x"`, `emails[]`, `emails[type eq "x"].`, `emails[type eq "x"].value`, `a[b[c pr]]`,
		`a..b pr`, `a.b.c pr`, `1a pr`, `urn::a pr`, `:a pr`, `urn: pr`, `a prand b pr`, "a eq \"\xff\"",
		strings.Repeat("(", MaxDepth+1) + "a pr" + strings.Repeat(")", MaxDepth+1),
		strings.Repeat("(", 4000),
		`a eq "` + strings.Repeat("x", maxLength) + `"`,
	} {
		e, err := Parse(in)
		var parseErr *Error
		if !errors.As(err, &parseErr) {
			t.Errorf("Parse(%.40q) = %v, %v; want an *Error", in, e, err)
		} else if len(parseErr.Detail) > 200 {
			t.Errorf("Parse(%.40q): the error repeats too much: %s", in, parseErr.Detail)
		}
	}
}

func TestParseAtTheLimits(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("(", MaxDepth) + "a pr" + strings.Repeat(")", MaxDepth),
		strings.Repeat("not(", MaxDepth) + "a pr" + strings.Repeat(")", MaxDepth),
		`a eq "` + strings.Repeat("x", maxLength-7) + `"`,
	} {
		if _, err := Parse(in); err != nil {
			t.Errorf("Parse(%.40q…): %v", in, err)
		}
	}
}

func TestParsePath(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`members`, `members`},
		{`name.givenName`, `name.givenName`},
		{`urn:ietf:params:scim:schemas:core:2.0:User:name.givenName`, `urn:ietf:params:scim:schemas:core:2.0:User:name.givenName`},
		{`members[value eq "x"]`, `members[value eq "x"]`},
		{`emails[type eq "work"].value`, `emails[type eq "work"].value`},
		{`emails[not (type eq "a") and (value pr or primary eq true)].display`, `emails[(nottype eq "a" and (value pr or primary eq true))].display`},
		{`roles[primary eq "True"].value`, `roles[primary eq "True"].value`},
	} {
		path, err := ParsePath(tt.in)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", tt.in, err)
			continue
		}
		got := pathOf(path.AttributePath)
		if path.ValueExpression != nil {
			got += "[" + show(path.ValueExpression) + "]"
		}
		if path.SubAttribute != nil {
			got += "." + *path.SubAttribute
		}
		if got != tt.want {
			t.Errorf("ParsePath(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
	for _, in := range []string{``, `a b`, `members[`, `members[]`, `members[value eq "x"`, `a[b pr].`, `a[b pr].c.d`, `a[b pr]c`, `[a pr]`, `a eq "x"`, `.a`, strings.Repeat("a", maxLength+1)} {
		if _, err := ParsePath(in); err == nil {
			t.Errorf("ParsePath(%.40q) succeeds", in)
		}
	}
}

func TestEquality(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []Term
	}{
		{`userName eq "X"`, []Term{{"username", "X"}}},
		{`id eq "a" and manager eq "b"`, []Term{{"id", "a"}, {"manager", "b"}}},
		{`id eq "a" and (title pr or active eq true)`, []Term{{"id", "a"}}},
		{`emails[type eq "work"].value eq "x"`, []Term{{"emails.type", "work"}, {"emails.value", "x"}}},
		{`externalId eq 12`, []Term{{"externalid", "12"}}},
		{`a eq "x" or b eq "y"`, nil},
		{`not (a eq "x")`, nil},
		{`externalId eq 1e3 and title eq False`, []Term{{"externalid", "1e3"}, {"title", "False"}}},
		{`userName eq 'X'`, []Term{{"username", "X"}}},
		{`urn:ietf:params:scim:schemas:core:2.0:User.userName eq X`, []Term{{"urn:ietf:params:scim:schemas:core:2.0:user:username", "X"}}},
		{`a eq "null"`, []Term{{"a", "null"}}},
		{`a ne "x" and b eq null`, nil},
	} {
		e, err := Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := Equality(e); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Equality(%s) = %v, want %v", tt.in, got, tt.want)
		}
	}
}

func BenchmarkParseUserName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(`userName eq "ada.lovelace@example.com"`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParsePathOfMember(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePath(`members[value eq "2819c223-7f76-453a-919d-413861904646"]`); err != nil {
			b.Fatal(err)
		}
	}
}
