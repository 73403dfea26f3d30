package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/scim/where"
)

func (v *validation) mappings(c *Config) {
	v.stated()
	for i, m := range c.Mappings {
		rule := []string{"mappings", strconv.Itoa(i)}
		grants, paths := m.grants()
		for n, g := range grants {
			v.grant(c, slices.Concat(rule, paths[n]), g)
			v.named(append(slices.Concat(rule, paths[n]), "target"), m.Match, g)
		}
		if len(m.Grants) > 0 && (m.Backend != "" || m.Target != "" || len(m.Roles) > 0) {
			v.bad(append(rule, "grants"), "a rule has either grants or backend, target and roles, not both")
		}
		if _, known := c.IdentityProviders[m.IdP]; m.IdP != "" && !known {
			v.bad(append(rule, "identity_provider"), "%q is not one of the identity providers above%s", legible.Clip(m.IdP), thoseThere(c.IdentityProviders))
		}
		if m.Where != "" {
			if _, err := where.Compile(m.Where); err != nil {
				v.bad(append(rule, "where"), "is not a filter over users: %v", err)
			}
		}
		if mapping.Open(m.Match) {
			v.warn(append(rule, "match"), "starts or ends with a wildcard: anyone who can name groups at the identity provider can grant this role; use a narrower pattern")
		}
		v.pointless(c, rule, m)
		v.unpinned(rule, m)
	}
	v.unowned(c)
	v.conflicts(c)
	_, err := c.compile(v)
	for _, e := range unjoin(err) {
		var wrong *mapping.Error
		if errors.As(e, &wrong) {
			v.problems = append(v.problems, problem{line: wrong.Line, text: wrong.Error()})
		}
	}
}

// thoseThere lists the names that exist: ": rc, vt".
func thoseThere[V any](named map[string]V) string {
	if len(named) == 0 {
		return ": there is none"
	}
	return ": " + legible.Clip(strings.Join(slices.Sorted(maps.Keys(named)), ", "))
}

// named warns of targets that the names of groups alone choose.
func (v *validation) named(path []string, match string, g Grant) {
	most := mapping.DefaultMaxTargets
	if g.MaxTargets != nil {
		most = *g.MaxTargets
	}
	if mapping.NamedByCapture(match, g.Target, most) {
		v.warn(path, "is what the group's name says: anyone who can name groups at the identity provider chooses the target. Name the "+
			"targets in the pattern, or write a part of the target; max_targets (%d) bounds how many such names create", most)
	}
}

func (v *validation) grant(c *Config, path []string, g Grant) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	b := c.Backends[g.Backend]
	var found []backend.Mistake
	if b != nil && v.kinds[b.Kind].ValidateGrant != nil {
		found = v.kinds[b.Kind].ValidateGrant(backend.Grant{Target: g.Target, Roles: g.Roles, PermissionSets: g.PermissionSets, Authoritative: g.Authoritative, Replace: g.Replace})
		v.mistakes(path, found)
	}
	if g.MaxTargets != nil && *g.MaxTargets < 1 {
		v.bad(at("max_targets"), "must be at least 1")
	}
	wrong := slices.ContainsFunc(found, func(m backend.Mistake) bool { return !m.Warning })
	switch {
	case g.Backend == "":
		v.bad(at("backend"), "is missing")
	case b == nil:
		v.bad(at("backend"), "%q is not one of the backends above%s", legible.Clip(g.Backend), thoseThere(c.Backends))
	case wrong:
	case g.Replace && v.known(b.Kind) && !v.kinds[b.Kind].Traits.Replace:
		v.bad(at("replace"), "is not possible at %s", v.kinds[b.Kind].Title)
	case g.Authoritative:
		v.warn(at("authoritative"), "revokes the role from every account without a group; run `scimbridge plan --proposed` first. The brakes hold more than max_removals at once")
	case g.Replace:
		v.warn(at("replace"), "clears every role of these users on %s that no rule grants, including roles granted by hand", legible.Clip(g.Target))
	}
}

// known reports whether there is such a kind of vendor.
func (v *validation) known(kind string) bool {
	_, known := v.kinds[kind]
	return known
}

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// unknownRole stands for the role of a grant at a backend that is a mistake, which is reported by
// itself.
const unknownRole = "unknown"

// Rules compiles the rules, without the lines where they stand.
func (c *Config) Rules() (*mapping.Rules, error) { return c.compile(nil) }

// compile compiles the rules. v gives their lines and may be nil.
func (c *Config) compile(v *validation) (*mapping.Rules, error) {
	var rules []mapping.Rule
	for i, m := range c.Mappings {
		base := mapping.Rule{Groups: m.Group, Match: m.Match, ExternalID: m.ExternalID, ID: m.ID, Exclude: m.Exclude, IdP: m.IdP,
			Paused: m.Paused, Pin: m.Pin, WhereText: m.Where, Index: i}
		if m.Where != "" {
			filter, err := where.Compile(m.Where)
			if err != nil && v == nil {
				return nil, fmt.Errorf("mappings.%d.where: %w", i, err)
			}
			base.Where = filter
		}
		grants, paths := m.grants()
		for n, g := range grants {
			r := base
			r.Backend, r.Target, r.Roles, r.PermissionSets, r.Authoritative, r.Replace = g.Backend, g.Target, g.Roles, g.PermissionSets, g.Authoritative, g.Replace
			if g.MaxTargets != nil {
				r.MaxTargets = *g.MaxTargets
			}
			if v != nil {
				r.Line = v.line(slices.Concat([]string{"mappings", strconv.Itoa(i)}, paths[n])...)
			}
			b := c.Backends[g.Backend]
			if kind, known := c.kindOf(b); !known {
				r.Roles = []string{unknownRole}
			} else if fixed := kind.Traits.FixedRole; fixed != "" {
				r.Roles = []string{fixed}
			}
			rules = append(rules, r)
		}
	}
	return mapping.Compile(rules)
}

// kindOf returns the kind of vendor of a backend.
func (c *Config) kindOf(b *Backend) (kind backend.Kind, known bool) {
	if b == nil {
		return kind, false
	}
	kind, known = c.Kinds[b.Kind]
	return kind, known
}
