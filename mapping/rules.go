package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
)

// Rule says which groups give what. Exactly one of Groups, Match, ExternalID and ID selects groups.
type Rule struct {
	Groups     []string // displayNames, compared by Name
	Match      string   // RE2 that must match the whole displayName, which must be Plain
	ExternalID string   // of the group, as its identity provider sends it
	ID         string   // of the group, as the bridge made it
	Exclude    []string // displayNames that are not meant after all, nor any that look the same: compared with store.Fold
	Pin        bool     // only the group to which its name is bound: see Bound
	IdP        string   // only groups of this identity provider; "": of all

	Backend        string
	Target         string // may use the named captures of Match as ${name}
	Roles          []string
	PermissionSets []string
	Authoritative  bool
	Replace        bool
	MaxTargets     int // that the names of groups can create; 0: DefaultMaxTargets
	// Paused: the rule grants nothing, and nothing that it could have given is revoked.
	Paused bool
	// Where limits the rule to some users; WhereText is how it was written, and stands for it where rules are compared.
	Where     func(store.User) bool `json:"-"`
	WhereText string

	Line  int // in the configuration, for messages; 0 if unknown
	Index int // in the configuration, too
}

// Target is a group or role at a backend.
type Target struct{ Backend, Target string }

// Reason says which group, by which rule, gives a grant.
type Reason struct {
	Group store.Group
	Rule  Rule // as configured, with its line
}

// Grant is one role on one target that a user should have.
type Grant struct {
	Target  Target
	Role    string
	Replace bool     // a rule with replace gives it: the account has exactly the roles that rules give
	From    []Reason // at least one
}

type rule struct {
	Rule
	match    *regexp.Regexp
	excluded map[string]bool // folded
}

// Rules is a compiled mapping. It is immutable and may be used concurrently. The zero value maps nothing.
type Rules struct {
	rules  []rule
	byName map[string][]int // Name of a group -> rules, for `group:`
	loose  []int            // rules with anything else
	bound  Bound
}

// Bound says whether a group is the one to which its name is bound, for the rules of a backend with Pin: who that is comes with the
// directory, not from here.
type Bound func(backend, idp string, g store.Group) bool

// With is the same rules over a directory in which names are bound. Without it a rule with Pin gives nothing.
func (r *Rules) With(bound Bound) *Rules {
	out := *r
	out.bound = bound
	return &out
}

// Pinned says whether a rule of the backend with Pin is about the group by its name, also if the name is bound to another group, and whether such a
// rule is about groups of every identity provider.
func (r *Rules) Pinned(backend, idp string, g store.Group) (pinned, everybody bool) {
	r.about(idp, g, func(b bound) {
		if b.rule.Pin && b.rule.Backend == backend {
			pinned, everybody = true, everybody || b.rule.IdP == ""
		}
	})
	return pinned, everybody
}

// Gives lists, by target, the roles that rules with Pin would give the members of a group if its name were bound to it.
func (r *Rules) Gives(backend, idp string, g store.Group) map[string][]string {
	out := map[string][]string{}
	r.about(idp, g, func(b bound) {
		if !b.rule.Pin || b.rule.Paused || b.rule.Backend != backend {
			return
		}
		for _, role := range b.roles {
			if t := b.target.Target; !slices.Contains(out[t], role) {
				out[t] = append(out[t], role)
			}
		}
	})
	return out
}

// Targets lists where membership of a group counts, or would if its name were bound to it, without duplicates.
func (r *Rules) Targets(idp string, g store.Group) []Target {
	var out []Target
	r.about(idp, g, func(b bound) {
		if !slices.Contains(out, b.target) {
			out = append(out, b.target)
		}
	})
	return out
}

// Desired is what a user of an identity provider should have: the union over the groups, nothing for a user who is not active.
func (r *Rules) Desired(idp string, user store.User, groups []store.Group) []Grant {
	if !user.Active {
		return nil
	}
	type key struct {
		Target
		role string
	}
	at := map[key]int{}
	var out []Grant
	for _, g := range groups {
		r.apply(idp, g, func(b bound) {
			if b.rule.Paused || b.rule.Where != nil && !b.rule.Where(user) {
				return
			}
			for _, role := range b.roles {
				k := key{b.target, role}
				n, seen := at[k]
				if !seen {
					n = len(out)
					at[k] = n
					out = append(out, Grant{Target: b.target, Role: role})
				}
				out[n].Replace = out[n].Replace || b.rule.Replace
				out[n].From = append(out[n].From, Reason{Group: g, Rule: b.rule.Rule})
			}
		})
	}
	return out
}

// Frozen says whether a rule that is paused could have given the role, or permission set, on the target: it is not revoked then.
func (r *Rules) Frozen(t Target, role string) bool {
	for i := range r.rules {
		c := &r.rules[i]
		if c.Paused && c.Backend == t.Backend && could(c.Target, t.Target) &&
			slices.ContainsFunc(slices.Concat(c.Roles, c.PermissionSets), func(written string) bool { return could(written, role) }) {
			return true
		}
	}
	return false
}

// could says whether what a rule has written can become a value, once its captures are filled in.
func could(written, value string) bool {
	return written == value || strings.Contains(written, "${")
}

// Conditional says whether a rule depends on more of a user than the groups and whether they are active.
func (r *Rules) Conditional() bool {
	return slices.ContainsFunc(r.rules, func(c rule) bool { return c.Where != nil })
}

// Explanation answers "why": what the user would have if active, which is what they have if they are.
type Explanation struct {
	Active bool
	Grants []Grant
}

// Explain says what the groups give and why, also for a user who is not active and therefore gets nothing.
func (r *Rules) Explain(idp string, user store.User, groups []store.Group) Explanation {
	active := user
	active.Active = true
	return Explanation{Active: user.Active, Grants: r.Desired(idp, active, groups)}
}

// Givers lists the rules that give a role on a target, or could with the right group.
func (r *Rules) Givers(t Target, role string) []Rule {
	var out []Rule
	for i := range r.rules {
		c := &r.rules[i]
		if c.Backend == t.Backend && could(c.Target, t.Target) && slices.ContainsFunc(c.Roles, func(written string) bool { return could(written, role) }) {
			out = append(out, c.Rule)
		}
	}
	return out
}

// Naming lists the rules that name a target outright, without captures.
func (r *Rules) Naming(t Target) []Rule {
	var out []Rule
	for i := range r.rules {
		if c := r.rules[i].Rule; c.Backend == t.Backend && c.Target == t.Target {
			out = append(out, c)
		}
	}
	return out
}

// Named is a group with the identity provider whose it is.
type Named struct {
	IdP   string
	Group store.Group
}

// PermissionSets lists the permission sets that a target carries while these groups exist. A rule that names groups and a target
// outright counts whether its groups exist or not.
func (r *Rules) PermissionSets(target Target, groups []Named) []string {
	var out []string
	add := func(sets []string) {
		for _, s := range sets {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	for i := range r.rules {
		if c := &r.rules[i]; c.match == nil && !c.Paused && c.Backend == target.Backend && c.Target == target.Target {
			add(c.PermissionSets)
		}
	}
	if len(r.loose) > 0 {
		for _, g := range groups {
			r.apply(g.IdP, g.Group, func(b bound) {
				if b.target == target && !b.rule.Paused {
					add(b.permissionSets)
				}
			})
		}
	}
	slices.Sort(out)
	return out
}

// Roles maps the roles that rules may give on a target to whether one of those rules is authoritative. A rule whose target or
// roles hold a capture counts for targets that only its groups could tell: its roles as they are written.
func (r *Rules) Roles(t Target) map[string]bool {
	out := map[string]bool{}
	for i := range r.rules {
		c := &r.rules[i]
		if c.Backend != t.Backend || c.Target != t.Target && !strings.Contains(c.Target, "${") {
			continue
		}
		for _, role := range c.Roles {
			out[role] = out[role] || c.Authoritative
		}
	}
	return out
}

// FixedTargets lists the targets of a backend that the rules name outright, without captures.
func (r *Rules) FixedTargets(backend string) []string {
	var out []string
	for i := range r.rules {
		c := &r.rules[i]
		if c.Backend == backend && !strings.Contains(c.Target, "${") && !slices.Contains(out, c.Target) {
			out = append(out, c.Target)
		}
	}
	return out
}

// comparison is how names are compared: it is part of the fingerprint, so that everything is looked at again when that changes.
const comparison = "name"

// Fingerprint changes whenever the rules of a backend change in meaning or order.
func (r *Rules) Fingerprint(backend string) string {
	h := sha256.New()
	h.Write([]byte(comparison))
	enc := json.NewEncoder(h)
	for i := range r.rules {
		c := r.rules[i].Rule
		if c.Backend != backend {
			continue
		}
		c.Line, c.Index = 0, 0
		_ = enc.Encode(c) // a struct of strings and booleans, to a hash: cannot fail
	}
	return hex.EncodeToString(h.Sum(nil))
}
