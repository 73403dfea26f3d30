package view

import (
	"encoding/json"
	"fmt"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// Former are the rules before a change of which not everything is decided: what they would still give is not taken away
// by the change alone.
type Former struct {
	Rules []*mapping.Rules
	plan.RulesChange
}

// FormerRules reads the rules before a change from the store. Where compiles the condition of a rule.
func (w *View) FormerRules(tx store.Tx) (Former, error) {
	kept, err := memory.RulesOf(tx, w.Name)
	if err != nil {
		return Former{}, err
	}
	return FormerOf(kept, w.Where)
}

// FormerOf is FormerRules of what was read. The condition compiles that of a rule.
func FormerOf(kept memory.Rules, condition func(text string) (func(store.User) bool, error)) (out Former, err error) {
	if len(kept.Former) == 0 {
		return out, nil
	}
	out.RulesChange = plan.RulesChange{Fresh: kept.Fresh, Allowed: kept.Allowed == kept.Print, Cut: kept.Cut}
	for _, raw := range kept.Former {
		rules, err := restore(raw, condition)
		if err != nil {
			return Former{}, fmt.Errorf("reading the rules of before: %w", err)
		}
		out.Rules = append(out.Rules, rules)
	}
	return out, nil
}

// restore compiles rules that the store has, with their conditions.
func restore(raw json.RawMessage, condition func(text string) (func(store.User) bool, error)) (*mapping.Rules, error) {
	var rules []mapping.Rule
	if err := json.Unmarshal(raw, &rules); err != nil {
		return nil, err
	}
	for i := range rules {
		if rules[i].WhereText == "" {
			continue
		}
		where, err := condition(rules[i].WhereText)
		if err != nil {
			return nil, err
		}
		rules[i].Where = where
	}
	return mapping.Compile(rules)
}

// former returns the rules before a change; without View.Former there are none.
func (w *View) former(tx store.Tx) (Former, error) {
	if w.Former == nil {
		return Former{}, nil
	}
	return w.Former(tx)
}

// loadFormer notes which roles the rules before a change would give to a user.
func (w *View) loadFormer(tx store.Tx, target string, a *Account, idp string, user store.User, groups []store.Group) error {
	f, err := w.former(tx)
	if err != nil {
		return err
	}
	for _, rules := range f.Rules {
		for _, g := range pin.Bound(tx, rules).Desired(idp, user, groups) {
			if g.Target == (mapping.Target{Backend: w.Name, Target: target}) {
				a.wasGiven(g.Role)
			}
		}
	}
	return nil
}

// wasGiven notes a role that the rules before a change would give.
func (a *Account) wasGiven(role string) {
	if a.Former == nil {
		a.Former = map[string]bool{}
	}
	a.Former[role] = true
}
