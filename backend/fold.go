package backend

import (
	"strings"
	"unicode"
)

// Fold returns the key by which accounts are found: without surrounding blanks and in lower case. It is
// the same for the value of the SCIM user and for the value in the vendor's listing.
//
// No other letter becomes one of ASCII: the Kelvin sign is no k, and an address with it belongs to
// another user.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		if lower := unicode.ToLower(r); r <= unicode.MaxASCII || lower > unicode.MaxASCII {
			return lower
		}
		return r
	}, strings.TrimSpace(s))
}
