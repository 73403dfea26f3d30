package mapping

import (
	"regexp/syntax"
	"slices"
	"strings"
)

// DefaultMaxTargets is how many targets the names of groups create by one rule if Rule.MaxTargets
// is 0.
const DefaultMaxTargets = 200

// Excess is a rule whose groups name more targets than its MaxTargets allows.
type Excess struct {
	Rule    Rule
	Named   int      // targets that its groups name
	Allowed int      // MaxTargets
	Targets []string // beyond that, and named by no other rule
}

// Excesses returns the rules of a backend whose groups name too many targets. Targets that are in
// use count first, then the others in the order of the groups. It calls groups once.
func (r *Rules) Excesses(backend string, groups func(yield func(Named) error) error, inUse func(target string) (bool, error)) ([]Excess, error) {
	if !r.creates(backend) {
		return nil, nil
	}
	created, allowed := map[*rule][]string{}, map[string]bool{}
	for _, t := range r.FixedTargets(backend) {
		allowed[t] = true
	}
	named := map[*rule]map[string]bool{}
	err := groups(func(g Named) error {
		r.about(g.IdP, g.Group, func(b bound) {
			t := b.target.Target
			if b.rule.Backend != backend || !b.rule.creates() || named[b.rule][t] {
				return
			}
			if named[b.rule] == nil {
				named[b.rule] = map[string]bool{}
			}
			named[b.rule][t] = true
			created[b.rule] = append(created[b.rule], t)
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Excess
	for i := range r.rules {
		c := &r.rules[i]
		e := Excess{Rule: c.Rule, Named: len(created[c]), Allowed: c.maxTargets()}
		if e.Named <= e.Allowed {
			for _, t := range created[c] {
				allowed[t] = true
			}
			continue
		}
		left, rest := e.Allowed, []string{}
		for _, t := range created[c] {
			used, err := inUse(t)
			if err != nil {
				return nil, err
			}
			if used {
				allowed[t], left = true, left-1
			} else {
				rest = append(rest, t)
			}
		}
		for n, t := range rest {
			if n < left {
				allowed[t] = true
			} else {
				e.Targets = append(e.Targets, t)
			}
		}
		out = append(out, e)
	}
	for i := range out {
		out[i].Targets = slices.DeleteFunc(out[i].Targets, func(t string) bool { return allowed[t] })
	}
	return slices.DeleteFunc(out, func(e Excess) bool { return len(e.Targets) == 0 }), nil
}

// creates reports whether the names of groups can create targets of a backend.
func (r *Rules) creates(backend string) bool {
	return slices.ContainsFunc(r.rules, func(c rule) bool { return c.Backend == backend && c.creates() })
}

func (c *rule) creates() bool { return strings.Contains(c.Target, "${") }

func (c *rule) maxTargets() int {
	if c.MaxTargets == 0 {
		return DefaultMaxTargets
	}
	return c.MaxTargets
}

// NamedByCapture reports whether a capture alone is the target of a rule, and can be more values
// than max. It is false for an expression that is not valid.
func NamedByCapture(match, target string, max int) bool {
	m := capture.FindStringSubmatch(target)
	re, err := syntax.Parse(match, syntax.Perl)
	if m == nil || m[0] != target || err != nil {
		return false
	}
	sub := captured(re, m[1])
	return sub != nil && values(sub, max+1) > max
}

// captured returns the named capture of an expression; nil if there is none.
func captured(re *syntax.Regexp, name string) *syntax.Regexp {
	if re.Op == syntax.OpCapture && re.Name == name {
		return re
	}
	for _, s := range re.Sub {
		if found := captured(s, name); found != nil {
			return found
		}
	}
	return nil
}

// values counts the texts that an expression matches, up to a limit.
func values(re *syntax.Regexp, limit int) int {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpStar, syntax.OpPlus:
		return limit
	case syntax.OpCharClass:
		n := 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			n += int(re.Rune[i+1]-re.Rune[i]) + 1
		}
		return min(n, limit)
	case syntax.OpQuest:
		return min(values(re.Sub[0], limit)+1, limit)
	case syntax.OpRepeat:
		if re.Max < 0 {
			return limit
		}
		n, one := 1, values(re.Sub[0], limit)
		for range re.Max {
			if n = min(n*one, limit); n == limit {
				break
			}
		}
		return n
	case syntax.OpAlternate:
		n := 0
		for _, s := range re.Sub {
			n = min(n+values(s, limit), limit)
		}
		return n
	}
	n := 1
	for _, s := range re.Sub { // a concatenation, or a capture
		n = min(n*values(s, limit), limit)
	}
	return n
}
