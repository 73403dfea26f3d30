package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/store"
)

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
