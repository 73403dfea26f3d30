package mapping

import (
	"slices"
	"strings"
	"unicode"

	"github.com/scimbridge/scimbridge/store"
)

// bound is a rule applied to a group: captures filled in.
type bound struct {
	rule           *rule
	target         Target
	roles          []string
	permissionSets []string
}

// apply calls yield for each rule that the group satisfies, in the order of the configuration.
func (r *Rules) apply(idp string, g store.Group, yield func(bound)) {
	r.about(idp, g, func(b bound) {
		if !b.rule.Pin || r.Lets(b.rule.Backend, idp, g) {
			yield(b)
		}
	})
}

// Lets says whether the rules of a backend with Pin, if there are any about the group, let it through: its name is bound to it.
func (r *Rules) Lets(backend, idp string, g store.Group) bool {
	return r.bound != nil && r.bound(backend, idp, g)
}

// about is apply without regard to pins.
func (r *Rules) about(idp string, g store.Group, yield func(bound)) {
	for _, n := range merge(r.byName[Name(g.DisplayName)], r.loose) {
		c := &r.rules[n]
		if c.IdP != "" && c.IdP != idp || c.excludes(g) {
			continue
		}
		if b, ok := c.meets(g); ok {
			yield(b)
		}
	}
}

func (c *rule) excludes(g store.Group) bool {
	return len(c.excluded) > 0 && c.excluded[store.Fold(g.DisplayName)]
}

// meets says whether a rule is about a group, as far as name and ids go: its name, if it is selected by that, is one of the rule's.
func (c *rule) meets(g store.Group) (bound, bool) {
	if c.match != nil {
		return c.bind(g.DisplayName)
	}
	fits := (c.ExternalID == "" || c.ExternalID == g.ExternalID) && (c.ID == "" || c.ID == g.ID)
	return bound{c, Target{c.Backend, c.Target}, c.Roles, c.PermissionSets}, fits
}

// bind fills in the captures of a name that the expression matches.
func (c *rule) bind(name string) (bound, bool) {
	if !Plain(name) {
		return bound{}, false
	}
	m := c.match.FindStringSubmatch(name)
	if m == nil {
		return bound{}, false
	}
	fill := func(s string) string {
		return capture.ReplaceAllStringFunc(s, func(v string) string {
			return m[c.match.SubexpIndex(v[2:len(v)-1])]
		})
	}
	for _, v := range capture.FindAllStringSubmatch(c.Target, -1) {
		if strings.ContainsAny(m[c.match.SubexpIndex(v[1])], notInPath) {
			return bound{}, false
		}
	}
	b := bound{rule: c, target: Target{c.Backend, fill(c.Target)}, roles: each(c.Roles, fill), permissionSets: each(c.PermissionSets, fill)}
	return b, usable(b.target.Target) && len(b.roles) > 0
}

// notInPath are the characters that lead to another place in a vendor's address, should anything there read them so. A group's name
// makes no target with one of them.
const notInPath = `/\%?#`

// usable says whether a target that a group's name makes can be one: an empty one names nothing, one of dots would be another place
// in a vendor's address, and no id has blanks at its ends.
func usable(target string) bool {
	return target != "" && target != "." && target != ".." && len(target) <= 256 && strings.TrimSpace(target) == target && !strings.ContainsFunc(target, unicode.IsControl)
}

// each fills in captures. A value that a capture leaves empty, or that cannot be an id, is none.
func each(in []string, f func(string) string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		if v := f(s); v == s || usable(v) {
			out = append(out, v)
		}
	}
	return out
}

func merge(a, b []int) []int {
	if len(a) == 0 {
		return b
	}
	out := slices.Concat(a, b)
	slices.Sort(out)
	return out
}
