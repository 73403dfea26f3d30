// Package fingerprint has the fingerprints of the parts of a configuration file, for the audit trail: which
// parts changed, without what is in them.
package fingerprint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// brakeKeys are the keys of a backend that a reload applies: see config.Backend.Reloaded.
var brakeKeys = []string{"mode", "protect", "own_account", "max_removals", "max_offboardings"}

// Of returns fingerprints of the parts of a configuration file: each backend but for its brakes, the brakes of
// each, each identity provider, and each other top-level key.
func Of(data []byte) (map[string]string, error) {
	out := map[string]string{}
	var root yaml.Node
	if len(bytes.TrimSpace(data)) == 0 {
		return out, nil
	}
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, errors.New("reading the configuration: it is not YAML") // the words of the library may repeat a secret
	}
	if len(root.Content) == 0 {
		return out, nil
	}
	for name, n := range pairs(root.Content[0]) {
		parts := map[string]*yaml.Node{name: n}
		if name == "backends" || name == "identity_providers" {
			parts = map[string]*yaml.Node{}
			for key, part := range pairs(n) {
				parts[name+"."+key] = part
				if name == "backends" {
					parts[name+"."+key], parts[name+"."+key+".brakes"] = withoutBrakes(part)
				}
			}
		}
		for part, n := range parts {
			hideLiterals(n, false, secretsOf(part))
			text, err := yaml.Marshal(n)
			if err != nil {
				return nil, fmt.Errorf("reading the configuration: %w", err)
			}
			sum := sha256.Sum256(text)
			out[part] = hex.EncodeToString(sum[:8])
		}
	}
	return out, nil
}

// mostRules is how much of the text of the rules an event holds, in bytes.
const mostRules = 64 << 10

// RulesText returns the mappings of a configuration file as YAML, without comments and secrets. Of a longer text than 64 KiB
// only the beginning is returned, and that is said at its end.
func RulesText(data []byte) string {
	var root yaml.Node
	if yaml.Unmarshal(data, &root) != nil || len(root.Content) == 0 {
		return "" // Sections has reported it
	}
	n := pairs(root.Content[0])["mappings"]
	if n == nil {
		return ""
	}
	hideLiterals(n, false, secretsOf("mappings"))
	text, err := yaml.Marshal(n)
	if err != nil {
		return ""
	}
	if len(text) > mostRules {
		return strings.ToValidUTF8(string(text[:mostRules]), "") + fmt.Sprintf("\n# %d more bytes are left out\n", len(text)-mostRules)
	}
	return string(text)
}

// withoutBrakes divides a backend into its brakes and the rest.
func withoutBrakes(n *yaml.Node) (rest, brakes *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return n, &yaml.Node{Kind: yaml.MappingNode}
	}
	one, other := *n, *n
	one.Content, other.Content = nil, nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		to := &one
		if slices.Contains(brakeKeys, n.Content[i].Value) {
			to = &other
		}
		to.Content = append(to.Content, n.Content[i], n.Content[i+1])
	}
	return &one, &other
}

func pairs(n *yaml.Node) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		out[n.Content[i].Value] = n.Content[i+1]
	}
	return out
}

// secretKeys are the keys whose values are secrets.
var secretKeys = []string{"tokens", "secrets", "secret", "api_key", "client_secret", "token", "dsn", "proxy", "key", "password"}

// secretsOf returns the keys of a part whose values are secrets: the URL of a channel is one.
func secretsOf(part string) []string {
	if part == "notify" {
		return append(slices.Clone(secretKeys), "url")
	}
	return secretKeys
}

// hideLiterals removes secrets written in the file itself, so that not even their fingerprint
// enters the audit trail. It also removes comments.
func hideLiterals(n *yaml.Node, secret bool, keys []string) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	if n.Kind == yaml.ScalarNode && secret && !slices.ContainsFunc([]string{"env:", "file:", "sha256:"}, func(p string) bool { return strings.HasPrefix(n.Value, p) }) {
		n.Value = "literal"
	}
	for i, c := range n.Content {
		within := secret
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			within = slices.Contains(keys, n.Content[i-1].Value) || secret && n.Content[i-1].Value == "value"
		} else if n.Kind == yaml.MappingNode {
			within = false // a key
		}
		hideLiterals(c, within, keys)
	}
}
