package bridge

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/suppose"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
)

// plan returns what would be done under the policy in force, or under that of a proposed file, with
// the directory as it is or as it is supposed to be.
func (b *Bridge) plan(ctx context.Context, asked console.PlanRequest) ([]desk.Preview, error) {
	p := b.policy.Load()
	if len(asked.Proposed) > 0 || asked.File != "" {
		file := cmp.Or(asked.File, "the proposed file")
		rules, err := b.Config.Propose(file, asked.Proposed)
		if err != nil {
			return nil, err
		}
		if p, err = proposedPolicy(b, rules, file, asked.Proposed); err != nil {
			return nil, err
		}
	}
	if len(asked.If) == 0 {
		return b.previews(ctx, p, b.store)
	}
	supposed, err := suppose.If(ctx, b.store, asked.If, b.now())
	if err != nil {
		return nil, err
	}
	out, err := b.previews(ctx, p, supposed)
	for i := range out {
		out[i].Notes = append(out[i].Notes, "this is the plan if: "+strings.Join(asked.If, "; "))
	}
	return out, err
}

// proposedPolicy is the policy of a file other than the one in force.
func proposedPolicy(b *Bridge, rules *mapping.Rules, file string, data []byte) (*policy, error) {
	running := b.Config.Backends
	if p := b.policy.Load(); p != nil {
		running = p.backends
	}
	backends, err := b.Config.ProposedBackends(file, data, running)
	if err != nil {
		return nil, err
	}
	return newPolicy(rules, backends), nil
}

// previews plans every backend under a policy, over a store.
func (b *Bridge) previews(ctx context.Context, under *policy, over store.Store) ([]desk.Preview, error) {
	out := []desk.Preview{}
	for _, name := range slices.Sorted(maps.Keys(b.workers)) {
		d := *b.workers[name].Desk
		d.Store = over
		p, err := d.PreviewUnder(ctx, under.of(name))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Reload takes all mappings of the configuration file into force, or none, and returns what they change. A file with
// which the server could not start is refused whole. What only the changed mapping takes away is held, unless the
// operator lets it go. Other replicas over the same store reload theirs.
func (b *Bridge) Reload(ctx context.Context, asked console.ReloadRequest) (console.Reloaded, error) {
	b.reloading.Lock()
	defer b.reloading.Unlock()
	rules, data, err := b.readRules(asked.File)
	var out console.Reloaded
	if err == nil {
		out, err = b.takeRules(ctx, rules, data, asked)
	}
	if err != nil {
		return out, fmt.Errorf("the rules in force stay: %w", err)
	}
	return out, b.replicas.requestReload(ctx, b.store)
}

// readRules reads the configuration file as it is now, and checks its operators. meant is the file that the operator means; "" is the server's.
func (b *Bridge) readRules(meant string) (*mapping.Rules, []byte, error) {
	if b.Path == "" {
		return nil, nil, errors.New("there is no configuration file to read again")
	}
	if err := sameFile(meant, b.Path); err != nil {
		return nil, nil, err
	}
	data, err := config.ReadFile(b.Path)
	if err != nil {
		return nil, nil, err
	}
	if _, _, err := config.Parse(b.Path, data, b.Config.Kinds); err != nil {
		return nil, nil, err
	}
	rules, err := b.Config.Propose(b.Path, data)
	if err == nil { // a file is taken as a whole or refused
		_, _, err = b.Config.ProposedOperators(b.Path, data)
	}
	return rules, data, err
}

// sameFile refuses a file that is not the one with which the server runs.
func sameFile(meant, runs string) error {
	if meant == "" {
		return nil
	}
	path, err := filepath.Abs(runs)
	if err != nil {
		return fmt.Errorf("finding the configuration file: %w", err)
	}
	one, err := os.Stat(meant)
	other, err2 := os.Stat(path)
	if err == nil && err2 == nil && os.SameFile(one, other) {
		return nil
	}
	return fmt.Errorf("the server runs with %s and reads that file, not %s", path, meant)
}

// fits reports whether a saved plan is what would be done now.
func fits(saved, now []desk.Preview) bool {
	print := func(all []desk.Preview) string {
		type calls struct {
			Backend string
			Mode    view.Mode
			Calls   []desk.PreviewCall
			Held    []desk.PreviewHold
		}
		out := make([]calls, len(all))
		for i, p := range all {
			out[i] = calls{p.Backend, p.Mode, p.Calls, p.Held}
		}
		text, _ := json.Marshal(out) // of texts and numbers: cannot fail
		return string(text)
	}
	return print(saved) == print(now)
}

// takeRules takes rules and operators into force. An error is one of the store or of the operators, and leaves the
// previous ones.
func (b *Bridge) takeRules(ctx context.Context, rules *mapping.Rules, data []byte, asked console.ReloadRequest) (out console.Reloaded, err error) {
	operators, approvals, err := b.Config.ProposedOperators(b.Path, data)
	if err != nil {
		return out, err
	}
	if now := b.policy.Load(); now != nil && now.approvals > 1 && (asked.Plan != nil || asked.AllowRevocations > 0) {
		return out, errors.New("operators.approvals is 2, and a reload is of one operator: reload without --plan and --allow-revocations, and let two operators approve the hold")
	}
	policy, err := proposedPolicy(b, rules, b.Path, data)
	if err != nil {
		return out, err
	}
	policy.approvals = approvals
	plan, err := b.previews(ctx, policy, b.store)
	if err != nil {
		return out, err
	}
	if asked.Plan != nil && !fits(asked.Plan, plan) {
		return out, errors.New("the saved plan no longer fits what would be done now; make it again with `scimbridge plan --proposed`")
	}
	sum := sha256.Sum256(data)
	out = console.Reloaded{File: b.Path, SHA256: hex.EncodeToString(sum[:]), Revocations: console.OnlyByRules(plan), Approvals: approvals, Plan: plan}
	out.Allowed = asked.Plan != nil || asked.AllowRevocations > 0 && out.Revocations <= asked.AllowRevocations
	if err := b.bindNames(ctx, rules); err != nil {
		return out, err
	}
	if err := sign(ctx, b, rules, asked.By, out.Allowed); err != nil {
		return out, err
	}
	if err := b.loaded(ctx, asked.By.Sign(store.Event{Detail: "reload"}), data, b.Config.Reloadable()...); err != nil {
		return out, err
	}
	b.policy.Store(policy)
	b.operators.Store(&operators)
	b.file.took(data)
	b.noteRestart(plan)
	for _, p := range plan {
		people := 0
		for _, c := range p.Calls {
			people += len(c.Changes)
		}
		b.Log.Info("new rules are in force", "backend", p.Backend, "calls", len(p.Calls), "people", people, "held", len(p.Held), "unknown", len(p.Unknown))
		b.workers[p.Backend].RulesChanged()
	}
	return out, nil
}

// sign notes whose rules are about to be in force, if an operator asked for them. allowed: what they alone take away is let
// go.
func sign(ctx context.Context, b *Bridge, rules *mapping.Rules, by console.Decision, allowed bool) error {
	if by.Operator.Name == "" && by.Request == "" { // another replica has noted it
		return nil
	}
	err := b.store.Update(ctx, func(tx store.Tx) error {
		for _, name := range slices.Sorted(maps.Keys(b.workers)) {
			if err := memory.RulesAreOf(tx, name, by.Operator.Credential()); err != nil {
				return err
			}
			if allowed {
				if err := memory.AllowRevocations(tx, name, rules.Fingerprint(name)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("noting whose rules they are: %w", err)
	}
	return nil
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
		if err := pin.Named(tx, b.policy.Load().rules, name, idp, old, g, by); err != nil {
			return err
		}
	}
	return nil
}

// rulesInForce are the rules of this replica, as package scim needs them.
type rulesInForce struct{ *Bridge }

// Targets lists where membership of a group counts.
func (r rulesInForce) Targets(idp string, g store.Group) []mapping.Target {
	return r.policy.Load().rules.Targets(idp, g)
}

// Conditional reports whether a rule has a condition on attributes of a user.
func (r rulesInForce) Conditional() bool { return r.policy.Load().rules.Conditional() }

// GroupNamed binds the names that the rules use to a new or renamed group.
func (r rulesInForce) GroupNamed(tx store.Tx, idp string, old, g store.Group, by store.Origin) error {
	return r.named(tx, idp, old, g, by)
}

// OtherRules lists the backends for which another replica delivers with other rules.
func (r rulesInForce) OtherRules(tx store.Tx) []string {
	return r.printed.elsewhere(tx, r.policy.Load().rules, r.Config.Backends)
}

// noteRestart notes in a plan what else the file changes: what a reload does not take needs a restart.
func (b *Bridge) noteRestart(plan []desk.Preview) {
	now, _, err := config.Load(b.Path, b.Config.Kinds)
	if err != nil {
		b.Log.Warn("the rest of the file has mistakes; fix them before the next start", "error", err)
		return
	}
	note := func(p *desk.Preview, what string) {
		p.Notes = append(p.Notes, what+" is changed in the file, too, and needs a restart: it is as it was")
		b.Log.Warn("the file changes more than a reload applies; restart to apply that", "section", what)
	}
	for i := range plan {
		name := plan[i].Backend
		if is := now.Backends[name]; is == nil || !reflect.DeepEqual(*is, b.Config.Backends[name].Reloaded(is)) {
			note(&plan[i], "backends."+name)
		}
	}
	kept := map[string]bool{
		"server": reflect.DeepEqual(now.Server, b.Config.Server), "console": reflect.DeepEqual(now.Console, b.Config.Console), "store": reflect.DeepEqual(now.Store, b.Config.Store), "audit": now.Audit == b.Config.Audit, "notify": reflect.DeepEqual(now.Notify, b.Config.Notify),
		"identity_providers": reflect.DeepEqual(now.IdentityProviders, b.Config.IdentityProviders), "the list of backends": len(now.Backends) == len(b.Config.Backends),
	}
	for _, what := range slices.Sorted(maps.Keys(kept)) {
		if !kept[what] && len(plan) > 0 {
			note(&plan[0], what)
		}
	}
}
