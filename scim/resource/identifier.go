package resource

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/scim/message"
)

// maxIdentifier is the longest userName, displayName of a group, externalId or address, in bytes.
const maxIdentifier = 1024

// checkIdentifiers refuses values of an attribute that identifies a user or a group: values that
// are too long, that hold characters which act instead of showing, or that hold the replacement
// character of a decoder, with which two different values would become the same.
//
// A value that the resource has already is accepted, so that its user can still be deactivated.
func checkIdentifiers(attribute string, before []string, values ...string) error {
	for _, v := range values {
		switch {
		case slices.Contains(before, v):
		case len(v) > maxIdentifier:
			return message.InvalidValue(fmt.Sprintf("%s: expected at most %d bytes, got more", attribute, maxIdentifier))
		case strings.ContainsFunc(v, unfit):
			return message.InvalidValue(attribute + ": expected text without control characters and without characters that change the direction of text, got some, or invalid text")
		}
	}
	return nil
}

func unfit(r rune) bool { return legible.Unsafe(r) || r == utf8.RuneError }
