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

// unknownKeys lists the keys of a node that the type has no field for. It stops at types that read themselves.
func unknownKeys(n *yaml.Node, into any) []string {
	var out []string
	walkKeys(n, reflect.TypeOf(into).Elem(), true, &out)
	return out
}

func walkKeys(n *yaml.Node, t reflect.Type, top bool, out *[]string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !top && reflect.PointerTo(t).Implements(reflect.TypeFor[yaml.Unmarshaler]()) {
		return
	}
	switch {
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, e := range n.Content {
			walkKeys(e, t.Elem(), false, out)
		}
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			walkKeys(n.Content[i], t.Elem(), false, out)
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		fields := map[string]reflect.Type{}
		for _, f := range reflect.VisibleFields(t) {
			if name := f.Tag.Get("yaml"); name != "" && name != "-" && !f.Anonymous { // those of what is embedded are visible by themselves
				fields[name] = f.Type
			}
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if ft, ok := fields[key.Value]; ok {
				walkKeys(n.Content[i+1], ft, false, out)
				continue
			}
			if key.Value == "<<" {
				*out = append(*out, fmt.Sprintf("line %d: unknown key \"<<\": keys are not merged; write them again", key.Line))
				continue
			}
			*out = append(*out, fmt.Sprintf("line %d: unknown key %q%s", key.Line, legible.Clip(key.Value), suggestion(key.Value, fields)))
		}
	}
}

func suggestion(key string, fields map[string]reflect.Type) string {
	known := slices.Sorted(maps.Keys(fields))
	for _, near := range []int{0, 1, 2} {
		for _, f := range known {
			if strings.EqualFold(f, key) || 2*near <= len(key) && distance(f, key) == near { // of a word of two letters everything is near
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
