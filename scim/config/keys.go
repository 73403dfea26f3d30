package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/store/nearest"
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
	if meant := nearest.Word(key, known, 2); meant != "" {
		return fmt.Sprintf("; did you mean %q?", meant)
	}
	return "; known here: " + strings.Join(known, ", ")
}
