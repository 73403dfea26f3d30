package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/mapping"
)

// Effective returns the configuration in YAML with every default and preset. A secret is its source,
// or <secret>; a key without a value is left out.
func (c *Config) Effective() ([]byte, error) {
	all := *c
	all.Store.KeyFile = c.Store.OperatorKeyFile()
	all.IdentityProviders = map[string]IdentityProvider{}
	for name, idp := range c.IdentityProviders {
		all.IdentityProviders[name] = idp.effective()
	}
	all.Mappings = slices.Clone(c.Mappings)
	for i := range all.Mappings {
		all.Mappings[i].bound()
	}
	root := nodeOf(reflect.ValueOf(all))
	if len(c.Mappings) == 0 { // left out, it would be a mistake
		root.Content = append(root.Content, text("mappings"), &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle})
	}
	out, err := yaml.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("printing the configuration: %w", err)
	}
	return out, nil
}

// effective returns the identity provider with its defaults.
func (c IdentityProvider) effective() IdentityProvider {
	c.RateLimit = cmp.Or(c.RateLimit, DefaultRequests)
	c.PutWithoutMembers = cmp.Or(c.PutWithoutMembers, "keep")
	c.JWT = c.JWT.WithPreset().effective()
	if len(c.OAuth.Clients) > 0 {
		c.OAuth.Lifetime = Duration(c.OAuth.TokenLifetime())
	}
	c.OAuth.Clients = slices.Clone(c.OAuth.Clients)
	for i, client := range c.OAuth.Clients {
		c.OAuth.Clients[i].Federation = client.Federation.WithTenant().effective()
	}
	return c
}

func (c JWT) effective() JWT {
	if c.Configured() && len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256"}
	}
	return c
}

// bound sets how many targets the names of groups can create where a capture names the target.
func (m *Rule) bound() {
	most := mapping.DefaultMaxTargets
	if m.MaxTargets == nil && strings.Contains(m.Target, "${") {
		m.MaxTargets = &most
	}
	m.Grants = slices.Clone(m.Grants)
	for i := range m.Grants {
		if g := &m.Grants[i]; g.MaxTargets == nil && strings.Contains(g.Target, "${") {
			g.MaxTargets = cmp.Or(m.MaxTargets, &most)
		}
	}
}

// nodeOf returns a value as YAML; nil if it is empty.
func nodeOf(v reflect.Value) *yaml.Node {
	switch one := v.Interface().(type) {
	case Secret:
		return text(one.String())
	case Duration:
		return text(one.String())
	case Size:
		return text(one.String())
	case Day:
		if one.IsZero() {
			return nil
		}
		return text(one.Format(time.RFC3339))
	case Token:
		if one.Expires.IsZero() {
			return text(one.Secret.String())
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return nodeOf(v.Elem())
	case reflect.Struct:
		return blockOf(v)
	case reflect.Map:
		return entriesOf(v)
	case reflect.Slice:
		return listOf(v)
	case reflect.String:
		return text(v.String())
	case reflect.Bool:
		if !v.Bool() {
			return nil
		}
	}
	n := &yaml.Node{}
	_ = n.Encode(v.Interface()) // a number or true
	return n
}

func text(s string) *yaml.Node {
	if s == "" {
		return nil
	}
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

func blockOf(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range reflect.VisibleFields(v.Type()) {
		key := f.Tag.Get("yaml")
		if key == "" || key == "-" || f.Anonymous {
			continue
		}
		if below := nodeOf(v.FieldByIndex(f.Index)); below != nil {
			n.Content = append(n.Content, text(key), below)
		}
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

func entriesOf(v reflect.Value) *yaml.Node {
	n, entries := &yaml.Node{Kind: yaml.MappingNode}, map[string]reflect.Value{}
	for _, k := range v.MapKeys() {
		entries[k.String()] = v.MapIndex(k)
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if below := nodeOf(entries[key]); below != nil {
			n.Content = append(n.Content, text(key), below)
		}
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

func listOf(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range v.Len() {
		if below := nodeOf(v.Index(i)); below != nil {
			n.Content = append(n.Content, below)
		}
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}
