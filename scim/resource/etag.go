package resource

import (
	"fmt"
	"strings"
)

// ETag returns the entity tag of a version.
func ETag(version uint64) string { return fmt.Sprintf(`W/"%d"`, version) }

// MatchesETag reports whether a header such as If-Match names a version. The comparison is weak
// (RFC 9110 section 8.8.3.2), since every version is.
func MatchesETag(header []string, version uint64) bool {
	for _, h := range header {
		for tag := range strings.SplitSeq(h, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(ETag(version), "W/") {
				return true
			}
		}
	}
	return false
}
