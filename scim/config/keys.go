package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/scim/legible"
)

// unknownKey is the problem of a key that a block does not have.
func unknownKey(key *yaml.Node, fields map[string]reflect.StructField) problem {
	text := fmt.Sprintf("unknown key %q%s", legible.Clip(key.Value), suggestion(key.Value, slices.Sorted(maps.Keys(fields))))
	if key.Value == "<<" {
		text = `unknown key "<<": keys are not merged; write them again`
	}
	return problem{line: key.Line, text: fmt.Sprintf("line %d: %s", key.Line, text)}
}

// suggestion names the known key that is meant, or all of them.
func suggestion(key string, known []string) string {
	for _, edits := range []int{0, 1, 2} {
		for _, f := range known {
			if strings.EqualFold(f, key) || 2*edits <= len(key) && distance(f, key) == edits { // two edits make anything of two letters
				return fmt.Sprintf("; did you mean %q?", f)
			}
		}
	}
	return "; known here: " + strings.Join(known, ", ")
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
