package backend

import "strings"

// Fold is the one folding by which people are found at a backend: surrounding blanks go, letter case does not
// count. It is the same for the value of the SCIM user and for the value in the vendor's listing.
func Fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }
