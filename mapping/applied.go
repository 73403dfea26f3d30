package mapping

import "github.com/scimbridge/scimbridge/store"

// Applied is a rule applied to a group, with its captures filled in.
type Applied struct {
	Rule   Rule // as configured
	Target Target
	Roles  []string
	Held   bool // the rule has Pin, and the name of the group is not bound to it
}

// Apply lists the rules that are about a group, in the order of the configuration. Paused rules and
// those with a condition are among them.
func (r *Rules) Apply(idp string, g store.Group) []Applied {
	var out []Applied
	r.about(idp, g, func(b bound) {
		out = append(out, Applied{Rule: b.rule.Rule, Target: b.target, Roles: b.roles, Held: b.rule.Pin && !r.Lets(b.rule.Backend, idp, g)})
	})
	return out
}
