package backend

import (
	"strings"
	"unicode"
)

// Fold is the one folding by which people are found at a backend: surrounding blanks go, letter case does not
// count. It is the same for the value of the SCIM user and for the value in the vendor's listing. No letter becomes one of
// ASCII that was none before: the Kelvin sign is no k, and whoever has it in an address is somebody else.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		if lower := unicode.ToLower(r); r <= unicode.MaxASCII || lower > unicode.MaxASCII {
			return lower
		}
		return r
	}, strings.TrimSpace(s))
}
