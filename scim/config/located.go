package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var yamlPlace = regexp.MustCompile(`^line (\d+)(?: column (\d+))?: `)

// located rewords a problem of the YAML library, or of a value, and names the key it is about, where that is certain.
func (v *validation) located(text string) string {
	m := yamlPlace.FindStringSubmatch(text)
	if m == nil {
		return plainYAML(text)
	}
	rest := plainYAML(text[len(m[0]):])
	is := valueOf(text)
	keys := keysAt(v.root.Content[0], nil, func(n *yaml.Node) bool {
		return strconv.Itoa(n.Line) == m[1] && (m[2] == "" || strconv.Itoa(n.Column) == m[2]) && is(n)
	}, m[2] == "")
	if len(keys) == 1 && !strings.HasPrefix(rest, "unknown key") {
		rest = keys[0] + ": " + rest
	}
	return "line " + m[1] + ": " + rest
}

// valueOf tells the values that a message of the YAML library may be about: it names the kind, and how a text or number begins.
func valueOf(text string) func(*yaml.Node) bool {
	m := yamlValue.FindStringSubmatch(text)
	if m == nil {
		return func(*yaml.Node) bool { return true }
	}
	begins := strings.TrimSuffix(m[2], "...")
	return func(n *yaml.Node) bool {
		return n.ShortTag() == m[1] && (begins == "" || begins == n.Value || begins != m[2] && strings.HasPrefix(n.Value, begins))
	}
}

// keysAt lists the keys whose values are meant; lists says that a list of values is one.
func keysAt(n *yaml.Node, path []string, meant func(*yaml.Node) bool, lists bool) (keys []string) {
	for i, c := range n.Content {
		at := slices.Clone(path)
		switch n.Kind {
		case yaml.MappingNode:
			if i%2 == 0 {
				continue
			}
			at = append(at, n.Content[i-1].Value)
		case yaml.SequenceNode:
			at = append(at, strconv.Itoa(i))
		}
		if meant(c) {
			keys = append(keys, strings.Join(at, "."))
		}
		if lists && c.Kind == yaml.SequenceNode && !slices.ContainsFunc(c.Content, func(n *yaml.Node) bool { return n.Kind != yaml.ScalarNode }) {
			continue // a list of values is one
		}
		keys = append(keys, keysAt(c, at, meant, lists)...)
	}
	return keys
}
