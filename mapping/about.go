package mapping

import "github.com/scimbridge/scimbridge/store"

// Of lists the rules of a backend in the order of the configuration.
func (r *Rules) Of(backend string) []Rule {
	var out []Rule
	for i := range r.rules {
		if r.rules[i].Backend == backend {
			out = append(out, r.rules[i].Rule)
		}
	}
	return out
}

// About calls yield for each rule that is about a group, also if its name is bound to another, with the target that it makes of it.
func (r *Rules) About(idp string, g store.Group, yield func(Rule, Target)) {
	r.about(idp, g, func(b bound) { yield(b.rule.Rule, b.target) })
}

// Miss is a grant that a rule would give for a group if something were otherwise.
type Miss struct {
	Target Target
	Role   string
	Group  store.Group
	Rule   Rule
	Why    string // "where", "paused", "excluded", "identity provider" or "pin"
}

// Misses lists what rules that are about these groups do not give, and why.
func (r *Rules) Misses(idp string, user store.User, groups []store.Group) []Miss {
	var out []Miss
	for _, g := range groups {
		for _, n := range merge(r.byName[Name(g.DisplayName)], r.loose) {
			c := &r.rules[n]
			b, fits := c.meets(g)
			why := ""
			switch {
			case !fits:
			case c.IdP != "" && c.IdP != idp:
				why = "identity provider"
			case c.excludes(g):
				why = "excluded"
			case c.Pin && !r.Lets(c.Backend, idp, g):
				why = "pin"
			case c.Paused:
				why = "paused"
			case c.Where != nil && !c.Where(user):
				why = "where"
			}
			if why == "" {
				continue
			}
			for _, role := range b.roles {
				out = append(out, Miss{b.target, role, g, c.Rule, why})
			}
		}
	}
	return out
}
