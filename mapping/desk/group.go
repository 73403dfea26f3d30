package desk

import (
	"fmt"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/store"
)

// GroupGrant is one role on one target that a rule gives the active members of a group, or would
// give.
type GroupGrant struct {
	Backend string `json:"backend"`
	Target  string `json:"target"`
	Role    string `json:"role"`
	Rule    string `json:"rule"`            // "line 12: mappings.0"
	Where   string `json:"where,omitempty"` // the filter of the rule: only members that match it
	Not     string `json:"not,omitempty"`   // why the rule gives nothing: "paused", "excluded", "identity provider" or "pin"
}

// GroupGrants lists what rules make of a group, over the names as they are bound.
func GroupGrants(tx store.Tx, rules *mapping.Rules, idp string, g store.Group) []GroupGrant {
	rules = pin.Bound(tx, rules)
	out := []GroupGrant{}
	add := func(t mapping.Target, role string, r mapping.Rule, why string) {
		out = append(out, GroupGrant{Backend: t.Backend, Target: t.Target, Role: role, Rule: line(r), Where: r.WhereText, Not: why})
	}
	user, groups := store.User{Active: true}, []store.Group{g}
	for _, grant := range rules.Desired(idp, user, groups) {
		for _, from := range grant.From {
			add(grant.Target, grant.Role, from.Rule, "")
		}
	}
	for _, m := range rules.Misses(idp, user, groups) {
		if m.Why == "where" { // of a user without any attribute
			m.Why = ""
		}
		add(m.Target, m.Role, m.Rule, m.Why)
	}
	return out
}

// Words says what the rule gives, or why it gives nothing.
func (g GroupGrant) Words() string {
	words := fmt.Sprintf("%s on %s of %s (%s)", g.Role, g.Target, g.Backend, g.Rule)
	switch {
	case g.Not == "pin":
		return words + ": not given, since the name is bound to another group"
	case g.Not == "identity provider":
		return words + ": not given, since the rule is for another identity provider"
	case g.Not != "":
		return words + ": not given, since it is " + g.Not
	case g.Where != "":
		return words + ": for members that match " + g.Where
	}
	return words
}
