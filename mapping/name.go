package mapping

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Name is what a rule compares of a displayName: letter case does not count, and everything else does. store.Fold is wider, since
// names that look the same must not be in one directory; a rule that grants must not take one of them for
// another. So a no-break space is no space, a full-width letter no letter, and "é" of two code points not "é" of one.
func Name(displayName string) string { return strings.Map(lower, displayName) }

// lower is the small letter of a pair. What merely has a small letter that belongs to another pair, such as the Kelvin sign or the
// Turkish capital I with a dot, stays as it is.
func lower(r rune) rune {
	small := unicode.ToLower(r)
	if capital := unicode.ToUpper(small); capital == r || capital == small {
		return small
	}
	return r
}

// Plain says that a name is written as one writes it: in composed letters of normal width (Unicode NFKC), without spaces at its ends,
// and without characters that do not show or show as a space. An expression is about such names only: an author who writes `.` does not
// mean a character that does not show.
func Plain(displayName string) bool {
	return norm.NFKC.IsNormalString(displayName) && strings.TrimSpace(displayName) == displayName && !strings.ContainsFunc(displayName, hidden)
}

func hidden(r rune) bool {
	return r == '\u2800' || r != ' ' && unicode.In(r, unicode.Z, unicode.C, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
