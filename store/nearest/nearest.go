// Package nearest finds the known names that a misspelled one may mean.
package nearest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Word returns the known word that a misspelled one means: the same in another letter case, or at most so many
// single-letter edits away; "" if there is none.
func Word(word string, known []string, most int) string {
	if len(word) > 128 {
		return ""
	}
	for edits := range most + 1 {
		for _, k := range known {
			if strings.EqualFold(k, word) || edits > 0 && Distance(k, word) == edits && 2*edits <= len(word) { // two edits make anything of two letters
				return k
			}
		}
	}
	return ""
}

// Names collects the names that are nearest to the one asked for, however many are added.
type Names struct {
	Asked string

	found []near
}

type near struct {
	name     string
	distance int
}

// most is how many names a message has.
const most = 3

// Add takes a known name into account.
func (n *Names) Add(name string) {
	one := near{name, Distance(strings.ToLower(n.Asked), strings.ToLower(name))}
	at, _ := slices.BinarySearchFunc(n.found, one, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	n.found = slices.Insert(n.found, at, one)
	n.found = n.found[:min(len(n.found), most)]
}

// List returns at most three names, the nearest first. Of a short list all are of use, however different they are.
func (n *Names) List(short bool) (out []string) {
	for _, one := range n.found {
		if short || one.distance <= max(3, len(one.name)/3) {
			out = append(out, one.name)
		}
	}
	return out
}

// Unknown returns an *UnknownError for the name that was asked for.
func (n *Names) Unknown(what string, short bool) error {
	return &UnknownError{What: what, Name: n.Asked, Nearest: n.List(short)}
}

// Distance counts the single-letter edits between two texts, in bytes. Its time is the product of their lengths.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal, row[j+1] = row[j+1], min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// UnknownError is a query about a name that is not known.
type UnknownError struct {
	What    string   // such as "user" or "role"
	Name    string   // as the query has it
	Nearest []string // the known names that are nearest, at most three
}

// Error implements error.
func (e *UnknownError) Error() string {
	text := fmt.Sprintf("there is no %s %.64q", e.What, e.Name)
	if len(e.Nearest) > 0 {
		text += "; the nearest: " + strings.Join(e.Nearest, ", ")
	}
	return text
}
