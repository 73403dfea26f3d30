package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim/legible"
	"github.com/scimbridge/scimbridge/scim/where"
)

// pointless warns of rules that no group can match.
func (v *validation) pointless(c *Config, rule []string, m Rule) {
	at := func(key string) []string { return append(slices.Clone(rule), key) }
	if mapping.Never(m.Match) {
		v.warn(at("match"), "matches no name at all: this rule grants nothing")
	}
	if m.ID != "" && uuid.Validate(m.ID) != nil {
		v.warn(at("id"), "is no id that this server gives: it is a UUID, as in the group's `id`; the identity provider's own id is `external_id`")
	}
	if where.NeverActive(m.Where) {
		v.warn(at("where"), "is true of no active user, and only active users get grants: this rule grants nothing")
	}
	if idp, known := c.IdentityProviders[m.IdP]; m.IdP != "" && known && !idp.CanCall() {
		v.warn(at("identity_provider"), "has no token and cannot send such a group")
	}
}

// unpinned recommends pin for rules that grant much by name, and warns of names with unusual
// characters.
func (v *validation) unpinned(rule []string, m Rule) {
	for _, name := range m.Group {
		if !mapping.Plain(name) {
			v.warn(append(rule, "group"), "%q has a space at an end, or characters that do not show or stand for others: only a group with exactly this name is meant", legible.Clip(name))
		}
	}
	if m.Pin || len(m.Group) == 0 && m.Match == "" {
		return
	}
	grants, _ := m.grants()
	for _, g := range grants {
		why := ""
		switch {
		case slices.ContainsFunc(g.Roles, LooksLikeAdmin):
			why = "grants an administrator's role to the members of any group with this name"
		case g.Replace:
			why = "replaces the roles of the members of any group with this name"
		case g.Authoritative:
			why = "revokes the role from every account outside the groups with this name"
		default:
			continue
		}
		v.advise(append(rule, "pin"), "this rule %s; `pin: true` lets no other group take the name", why)
		return
	}
}

// unowned warns of rules that match groups of several identity providers, because each provider can
// grant them. A group's id belongs to one provider. A rule that grants an administrator's role has
// a warning of its own; the others share one.
func (v *validation) unowned(c *Config) {
	if len(c.IdentityProviders) < 2 {
		return
	}
	providers := fmt.Sprintf("a group of any of the %d identity providers (%s)", len(c.IdentityProviders),
		legible.Clip(strings.Join(slices.Sorted(maps.Keys(c.IdentityProviders)), ", ")))
	var first, lines []string
	for i, m := range c.Mappings {
		path := []string{"mappings", strconv.Itoa(i), "identity_provider"}
		switch {
		case m.IdP != "" || m.ID != "":
		case m.givesAdmin():
			v.warn(path, "is missing: %s can give this administrator's role; name the one that may", providers)
		default:
			lines = append(lines, strconv.Itoa(v.line(path...)))
			if first == nil {
				first = path
			}
		}
	}
	switch {
	case len(lines) > maxProblems:
		v.warn(first, "is missing, also in %d more rules: %s can give these roles; name the one that may", len(lines)-1, providers)
	case len(lines) > 1:
		v.warn(first, "is missing, also in the rules on lines %s: %s can give these roles; name the one that may", strings.Join(lines[1:], ", "), providers)
	case len(lines) == 1:
		v.warn(first, "is missing: %s can give this role; name the one that may", providers)
	}
}

// givesAdmin reports whether a rule grants an administrator's role.
func (m Rule) givesAdmin() bool {
	grants, _ := m.grants()
	return slices.ContainsFunc(grants, func(g Grant) bool {
		return LooksLikeAdmin(g.Target) || slices.ContainsFunc(g.Roles, LooksLikeAdmin)
	})
}

// LooksLikeAdmin reports whether the name of a role at a vendor suggests an administrator.
func LooksLikeAdmin(role string) bool { return strings.Contains(strings.ToUpper(role), "ADMIN") }

// given is a rule that grants a role on a target.
type given struct {
	line          int
	groups        string
	authoritative bool
	paused        bool
}

// conflicts warns of rules that contradict each other about a role, or repeat each other.
func (v *validation) conflicts(c *Config) {
	seen := map[string][]given{}
	for i, m := range c.Mappings {
		grants, paths := m.grants()
		groups := m.selection()
		for n, g := range grants {
			path := slices.Concat([]string{"mappings", strconv.Itoa(i)}, paths[n])
			roles := g.Roles
			if len(roles) == 0 {
				roles = []string{""}
			}
			for _, r := range roles {
				key := strings.Join([]string{g.Backend, g.Target, r}, "\x00")
				one := given{v.line(path...), groups, g.Authoritative, m.Paused}
				for _, other := range seen[key] { // one warning is enough
					if v.conflict(path, other, one) {
						break
					}
				}
				seen[key] = append(seen[key], one)
			}
		}
	}
}

// selection is equal for rules that select the same users. Letter case counts everywhere except in
// names.
func (m Rule) selection() string {
	folded := func(all Names) string {
		var out []string
		for _, name := range all {
			out = append(out, strings.ToLower(name))
		}
		slices.Sort(out)
		return strings.Join(slices.Compact(out), "\n")
	}
	return strings.Join([]string{folded(m.Group), m.Match, m.ExternalID, m.ID, folded(m.Exclude), m.IdP, m.Where}, "\x00")
}

// conflict warns of two rules about one role and reports whether they conflict.
func (v *validation) conflict(path []string, first, second given) bool {
	switch {
	case first.groups == second.groups:
		v.warn(path, "gives the same as the rule on line %d", first.line)
	case first.authoritative != second.authoritative:
		v.warn(path, "gives a role that the rule on line %d gives, too, and only one of them is authoritative: the role as a whole is", first.line)
	case first.paused != second.paused:
		v.warn(path, "gives a role that the rule on line %d gives, too, and only one of them is paused: no account loses the role meanwhile", first.line)
	default:
		return false
	}
	return true
}
