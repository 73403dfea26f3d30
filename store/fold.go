package store

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Fold is the one folding of names (userName, displayName, e-mail addresses) for indexes, filters and what rules exclude:
// letter case does not count, nor how a letter is composed or how wide it is (Unicode NFKC). RFC 7644 section 7.8 asks
// for one documented preparation of strings. What rules grant by is compared more strictly: see mapping.Name.
func Fold(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return strings.ToLower(norm.NFKC.String(s))
		}
	}
	return strings.ToLower(s)
}
