package view

import (
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// becauseEnded notes, of the roles that an account is to lose, the groups and rules that gave them, for the audit trail:
// the groups that the request changed, else those that its users are in and that give nothing any more, since the users
// left or no longer meet a condition, or since other rules are in force.
func becauseEnded(w *View, tx store.Tx, target string, a *Account) error {
	var lost []string
	for role := range a.Ledger {
		if _, wanted := a.Want[role]; !wanted {
			lost = append(lost, role)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	former, err := w.former(tx)
	if err != nil {
		return err
	}
	all, at := append([]*mapping.Rules{w.InForce().Rules}, former.Rules...), mapping.Target{Backend: w.Name, Target: target}
	gave := func(idp string, g store.Group) {
		for _, rules := range all {
			some := false
			for _, applied := range rules.Apply(idp, g) {
				if applied.Target != at {
					continue
				}
				for _, role := range applied.Roles {
					if slices.Contains(lost, role) {
						some = true
						a.because(idp, mapping.Grant{Role: role, From: []mapping.Reason{{Group: g, Rule: applied.Rule}}})
					}
				}
			}
			if some {
				return
			}
		}
	}
	for group := range strings.SplitSeq(a.Origin.Groups, "\n") {
		idp, name, _ := strings.Cut(group, "/")
		gave(idp, store.Group{DisplayName: name})
	}
	for _, u := range a.Users {
		if !slices.ContainsFunc(lost, func(role string) bool { return a.Causes[role] == nil }) {
			break
		}
		_, groups, err := UserAndGroups(tx, u.Subject)
		if err != nil { // deleted: the request names the groups
			continue
		}
		for _, g := range groups {
			gave(u.IdP, g)
		}
	}
	return nil
}
