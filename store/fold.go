package store

import "strings"

// Fold is the one folding of names (userName, displayName, e-mail addresses) for indexes, filters and rules:
// letter case does not count. RFC 7644 section 7.8 asks for one documented preparation of strings.
func Fold(s string) string { return strings.ToLower(s) }
