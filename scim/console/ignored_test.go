package console

import (
	"fmt"
	"strings"
	"testing"
)

func TestIgnored(t *testing.T) {
	t.Run("the most frequent come first", func(t *testing.T) {
		var i Ignored
		i.Note("okta", []string{"a", "b", "b"})
		i.Note("entra", []string{"c"})
		if got := fmt.Sprint(i.byCount("okta"), i.byCount("entra"), i.byCount("none")); got != "[{b 2} {a 1}] [{c 1}] []" {
			t.Error(got)
		}
	})
	t.Run("names are bounded and the frequent stay", func(t *testing.T) {
		var i Ignored
		for n := range 1000 {
			i.Note("okta", []string{fmt.Sprint("made-up-", n), "department"})
		}
		got := i.byCount("okta")
		if len(got) != maxIgnored || got[0] != (IgnoredAttribute{"department", 1000}) {
			t.Errorf("%d names, first %v", len(got), got[0])
		}
	})
	t.Run("a name shows no value and no control character", func(t *testing.T) {
		for path, want := range map[string]string{
			`foo[value eq "ada@example.com"].bar`: "foo[…].bar", `foo[value eq "ada@exam`: "foo[…]", `a[b eq "]"] and c[d eq "x"].e`: "a[…].e", "]x[": "]x[…]",
			"a\x1b[31mb": `a\x1b[…]`, "line\nbreak": `line\nbreak`, "bad\xff\xfe": `bad\xff\xfe`, "tur\u202ened": `tur\u202ened`, "straße": "straße", "": "",
			strings.Repeat("x", 5000): strings.Repeat("x", 57) + "…", strings.Repeat("ä", 40): strings.Repeat("ä", 28) + "…", strings.Repeat("\x01", 40): strings.Repeat(`\x01`, 14) + "…",
		} {
			if got := nameOnly(path); got != want || len(got) > maxIgnoredName {
				t.Errorf("%q: %q", path, got)
			}
		}
	})
}
