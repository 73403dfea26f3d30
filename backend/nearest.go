package backend

import "strings"

// Nearest returns the known word that a misspelled one means: the same in another letter case, or at
// most so many single-letter edits away; "" if there is none.
func Nearest(word string, known []string, most int) string {
	if len(word) > 128 {
		return ""
	}
	for edits := range most + 1 {
		for _, k := range known {
			if strings.EqualFold(k, word) || edits > 0 && distance(k, word) == edits && 2*edits <= len(word) { // two edits make anything of two letters
				return k
			}
		}
	}
	return ""
}

// distance is the number of single-letter edits between two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
