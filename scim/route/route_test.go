package route

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzCleanPath cleans any path. An accepted path means one thing, and cleaning it again changes
// nothing.
func FuzzCleanPath(f *testing.F) {
	for _, s := range []string{"/scim/v2//Users/%61", "/scim/v2/Schemas/urn%3Aietf", "/%2e%2e/x", "%", "/a%2", "/%252F", "//", "", "/users/.SEARCH/", "/Users/a!b;c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		path, ok := Clean(escaped)
		if !ok {
			return
		}
		if strings.ContainsAny(path, "%\\?#\x00 ") || strings.Contains(path, "//") || strings.Contains(path, "..") {
			t.Errorf("%q is %q", escaped, path)
		}
		if again, ok := Clean((&url.URL{Path: path}).EscapedPath()); !ok || again != path {
			t.Errorf("%q is %q, and then %q, %t", escaped, path, again, ok)
		}
		known, ok := Canonical(path)
		if again, ok2 := Canonical(known); ok && (!ok2 || again != known) {
			t.Errorf("%q is %q, and then %q, %t", path, known, again, ok2)
		}
	})
}
