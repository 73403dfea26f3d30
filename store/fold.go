package store

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Fold returns a name (userName, displayName, e-mail address) as indexes, filters and exclusions of rules
// compare it: without differences of letter case, composition and width (Unicode NFKC). RFC 7644 section
// 7.8 requires one documented preparation of strings. Names in rules are compared more strictly: see
// mapping.Name.
func Fold(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return strings.ToLower(norm.NFKC.String(s))
		}
	}
	return strings.ToLower(s)
}
