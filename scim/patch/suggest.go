package patch

import (
	"strings"

	"github.com/scimbridge/scimbridge/store/nearest"
)

// maxSlips is in how many letters a name may differ from an attribute's to count as a misspelling
// of it.
const maxSlips = 2

// alsoMembers are names that other products have for the members of a group.
var alsoMembers = []string{"users", "user", "memberships", "membership"}

// nearest returns the attribute whose name is most like name, and in how many letters the two
// differ.
func (rd *reader) nearest(name string) (attribute string, slips int) {
	lower := strings.ToLower(name[strings.LastIndexByte(name, ':')+1:])
	if i := strings.IndexAny(lower, ".["); i > 0 {
		lower = lower[:i]
	}
	for _, other := range alsoMembers {
		if rd.Rows != "" && lower == other {
			return rd.Rows, 0
		}
	}
	slips = len(lower) + len(rd.Rows) + 1
	for _, candidate := range rd.settableNames() {
		if d := nearest.Distance(lower, strings.ToLower(candidate)); d < slips {
			attribute, slips = candidate, d
		}
	}
	return attribute, slips
}

// isURN reports whether a path begins with the URN of a schema.
func isURN(path string) bool { return len(path) > 4 && strings.EqualFold(path[:4], "urn:") }

// withoutFilters removes the filters of a path, which hold values of users: emails[…].value.
func withoutFilters(path string) string {
	open, end := strings.IndexByte(path, '['), strings.LastIndexByte(path, ']')
	if open < 0 {
		return path
	}
	if end < open {
		return path[:open+1] + "…"
	}
	return path[:open+1] + "…" + path[end:]
}
