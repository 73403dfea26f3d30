package filter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	fp "github.com/scim2/filter-parser/v2"
)

func TestValues(t *testing.T) {
	for in, want := range map[string][]string{
		`[value eq "a"]`: {"a"}, `[value eq 'a' or VALUE Eq b OR value  eq "c\"d"]`: {"a", "b", `c"d`}, `[ value eq null ]`: {"null"}, `[value eq 1e3]`: {"1e3"}, `[value eq "a]b" or value eq 'x or value eq']`: {"a]b", "x or value eq"}, `[value eq ""]`: {""},
		// What is no such list is left to ParsePath.
		``: nil, `value eq "a"`: nil, `[value ne "a"]`: nil, `[value eq "a" and type eq "b"]`: nil, `[(value eq "a")]`: nil, `[value eq "a"].display`: nil, `[value.x eq "a"]`: nil, `[valued eq "a"]`: nil, `[value pr]`: nil, `[]`: nil, `[value eq "a"`: nil, `[value eq "a" or]`: nil,
	} {
		if got, ok, err := Values(in, "value"); err != nil || ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, %v", in, got, ok, err)
		}
	}
	for _, in := range []string{`[value eq “a”]`, `[value eq 'a' or value eq 'O'Neil']`, `[value eq]`, `[value eq "a]`, "[" + strings.Repeat("value eq a or ", maxValues) + "value eq a]"} {
		if got, ok, err := Values(in, "value"); err == nil {
			t.Errorf("%.40s: %.10q, %v", in, got, ok)
		}
	}
}

// FuzzValues holds Values to ParsePath: what both read are the same values.
func FuzzValues(f *testing.F) {
	for _, s := range []string{`[value eq "a"]`, `[value eq 'a' or value eq b OR value eq null]`, `[value eq “a”]`, `[value eq "a" and value eq "b"]`, `[value eq a or (value eq b)]`, `[value eq "\u0041\"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok, err := Values(s, "value")
		path, parseErr := ParsePath("members" + s)
		switch {
		case err != nil && parseErr == nil, ok && parseErr != nil && len(s) <= maxLength-len("members"):
			t.Fatalf("%q: %v, %v", s, err, parseErr)
		case !ok || parseErr != nil:
			return
		}
		if want := literals(nil, path.ValueExpression); !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
	})
}

func literals(to []string, e fp.Expression) []string {
	if either, ok := e.(*fp.LogicalExpression); ok {
		return literals(literals(to, either.Left), either.Right)
	}
	return append(to, Text(e.(*fp.AttributeExpression).CompareValue))
}

func BenchmarkValues(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := "[" + strings.Repeat(`value eq "2819c223-7f76-453a-919d-413861904646" or `, n-1) + `value eq "2819c223-7f76-453a-919d-413861904646"]`
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				if got, ok, err := Values(in, "value"); err != nil || !ok || len(got) != n {
					b.Fatal(len(got), ok, err)
				}
			}
		})
	}
}
