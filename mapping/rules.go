package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

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

// Error is a mistake in one rule.
type Error struct {
	Line   int
	Index  int    // of the rule, from 0
	Key    string // the key of the rule that is wrong
	Detail string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("mappings.%d.%s: %s", e.Index, e.Key, e.Detail)
	}
	return fmt.Sprintf("line %d: mappings.%d.%s: %s", e.Line, e.Index, e.Key, e.Detail)
}

// Compile checks all rules and reports every mistake, each an *Error, joined.
func Compile(rules []Rule) (*Rules, error) {
	c := &Rules{byName: map[string][]int{}}
	var errs []error
	for _, r := range rules {
		compiled, err := compile(r)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n := len(c.rules)
		c.rules = append(c.rules, compiled)
		if compiled.match != nil {
			c.loose = append(c.loose, n)
		} else if len(compiled.Groups) == 0 {
			c.loose = append(c.loose, n)
		}
		for _, g := range compiled.Groups {
			if name := Name(g); !slices.Contains(c.byName[name], n) {
				c.byName[name] = append(c.byName[name], n)
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

func compile(r Rule) (rule, error) {
	bad := func(key, format string, args ...any) (rule, error) {
		return rule{}, &Error{Line: r.Line, Index: r.Index, Key: key, Detail: fmt.Sprintf(format, args...)}
	}
	c := rule{Rule: r, excluded: map[string]bool{}}
	for _, e := range r.Exclude {
		c.excluded[store.Fold(e)] = true
	}
	selectors := 0
	for _, given := range []bool{len(r.Groups) > 0, r.Match != "", r.ExternalID != "", r.ID != ""} {
		if given {
			selectors++
		}
	}
	switch {
	case selectors == 0:
		return bad("group", "a rule needs group, match, external_id or id")
	case selectors > 1:
		return bad("match", "a rule has one of group, match, external_id and id, not several")
	case slices.ContainsFunc(r.Groups, func(g string) bool { return strings.TrimSpace(g) == "" }):
		return bad("group", "an empty name is no group's")
	case len(r.Groups) > 0 && !slices.ContainsFunc(r.Groups, func(g string) bool { return !c.excluded[store.Fold(g)] }):
		return bad("exclude", "the rule can never match: every group is excluded")
	case r.Pin && len(r.Groups) == 0 && r.Match == "":
		return bad("pin", "is for group and match: external_id and id name one group already")
	case r.Target == "":
		return bad("target", "is missing")
	case !usable(r.Target):
		return bad("target", "cannot be the id of a group or role at a vendor")
	case len(r.Roles) == 0:
		return bad("roles", "is missing")
	case r.MaxTargets < 0:
		return bad("max_targets", "must be at least 1")
	case r.MaxTargets > 0 && !c.creates():
		return bad("max_targets", "bounds the targets that a capture names; this target has none")
	}
	if r.Match != "" {
		_, err := regexp.Compile(r.Match) // by itself first: its errors speak of what was written
		var re *regexp.Regexp
		if err == nil {
			re, err = regexp.Compile(`\A(?:` + r.Match + `)\z`)
		}
		if err != nil {
			return bad("match", "is not a valid RE2 expression: %v", err)
		}
		c.match = re
	}
	for _, v := range slices.Concat([]string{r.Target}, r.Roles, r.PermissionSets) {
		if name, ok := unknownCapture(v, c.match); !ok {
			return bad("target", "${%s} is not a named capture of match%s", name, captures(c.match))
		}
		if half := almostCapture.FindString(v); half != "" {
			return bad("target", "%s stands for nothing: what match captures is written ${name}", half)
		}
	}
	return c, nil
}

var capture = regexp.MustCompile(`\$\{([^}]*)\}`)

// almostCapture is how one writes a capture elsewhere, or without its end.
var almostCapture = regexp.MustCompile(`\$(\w+|\{[^}]*$)`)

// captures says which named captures there are: "; there is ${role}".
func captures(re *regexp.Regexp) string {
	var names []string
	if re != nil {
		for _, name := range re.SubexpNames() {
			if name != "" {
				names = append(names, "${"+name+"}")
			}
		}
	}
	if len(names) == 0 {
		return ": it has none, which is written (?P<name>…)"
	}
	return "; there is " + strings.Join(names, ", ")
}

// unknownCapture returns the first ${name} of s that the expression does not capture.
func unknownCapture(s string, re *regexp.Regexp) (string, bool) {
	for _, m := range capture.FindAllStringSubmatch(s, -1) {
		if re == nil || re.SubexpIndex(m[1]) < 0 {
			return m[1], false
		}
	}
	return "", true
}

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
