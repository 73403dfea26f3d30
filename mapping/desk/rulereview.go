package desk

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// review is what the directory makes of the rules of a backend.
type review struct {
	desk   *Desk
	tx     store.Tx
	groups map[string]bool         // by mapping.Name
	about  map[int][]string        // by the rule's index: the names of groups that it is about
	active map[int]map[string]bool // also, for rules with `where`: their active members, and whether it is true of them
	places map[string][]string     // by target: the rules that make it
}

// review says in words which rules give nothing as the directory is now, and which are about a target that the vendor does not have or
// lets no client touch: what `check`, which sees a file alone, cannot know.
func (w *Desk) review(tx store.Tx) ([]string, error) {
	r := &review{w, tx, map[string]bool{}, map[int][]string{}, map[int]map[string]bool{}, map[string][]string{}}
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err == nil {
				r.groups[mapping.Name(g.DisplayName)] = true
				err = r.use(idp, g)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	var out []string
	last := -1
	for _, rule := range w.InForce().Of(w.Name) {
		if rule.Index != last { // the grants of a rule have one index
			out = append(out, r.idle(rule)...)
			last = rule.Index
		}
		if !strings.Contains(rule.Target, "${") {
			r.place(rule, rule.Target)
		}
	}
	blocked, err := r.blocked()
	return append(out, blocked...), err
}

func (r *review) place(rule mapping.Rule, target string) {
	if at := line(rule); !slices.Contains(r.places[target], at) {
		r.places[target] = append(r.places[target], at)
	}
}

func line(r mapping.Rule) string { return fmt.Sprintf("line %d: mappings.%d", r.Line, r.Index) }

// use notes which rules a group is of use to.
func (r *review) use(idp string, g store.Group) error {
	var conditional []mapping.Rule
	r.desk.InForce().About(idp, g, func(rule mapping.Rule, t mapping.Target) {
		if t.Backend != r.desk.Name {
			return
		}
		r.place(rule, t.Target)
		if slices.Contains(r.about[rule.Index], g.DisplayName) {
			return
		}
		r.about[rule.Index] = append(r.about[rule.Index], g.DisplayName)
		if rule.Where != nil {
			conditional = append(conditional, rule)
		}
	})
	if len(conditional) == 0 {
		return nil
	}
	for m, err := range r.tx.Directory(idp).Members(g.ID) {
		if err != nil {
			return err
		}
		if err := r.member(idp, m.Value, conditional); err != nil {
			return err
		}
	}
	return nil
}

func (r *review) member(idp, id string, conditional []mapping.Rule) error {
	u, err := r.tx.Directory(idp).User(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !u.Active {
		return err
	}
	for _, rule := range conditional {
		if r.active[rule.Index] == nil {
			r.active[rule.Index] = map[string]bool{}
		}
		r.active[rule.Index][idp+"/"+id] = rule.Where(u)
	}
	return nil
}

// idle says what a rule has no group for, or no user in its groups.
func (r *review) idle(rule mapping.Rule) (out []string) {
	say := func(format string, args ...any) { out = append(out, line(rule)+": "+fmt.Sprintf(format, args...)) }
	groups, of := r.about[rule.Index], ""
	if rule.IdP != "" {
		of = " of " + rule.IdP
	}
	for _, name := range rule.Groups {
		if !r.groups[mapping.Name(name)] {
			say("no group%s is called %s: it was not pushed, or has another name", of, name)
		}
	}
	people, fits := r.active[rule.Index], 0
	for _, is := range people {
		if is {
			fits++
		}
	}
	switch {
	case len(groups) == 0 && len(out) == 0:
		say("no group%s that was pushed meets it (%s)", of, selects(rule))
	case rule.Where != nil && fits == 0 && len(people) > 0:
		say("it is about %s, but its where (%s) is true of none of the %d active member(s)", strings.Join(groups, ", "), rule.WhereText, len(people))
	}
	return out
}

// blocked lists the targets at which nothing can be given, with the rules that make them.
func (r *review) blocked() (out []string, err error) {
	why := map[string]string{}
	for m, err := range r.tx.Work(r.desk.Name).Marks("") {
		if err != nil {
			return nil, err
		}
		if m.State == store.Blocked && reason.Block(m.Reason).Target {
			why[m.Target] = m.Reason
		}
	}
	for _, t := range slices.Sorted(maps.Keys(why)) {
		at := strings.Join(r.places[t], "; ")
		if at != "" {
			at += ": "
		}
		out = append(out, fmt.Sprintf("%starget %s: %s (%s)", at, t, reason.Block(why[t]).Words, why[t]))
	}
	return out, nil
}
