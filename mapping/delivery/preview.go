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

	removed map[[2]string]bool // target, account: it loses everything there
	ended   map[string]bool    // accounts that end
	invited map[string]bool    // listing and address: an account is requested once
}

// PreviewCall is one call.
type PreviewCall struct {
	Target                 string          `json:"target"`
	Changes                []PreviewChange `json:"changes"`
	PermissionSetsToAdd    []string        `json:"permission_sets_to_add,omitempty"`
	PermissionSetsToRemove []string        `json:"permission_sets_to_remove,omitempty"`
	// Offboard is whose membership, or account, ends; Invite is the address for which an account is
	// requested. Such a call changes no roles.
	Offboard *PreviewAccount `json:"offboard,omitempty"`
	Invite   string          `json:"invite,omitempty"`
}

// PreviewAccount is an account and the value that found it.
type PreviewAccount struct {
	Person  string `json:"person"`
	Account string `json:"account"`
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
		if c.Offboard != nil {
			ops["off-boarded"]++
		}
		if c.Invite != "" {
			ops["invited"]++
		}
	}
	out := fmt.Sprintf("%d call(s): %d removed, %d added, %d replaced, %d held, %d to be looked up", len(p.Calls), ops["remove"], ops["add"], ops["replace"], len(p.Held), len(p.Unknown))
	for _, op := range []string{"off-boarded", "invited"} {
		if ops[op] > 0 {
			out += fmt.Sprintf(", %d %s", ops[op], op)
		}
	}
	return out
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
		out.removed, out.ended, out.invited = map[[2]string]bool{}, map[string]bool{}, map[string]bool{}
		targets, err := s.targets(tx)
		if err != nil {
			return err
		}
		leaving, err := s.previewLeaving(tx)
		if err != nil {
			return err
		}
		beyond, over, err := s.beyond(tx)
		if err != nil {
			return err
		}
		for _, t := range targets {
			if beyond[t] {
				continue
			}
			if err := s.previewTarget(tx, t, leaving[t], &out); err != nil {
				return err
			}
		}
		if out.Rules, err = s.review(tx); err != nil {
			return err
		}
		for _, e := range over {
			out.Rules = append(out.Rules, fmt.Sprintf("line %d: the groups of the rule name %d targets, and max_targets allows %d: %d wait as %s, %s first",
				e.Rule.Line, e.Named, e.Allowed, len(e.Targets), tooManyTargets, e.Targets[0]))
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
		MaxOffboardings: w.MaxOffboardings, Invite: w.Invite, Offboard: w.Offboard, AccountCache: w.AccountCache, Now: w.Now}).Init()
}

// previewTarget plans for a target as the worker does, but for everybody who has or should have
// something there, and without a read of the vendor.
func (w *Worker) previewTarget(tx store.Tx, target string, leaving []store.Mark, out *Preview) error {
	v := &visitWork{accounts: map[string]*account{}}
	v.account(store.TargetSettings)
	urgent, swept := map[string]bool{}, string(tx.Setting(mappingKey(w.Name))) != w.goesBy(w.Rules())
	for _, m := range leaving {
		swept = swept || m.Subject == store.Subject{}
		urgent[m.Subject.Account] = urgent[m.Subject.Account] || isUrgent(m)
	}
	for _, m := range leaving {
		if m.Subject.Account == "" {
			continue
		}
		a := v.account(m.Subject.Account)
		if isUrgent(m) == urgent[a.ID] && m.State != store.Held && !m.NotBefore.After(w.now()) {
			a.marks = append(a.marks, m)
		}
	}
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
	s.Missing = slices.DeleteFunc(s.Missing, func(m plan.Missing) bool {
		again := out.invited[w.endKey(target, m.Key)]
		out.invited[w.endKey(target, m.Key)] = true
		return again
	})
	out.complete(s, w.Backend.Traits().OneListing, hopes)
	if s.Ledger, _, err = w.summary(tx, s); err != nil {
		return err
	}
	if s.Leavers, err = w.leavers(tx, target); err != nil {
		return err
	}
	ends, err := heldEnds(tx, w.Name)
	if err != nil {
		return err
	}
	heldBy := map[string]string{} // the hold of a membership -> why
	for _, h := range ends {
		heldBy[h.ID] = h.why()
	}
	for _, part := range asVisited(s, leaving, swept) {
		p := w.planner().Plan(part, w.now())
		s.Ledger.After(part, p, w.now())
		for _, c := range p.Calls {
			if c.Offboard.ID != "" {
				s.Leavers.Gone[c.Offboard.ID] = true
			}
		}
		out.take(target, p, v, heldBy)
	}
	return nil
}

// complete adds to a snapshot what it cannot have: what users want whom only the cache knows, and what
// the plans of other targets do before.
func (p *Preview) complete(s plan.Snapshot, oneListing bool, hopes map[string]map[string]plan.Wish) {
	for id, a := range s.Accounts {
		for role, wish := range a.Want {
			if id != store.TargetSettings {
				_, wish.Sure = hopes[id][role] // by a value that is in the cache: else the user is looked up first
				a.Want[role] = wish
			}
		}
		for role, wish := range hopes[id] {
			if _, known := a.Want[role]; !known {
				a.Want[role] = wish
			}
		}
		if a.Membership != nil && oneListing {
			m := *a.Membership
			m.Elsewhere = slices.ContainsFunc(m.On, func(t string) bool { return t != s.Target && !p.removed[[2]string{t, id}] })
			m.Over = m.Over || p.ended[id]
			a.Membership = &m
		}
		s.Accounts[id] = a
	}
}

func isUrgent(m store.Mark) bool { return m.Urgent && m.State == store.Pending }

// asVisited splits a snapshot as the worker visits it: accounts that are off-boarded before all others,
// and those that only wait for an operator last: they are visited when the whole target is.
func asVisited(s plan.Snapshot, marks []store.Mark, swept bool) []plan.Snapshot {
	first, rest, held := s, s, s
	first.Missing, held.Missing = nil, nil
	first.Accounts, rest.Accounts, held.Accounts = map[string]plan.Account{}, map[string]plan.Account{}, map[string]plan.Account{}
	urgent := map[string]bool{}
	for _, m := range marks {
		urgent[m.Subject.Account] = urgent[m.Subject.Account] || isUrgent(m)
	}
	for id, a := range s.Accounts {
		differs := plan.Compare(a)
		waits := func(role string) bool { return a.Ledger[role].Hold != "" }
		switch {
		case urgent[id]:
			first.Accounts[id] = a
		case !swept && len(differs.Add) == 0 && len(differs.Remove) > 0 && !slices.ContainsFunc(differs.Remove, func(role string) bool { return !waits(role) }):
			held.Accounts[id] = a
		default:
			rest.Accounts[id] = a
		}
	}
	return []plan.Snapshot{first, rest, held}
}

// previewLeaving lists, by target, what waits for accounts: an off-boarded one may have nothing in the
// ledger.
func (w *Worker) previewLeaving(tx store.Tx) (map[string][]store.Mark, error) {
	out := map[string][]store.Mark{}
	for m, err := range tx.Work(w.Name).Marks("") {
		if err != nil {
			return nil, err
		}
		targets := []string{m.Target}
		if m.Subject.User != "" {
			link, err := tx.Accounts(w.Name).Link(m.Subject.IdP, m.Subject.User)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			if m.Target == store.AnyTarget {
				if targets, err = w.whereabouts(tx, m.Subject); err != nil {
					return nil, err
				}
			}
			if m.Subject = (store.Subject{Account: link.Account}); link.Account == "" {
				continue
			}
		}
		for _, t := range targets {
			if t != store.AnyTarget {
				out[t] = append(out[t], m)
			}
		}
	}
	return out, nil
}

// take adds what is planned for a target.
func (p *Preview) take(target string, planned plan.Plan, v *visitWork, heldBy map[string]string) {
	for _, id := range slices.Sorted(maps.Keys(planned.Decisions)) {
		held, end := planned.Decisions[id].Held, planned.Decisions[id].End
		if end.Held {
			why := cmp.Or(end.Hold, heldBy[v.accounts[id].Membership.Hold])
			p.Held = append(p.Held, PreviewHold{Target: target, Why: why, Person: v.accounts[id].Key, Role: membership})
		}
		for _, role := range slices.Sorted(maps.Keys(held)) {
			p.Held = append(p.Held, PreviewHold{Target: target, Why: held[role], Person: v.accounts[id].Key, Role: role, PermissionSet: id == store.TargetSettings})
		}
	}
	for _, c := range planned.Calls {
		call := PreviewCall{Target: target, Changes: []PreviewChange{}, PermissionSetsToAdd: c.Delta.PermissionSetsToAdd, PermissionSetsToRemove: c.Delta.PermissionSetsToRemove}
		if c.Offboard.ID != "" {
			p.ended[c.Offboard.ID] = true
			call.Offboard = &PreviewAccount{c.Offboard.Key, c.Offboard.ID}
		}
		call.Invite = c.Invite
		for _, change := range c.Delta.Changes {
			d := planned.Decisions[change.Account.ID]
			p.removed[[2]string{target, change.Account.ID}] = len(d.Remove) == len(d.Owned)
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
			listed, err := w.listed(tx, w.listing(target))
			if err != nil {
				return err
			}
			if !listed.IsZero() { // a complete listing did not show it
				v.missing = append(v.missing, &person{key: key})
			}
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
