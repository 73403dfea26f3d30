package scim

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/scim/legible"
)

// maxIdentifier is the longest userName, displayName of a group, externalId or address, in bytes.
const maxIdentifier = 1024

// identifiers refuses values of an attribute by which users and groups are told apart: those that
// are too long for that, that hold characters which act instead of showing, or the character that a
// decoder puts in the place of invalid text, where two different values would become the same. A
// value that the resource has already stays: who has one can still be deactivated.
func identifiers(attribute string, was []string, values ...string) error {
	for _, v := range values {
		switch {
		case slices.Contains(was, v):
		case len(v) > maxIdentifier:
			return badValue(fmt.Sprintf("%s: expected at most %d bytes, got more", attribute, maxIdentifier))
		case strings.ContainsFunc(v, unfit):
			return badValue(attribute + ": expected text without control characters and without characters that change the direction of text, got some, or invalid text")
		}
	}
	return nil
}

func unfit(r rune) bool { return legible.Unsafe(r) || r == utf8.RuneError }
