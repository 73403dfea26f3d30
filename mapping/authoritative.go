package mapping

import "slices"

// Authoritative says whether a rule that is in force and authoritative gives the role on the target. One whose target holds a
// capture does so while such a group exists: of other targets that it could name it says nothing.
func (r *Rules) Authoritative(t Target, role string, groups []Named) bool {
	gives := false
	give := func(c *rule, target Target, roles []string) {
		gives = gives || c.Authoritative && !c.Paused && target == t && slices.Contains(roles, role)
	}
	for i := range r.rules {
		c := &r.rules[i]
		give(c, Target{c.Backend, c.Target}, c.Roles)
	}
	for _, g := range groups {
		r.apply(g.IdP, g.Group, func(b bound) { give(b.rule, b.target, b.roles) })
	}
	return gives
}
