package mapping

import "slices"

// Authoritative reports whether a rule that is in force and authoritative gives the role on the
// target by a group that is in the directory. Without such a group it says nothing: the identity
// provider may not have pushed it yet.
func (r *Rules) Authoritative(t Target, role string, groups []Named) bool {
	gives := false
	for _, g := range groups {
		r.apply(g.IdP, g.Group, func(b bound) {
			gives = gives || b.rule.Authoritative && !b.rule.Paused && b.target == t && slices.Contains(b.roles, role)
		})
	}
	return gives
}
