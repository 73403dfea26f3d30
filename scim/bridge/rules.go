package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
)

// plan returns what would be done under the rules in force, or under the rules and modes of a proposed
// file.
func (b *Bridge) plan(ctx context.Context, file string, proposed []byte) ([]desk.Preview, error) {
	var rules *mapping.Rules
	var modes map[string]string
	if len(proposed) > 0 || file != "" {
		file = cmp.Or(file, "the proposed file")
		var err error
		if rules, err = b.Config.Propose(file, proposed); err != nil {
			return nil, err
		}
		if modes, err = b.Config.ProposedModes(file, proposed); err != nil {
			return nil, err
		}
	}
	return b.previews(ctx, rules, modes)
}

// previews plans every backend under rules and modes. Without rules they are those in force; without a
// mode it is that of the backend.
func (b *Bridge) previews(ctx context.Context, rules *mapping.Rules, modes map[string]string) ([]desk.Preview, error) {
	out := []desk.Preview{}
	for _, name := range slices.Sorted(maps.Keys(b.workers)) {
		p, err := b.workers[name].PreviewMode(ctx, rules, view.Mode(cmp.Or(modes[name], b.Config.Backends[name].Mode)))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Reload takes all mappings of the configuration file into force, or none, and returns what they
// change. Other replicas over the same store reload theirs.
func (b *Bridge) Reload(ctx context.Context, by console.Decision) ([]desk.Preview, error) {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	rules, data, err := b.readRules()
	var plan []desk.Preview
	if err == nil {
		plan, err = b.takeRules(ctx, rules, data, by)
	}
	if err != nil {
		return nil, fmt.Errorf("the rules in force stay: %w", err)
	}
	return plan, b.replicas.requestReload(ctx, b.store)
}

// readRules reads the mappings of the configuration file as it is now, and checks its operators.
func (b *Bridge) readRules() (*mapping.Rules, []byte, error) {
	if b.Path == "" {
		return nil, nil, errors.New("there is no configuration file to read again")
	}
	data, err := config.ReadFile(b.Path)
	if err != nil {
		return nil, nil, err
	}
	rules, err := b.Config.Propose(b.Path, data)
	if err == nil { // a file is taken as a whole or refused
		_, err = b.Config.ProposedOperators(b.Path, data)
	}
	return rules, data, err
}

// takeRules takes rules and operators into force. An error is one of the store or of the operators, and
// leaves the previous ones.
func (b *Bridge) takeRules(ctx context.Context, rules *mapping.Rules, data []byte, by console.Decision) ([]desk.Preview, error) {
	operators, err := b.Config.ProposedOperators(b.Path, data)
	if err != nil {
		return nil, err
	}
	plan, err := b.previews(ctx, rules, nil)
	if err != nil {
		return nil, err
	}
	if err := b.bindNames(ctx, rules); err != nil {
		return nil, err
	}
	if err := b.loaded(ctx, by.Sign(store.Event{Detail: "reload"}), data, "mappings", "operators"); err != nil {
		return nil, err
	}
	b.rules.Store(rules)
	b.operators.Store(&operators)
	b.noteRestart(plan)
	for _, p := range plan {
		people := 0
		for _, c := range p.Calls {
			people += len(c.Changes)
		}
		b.Log.Info("new rules are in force", "backend", p.Backend, "calls", len(p.Calls), "people", people, "held", len(p.Held), "unknown", len(p.Unknown))
		b.workers[p.Backend].RulesChanged()
	}
	return plan, nil
}

// bindNames binds the names that rules pin before the rules are in force, so that no group can come
// between.
func (b *Bridge) bindNames(ctx context.Context, rules *mapping.Rules) error {
	for _, name := range slices.Sorted(maps.Keys(b.Config.Backends)) {
		if err := pin.Bind(ctx, b.store, rules, name, b.now().UTC()); err != nil {
			return err
		}
	}
	return nil
}

// named notifies every backend which name a group has now.
func (b *Bridge) named(tx store.Tx, idp string, old, g store.Group, by store.Origin) error {
	for _, name := range slices.Sorted(maps.Keys(b.Config.Backends)) {
		if err := pin.Named(tx, b.rules.Load(), name, idp, old, g, by); err != nil {
			return err
		}
	}
	return nil
}

// rulesInForce are the rules of this replica, as package scim needs them.
type rulesInForce struct{ *Bridge }

// Targets lists where membership of a group counts.
func (r rulesInForce) Targets(idp string, g store.Group) []mapping.Target {
	return r.rules.Load().Targets(idp, g)
}

// Conditional reports whether a rule has a condition on attributes of a user.
func (r rulesInForce) Conditional() bool { return r.rules.Load().Conditional() }

// GroupNamed binds the names that the rules use to a new or renamed group.
func (r rulesInForce) GroupNamed(tx store.Tx, idp string, old, g store.Group, by store.Origin) error {
	return r.named(tx, idp, old, g, by)
}

// OtherRules lists the backends for which another replica delivers with other rules.
func (r rulesInForce) OtherRules(tx store.Tx) []string {
	return r.printed.elsewhere(tx, r.rules.Load(), r.Config.Backends)
}

// noteRestart notes in a plan what else the file changes: everything but mappings needs a restart.
func (b *Bridge) noteRestart(plan []desk.Preview) {
	now, _, err := config.Load(b.Path, b.Config.Kinds)
	if err != nil {
		b.Log.Warn("the rest of the file has mistakes; fix them before the next start", "error", err)
		return
	}
	note := func(p *desk.Preview, what string) {
		p.Notes = append(p.Notes, what+" is changed in the file, too, and needs a restart: it is as it was")
		b.Log.Warn("the file changes more than the mappings; restart to apply that", "section", what)
	}
	for i := range plan {
		name := plan[i].Backend
		if !reflect.DeepEqual(now.Backends[name], b.Config.Backends[name]) {
			note(&plan[i], "backends."+name)
		}
	}
	kept := map[string]bool{
		"server": reflect.DeepEqual(now.Server, b.Config.Server), "console": reflect.DeepEqual(now.Console, b.Config.Console), "store": reflect.DeepEqual(now.Store, b.Config.Store), "audit": now.Audit == b.Config.Audit,
		"identity_providers": reflect.DeepEqual(now.IdentityProviders, b.Config.IdentityProviders), "the list of backends": len(now.Backends) == len(b.Config.Backends),
	}
	for _, what := range slices.Sorted(maps.Keys(kept)) {
		if !kept[what] && len(plan) > 0 {
			note(&plan[0], what)
		}
	}
}
