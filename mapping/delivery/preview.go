package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// Preview is what a worker would do: the calls in their order, what would be held, and who would have to be looked up first.
type Preview struct {
	Backend string        `json:"backend"`
	Calls   []PreviewCall `json:"calls"`
	Held    []PreviewHold `json:"held"`
	// Unknown lists those who should have something and of whom nobody knows yet who they are at the backend.
	Unknown []string `json:"unknown"`
	// LookUps says what they would get if they are found.
	LookUps []PreviewLookUp `json:"look_ups"`
	// Oldest is when the backend last said who the least recently seen of these people is; zero if nothing rests on that.
	Oldest time.Time `json:"oldest_lookup,omitzero"`
	Notes  []string  `json:"notes,omitempty"` // what the plan does not say
	Rules  []string  `json:"rules,omitempty"` // what is wrong with rules, as the directory and the vendor are now
}

// PreviewCall is one call.
type PreviewCall struct {
	Target                 string          `json:"target"`
	Changes                []PreviewChange `json:"changes"`
	PermissionSetsToAdd    []string        `json:"permission_sets_to_add,omitempty"`
	PermissionSetsToRemove []string        `json:"permission_sets_to_remove,omitempty"`
}

// PreviewChange is what happens to one person.
type PreviewChange struct {
	Person  string   `json:"person"`
	Account string   `json:"account"`
	Op      string   `json:"op"` // add, remove or replace
	Roles   []string `json:"roles"`
}

// PreviewLookUp is what somebody would get of whom nobody knows yet who they are. Waits: they were looked for, for that, and not found.
type PreviewLookUp struct {
	Target string   `json:"target"`
	Person string   `json:"person"`
	Roles  []string `json:"roles"`
	Waits  bool     `json:"waits,omitempty"`
}

// Something says whether anything would be done, held, or begun with a look-up.
func (p Preview) Something() bool {
	return len(p.Calls)+len(p.Held) > 0 || slices.ContainsFunc(p.LookUps, func(l PreviewLookUp) bool { return !l.Waits })
}

// PreviewHold is a removal that a brake would hold, or a role that the members of a group would get if its name were not bound to
// another one.
type PreviewHold struct {
	Target  string `json:"target"`
	Why     string `json:"why"`
	Person  string `json:"person,omitempty"`
	Role    string `json:"role"` // or the permission set
	Group   string `json:"group,omitempty"`
	Members int    `json:"members,omitempty"`

	PermissionSet bool `json:"permission_set,omitempty"` // every user of the target would lose it
}

// Preview computes what would be done under some rules, nil for those in force. It makes no call and changes nothing; whether
// a removal is that of the last admin only the vendor can tell. It may be called from any goroutine.
func (w *Worker) Preview(ctx context.Context, rules *mapping.Rules) (Preview, error) {
	if rules == nil {
		rules = w.Rules()
	}
	out, err := w.preview(ctx, rules, w.Mode)
	if err != nil || w.Mode == Sync {
		return out, err
	}
	under, err := w.preview(ctx, rules, Sync)
	out.Notes = append(out.Notes, fmt.Sprintf("the mode of the backend is %s: %s. Under sync there would be %s", w.Mode,
		map[Mode]string{Observe: "nothing is changed there", AddOnly: "nothing is taken away there"}[w.Mode], under.Summary()))
	return out, err
}

// Summary is a plan in a line: how many calls, and what becomes of how many people.
func (p Preview) Summary() string {
	ops := map[string]int{}
	for _, c := range p.Calls {
		for _, ch := range c.Changes {
			ops[ch.Op]++
		}
	}
	return fmt.Sprintf("%d call(s): %d removed, %d added, %d replaced, %d held, %d to be looked up", len(p.Calls), ops["remove"], ops["add"], ops["replace"], len(p.Held), len(p.Unknown))
}

// preview is Preview under a mode.
func (w *Worker) preview(ctx context.Context, rules *mapping.Rules, mode Mode) (Preview, error) {
	s := w.under(rules)
	s.Mode, s.before = mode, w.Rules()
	out := Preview{Backend: w.Name, Calls: []PreviewCall{}, Held: []PreviewHold{}, Unknown: []string{}, LookUps: []PreviewLookUp{}}
	if w.standby.Load() {
		out.Notes = append(out.Notes, "the store was put back from a copy: what the vendor took or was given since is not in this plan, and a resync after `scimbridge resume` repairs it")
	}
	err := w.Store.View(ctx, func(tx store.Tx) error {
		out.Calls, out.Held, out.Unknown, out.LookUps, out.Oldest = out.Calls[:0], out.Held[:0], out.Unknown[:0], out.LookUps[:0], time.Time{}
		targets, err := s.targets(tx)
		if err != nil {
			return err
		}
		for _, t := range targets {
			if err := s.previewTarget(tx, t, &out); err != nil {
				return err
			}
		}
		if out.Rules, err = s.review(tx); err != nil {
			return err
		}
		return s.previewPins(tx, &out)
	})
	if err != nil {
		return out, fmt.Errorf("computing a plan: %w", err)
	}
	out.sort()
	return out, nil
}

// sort puts people in the order of their names; the calls stay in theirs.
func (p *Preview) sort() {
	slices.Sort(p.Unknown)
	p.Unknown = slices.Compact(p.Unknown)
	slices.SortStableFunc(p.LookUps, func(a, b PreviewLookUp) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Target, b.Target))
	})
	slices.SortStableFunc(p.Held, func(a, b PreviewHold) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Person, b.Person), cmp.Compare(a.Role, b.Role))
	})
	for _, c := range p.Calls {
		slices.SortFunc(c.Changes, func(a, b PreviewChange) int {
			return cmp.Or(-cmp.Compare(a.Op, b.Op), cmp.Compare(a.Person, b.Person), cmp.Compare(a.Account, b.Account)) // a call removes before it adds
		})
	}
}

// under is a worker that computes under some rules and delivers nothing.
func (w *Worker) under(rules *mapping.Rules) *Worker {
	return (&Worker{Name: w.Name, Store: w.Store, Backend: w.Backend, Rules: func() *mapping.Rules { return rules }, Match: w.Match, Mode: w.Mode,
		BatchSize: w.BatchSize, Straggler: w.Straggler, Protect: w.Protect, OwnAccount: w.OwnAccount, MaxRemovals: w.MaxRemovals,
		MaxOffboardings: w.MaxOffboardings, Now: w.Now}).Init()
}

// previewTarget plans for a target as the worker does, but for everybody who has or should have
// something there, and without a read of the vendor.
func (w *Worker) previewTarget(tx store.Tx, target string, out *Preview) error {
	v := &visitWork{accounts: map[string]*account{}}
	v.account(store.TargetItself)
	for e, err := range tx.Ledger(w.Name).Entries(target, "") {
		if err != nil {
			return err
		}
		v.account(e.Account)
	}
	hopes, err := w.previewPeople(tx, target, v, out)
	if err != nil {
		return err
	}
	s, err := w.snapshot(tx, target, v)
	if err != nil {
		return err
	}
	s.Blind = true
	for id, roles := range hopes { // wanted by users whom only the cache knows
		for role, wish := range roles {
			if _, known := s.Accounts[id].Want[role]; !known {
				s.Accounts[id].Want[role] = wish
			}
		}
	}
	if s.Ledger, _, err = w.summary(tx, s); err != nil {
		return err
	}
	out.take(target, w.planner().Plan(s, w.now()), v)
	return nil
}

// take adds what is planned for a target.
func (p *Preview) take(target string, planned plan.Plan, v *visitWork) {
	for _, id := range slices.Sorted(maps.Keys(planned.Decisions)) {
		held := planned.Decisions[id].Held
		for _, role := range slices.Sorted(maps.Keys(held)) {
			p.Held = append(p.Held, PreviewHold{Target: target, Why: held[role], Person: v.accounts[id].Key, Role: role, PermissionSet: id == store.TargetItself})
		}
	}
	for _, c := range planned.Calls {
		call := PreviewCall{Target: target, Changes: []PreviewChange{}, PermissionSetsToAdd: c.Delta.PermissionSetsToAdd, PermissionSetsToRemove: c.Delta.PermissionSetsToRemove}
		for _, change := range c.Delta.Changes {
			call.Changes = append(call.Changes, PreviewChange{change.Account.Key, change.Account.ID, change.Op.String(), change.Roles})
		}
		p.Calls = append(p.Calls, call)
	}
}

// previewLookUp notes what somebody would get who is to be looked up. What the rules in force give already and what waits for an account is
// nothing new.
func (w *Worker) previewLookUp(tx store.Tx, target string, s store.Subject, key string, hopes []mapping.Grant, out *Preview) error {
	user, groups, err := userAndGroups(tx, s)
	if err != nil {
		return err
	}
	m, err := tx.Work(w.Name).Mark(target, s)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	l := PreviewLookUp{Target: target, Person: key, Waits: err == nil && m.State == store.Blocked}
	now := bind(tx, w.before).Desired(s.IdP, user, groups)
	for _, g := range hopes {
		l.Roles = append(l.Roles, g.Role)
		l.Waits = l.Waits && slices.ContainsFunc(now, func(n mapping.Grant) bool { return n.Target == g.Target && n.Role == g.Role })
	}
	slices.Sort(l.Roles)
	out.LookUps = append(out.LookUps, l)
	return nil
}

// previewPeople finds the accounts of all users who should have something on the target, by what is
// known of them, and returns what they want, by account and role.
func (w *Worker) previewPeople(tx store.Tx, target string, v *visitWork, out *Preview) (map[string]map[string]plan.Wish, error) {
	hopes := map[string]map[string]plan.Wish{}
	t := mapping.Target{Backend: w.Name, Target: target}
	err := w.eachMember(tx, func(idp string, g store.Group) bool { return slices.Contains(w.inForce().Targets(idp, g), t) }, func(s store.Subject) error {
		user, groups, err := userAndGroups(tx, s)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		var wants []mapping.Grant
		for _, g := range w.rules(tx).Desired(s.IdP, user, groups) {
			if g.Target == t {
				wants = append(wants, g)
			}
		}
		if len(wants) == 0 {
			return nil
		}
		key := w.key(user)
		c, err := tx.Accounts(w.Name).Cached(w.listing(target), key)
		if errors.Is(err, store.ErrNotFound) {
			out.Unknown = append(out.Unknown, key)
			return w.previewLookUp(tx, target, s, key, wants, out)
		}
		if err != nil {
			return err
		}
		out.Oldest = earlier(out.Oldest, c.Seen)
		if v.account(c.ID).Key = key; hopes[c.ID] == nil {
			hopes[c.ID] = map[string]plan.Wish{}
		}
		for _, g := range wants {
			hopes[c.ID][g.Role] = plan.Wish{Replace: g.Replace, Firm: true, Sure: true}
		}
		return nil
	})
	return hopes, err
}
