package patch

import "strings"

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
		if d := distance(lower, strings.ToLower(candidate), slips); d < slips {
			attribute, slips = candidate, d
		}
	}
	return attribute, slips
}

// distance returns how many letters must be inserted, deleted or replaced to turn a into b. It
// returns most or more if the distance reaches most.
func distance(a, b string, most int) int {
	if abs(len(a)-len(b)) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }

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
