package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/legible"
)

func (v *validation) mappings(c *Config) {
	for i, m := range c.Mappings {
		rule := []string{"mappings", strconv.Itoa(i)}
		grants, paths := m.grants()
		for n, g := range grants {
			v.grant(c, slices.Concat(rule, paths[n]), g)
		}
		if len(m.Grants) > 0 && (m.Backend != "" || m.Target != "" || len(m.Roles) > 0) {
			v.bad(append(rule, "grants"), "a rule has either grants or backend, target and roles, not both")
		}
		if _, known := c.IdentityProviders[m.IdP]; m.IdP != "" && !known {
			v.bad(append(rule, "identity_provider"), "%q is not one of the identity providers above%s", legible.Clip(m.IdP), thoseThere(c.IdentityProviders))
		}
		if m.Where != "" {
			if _, err := scim.UserFilter(m.Where); err != nil {
				v.bad(append(rule, "where"), "is not a filter over users: %v", err)
			}
		}
		if mapping.Open(m.Match) {
			v.warn(append(rule, "match"), "is open at an end: whoever may name groups at the identity provider may grant this")
		}
		v.pointless(c, rule, m)
		v.unpinned(c, rule, m)
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

// thoseThere says which names there are: ": rc, vt".
func thoseThere[V any](named map[string]V) string {
	if len(named) == 0 {
		return ": there is none"
	}
	return ": " + legible.Clip(strings.Join(slices.Sorted(maps.Keys(named)), ", "))
}

func (v *validation) grant(c *Config, path []string, g Grant) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	b := c.Backends[g.Backend]
	switch {
	case g.Backend == "":
		v.bad(at("backend"), "is missing")
	case b == nil:
		v.bad(at("backend"), "%q is not one of the backends above%s", legible.Clip(g.Backend), thoseThere(c.Backends))
	case b.Kind == "riskcloud" && len(g.Roles) > 0:
		v.bad(at("roles"), "belongs to virustotal; at Risk Cloud the target is the role")
	case b.Kind == "riskcloud" && g.Replace:
		v.bad(at("replace"), "is for virustotal only")
	case b.Kind == "virustotal" && len(g.PermissionSets) > 0:
		v.bad(at("permission_sets"), "is for riskcloud only")
	case b.Kind == "virustotal" && g.Authoritative:
		v.bad(at("authoritative"), "is refused: VirusTotal does not show who holds a role")
	case g.Authoritative:
		v.warn(at("authoritative"), "takes the role from everybody without a group; run `scimbridge plan --proposed` first. The brakes hold more than max_removals at once")
	case g.Replace:
		v.warn(at("replace"), "clears every role of these people on %s that no rule gives, also those that others granted", legible.Clip(g.Target))
	}
	for _, r := range g.Roles {
		switch {
		case b == nil || b.Kind != "virustotal":
		case !virusTotalRole.MatchString(r):
			v.bad(at("roles"), "%q does not look like USER_ROLE_…", legible.Clip(r))
		case !strings.Contains(r, "${") && !slices.Contains(knownRoles, r):
			v.warn(at("roles"), "%q is not one of the roles that VirusTotal documents; mind the spelling", legible.Clip(r))
		}
	}
}

// knownRoles are those that the vendor's pages name; a licence may have others.
var knownRoles = []string{"USER_ROLE_GROUP_ADMIN", "USER_ROLE_PRIVATE_SCANNING", "USER_ROLE_FILE_DOWNLOADS", "USER_ROLE_FILE_UPLOADS",
	"USER_ROLE_PRIVATE_FILE_UPLOADS", "USER_ROLE_PRIVATE_FILE_DOWNLOADS"}

var virusTotalRole = regexp.MustCompile(`^(USER_ROLE_[A-Z0-9_]+|\$\{[^}]+\}|USER_ROLE_.*\$\{[^}]+\}.*)$`)

func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// riskCloudRole stands in the ledger for "has the role": at Risk Cloud the target is the role.
const riskCloudRole = "member"

// Rules compiles the rules, without the lines where they stand.
func (c *Config) Rules() (*mapping.Rules, error) { return c.compile(nil) }

// compile compiles the rules. v gives their lines and may be nil.
func (c *Config) compile(v *validation) (*mapping.Rules, error) {
	var rules []mapping.Rule
	for i, m := range c.Mappings {
		base := mapping.Rule{Groups: m.Group, Match: m.Match, ExternalID: m.ExternalID, ID: m.ID, Exclude: m.Exclude, IdP: m.IdP,
			Paused: m.Paused, Pin: m.Pin, WhereText: m.Where, Index: i}
		if m.Where != "" {
			where, err := scim.UserFilter(m.Where)
			if err != nil && v == nil {
				return nil, fmt.Errorf("mappings.%d.where: %w", i, err)
			}
			base.Where = where
		}
		grants, paths := m.grants()
		for n, g := range grants {
			r := base
			r.Backend, r.Target, r.Roles, r.PermissionSets, r.Authoritative, r.Replace = g.Backend, g.Target, g.Roles, g.PermissionSets, g.Authoritative, g.Replace
			if v != nil {
				r.Line = v.line(slices.Concat([]string{"mappings", strconv.Itoa(i)}, paths[n])...)
			}
			if b := c.Backends[g.Backend]; b == nil || b.Kind != "virustotal" {
				r.Roles = []string{riskCloudRole} // also where the backend is a mistake, which is reported by itself
			}
			rules = append(rules, r)
		}
	}
	return mapping.Compile(rules)
}
