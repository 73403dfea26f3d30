package desk

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// previewTarget plans for a target as the worker does, but for all accounts that have or should have
// something there, and without a read of the vendor.
func (w *previewer) previewTarget(tx store.Tx, target string, leaving []store.Mark, out *Preview) error {
	v := &view.Visit{Accounts: map[string]*view.Account{}}
	v.Account(store.TargetSettings)
	urgent, swept := map[string]bool{}, string(tx.Setting(memory.MappingKey(w.Name))) != w.GoesBy(w.InForce())
	for _, m := range leaving {
		swept = swept || m.Subject == store.Subject{}
		urgent[m.Subject.Account] = urgent[m.Subject.Account] || isUrgent(m)
	}
	for _, m := range leaving {
		if m.Subject.Account == "" {
			continue
		}
		a := v.Account(m.Subject.Account)
		if isUrgent(m) == urgent[a.ID] && m.State != store.Held && !m.NotBefore.After(w.Clock()) {
			a.Marks = append(a.Marks, m)
		}
	}
	for e, err := range tx.Ledger(w.Name).Entries(target, "") {
		if err != nil {
			return err
		}
		v.Account(e.Account)
	}
	blocked := map[string]store.Mark{}
	if !swept { // a sweep tries everything again
		blocked = w.notTried(leaving)
	}
	reasons := planReasons{desk: w, tx: tx, target: target, users: map[string][]store.Subject{}, heldBy: map[string]string{}}
	hopes, err := reasons.people(v, swept, out)
	if err != nil {
		return err
	}
	s, err := w.Snapshot(tx, target, v)
	if err != nil {
		return err
	}
	if s.Blind = true; w.Seen != nil {
		s.Seen = w.Seen(target)
	}
	s.Missing = slices.DeleteFunc(s.Missing, func(m plan.Missing) bool {
		again := out.invited[w.EndKey(target, m.Key)]
		out.invited[w.EndKey(target, m.Key)] = true
		return again
	})
	out.complete(s, w.Traits().OneListing, hopes)
	if s.Ledger, _, err = w.Summary(tx, s); err != nil {
		return err
	}
	if s.Leavers, err = w.Leavers(tx, target); err != nil {
		return err
	}
	ends, err := memory.HeldEnds(tx, w.Name)
	if err != nil {
		return err
	}
	for _, h := range ends {
		reasons.heldBy[h.ID] = memory.WhyEnd(h)
	}
	for i, part := range asVisited(s, leaving, swept, blocked) {
		p := w.Planner().Plan(part, w.Clock())
		if err := reasons.take(out, p, v, blocked); err != nil {
			return err
		}
		if i == blockedPart { // nothing of it is sent
			p.Calls = nil
		}
		s.Ledger.After(part, p, w.Clock())
		for _, c := range p.Calls {
			if c.Offboard.ID != "" {
				s.Leavers.Gone[c.Offboard.ID] = true
			}
		}
		out.take(target, p, v, reasons.heldBy)
	}
	return nil
}

// notTried returns the accounts of a target that are blocked and not tried now, each with the mark that
// is tried first.
func (w *previewer) notTried(marks []store.Mark) map[string]store.Mark {
	out, tried := map[string]store.Mark{}, map[string]bool{}
	for _, m := range marks {
		id := m.Subject.Account
		switch first, known := out[id]; {
		case m.State == store.Held:
		case m.State != store.Blocked || !m.NotBefore.After(w.Clock()):
			tried[id] = true
		case !known || m.NotBefore.Before(first.NotBefore):
			out[id] = m
		}
	}
	maps.DeleteFunc(out, func(id string, _ store.Mark) bool { return tried[id] })
	return out
}

// complete adds to a snapshot what it cannot have: what is wanted by users that only the cache knows, and what
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

// blockedPart is the index of the accounts that are not visited now in what asVisited returns.
const blockedPart = 3

// asVisited splits a snapshot as the worker visits it: accounts that are off-boarded before all others,
// then those that only wait for an operator: they are visited when the whole target is. The last part is
// blocked.
func asVisited(s plan.Snapshot, marks []store.Mark, swept bool, blocked map[string]store.Mark) []plan.Snapshot {
	first, rest, held, later := s, s, s, s
	first.Missing, held.Missing, later.Missing = nil, nil, nil
	first.Accounts, rest.Accounts, held.Accounts, later.Accounts = map[string]plan.Account{}, map[string]plan.Account{}, map[string]plan.Account{}, map[string]plan.Account{}
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
			if _, is := blocked[id]; is {
				delete(rest.Accounts, id)
				later.Accounts[id] = a
			}
		}
	}
	return []plan.Snapshot{first, rest, held, later}
}

// previewLeaving lists, by target, what waits for accounts: an off-boarded one may have nothing in the
// ledger.
func (w *previewer) previewLeaving(tx store.Tx) (map[string][]store.Mark, error) {
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
				if targets, err = w.Whereabouts(tx, m.Subject); err != nil {
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
func (p *Preview) take(target string, planned plan.Plan, v *view.Visit, heldBy map[string]string) {
	for _, id := range slices.Sorted(maps.Keys(planned.Decisions)) {
		held, end := planned.Decisions[id].Held, planned.Decisions[id].End
		if end.Held {
			why := cmp.Or(end.Hold, heldBy[v.Accounts[id].Membership.Hold])
			p.Held = append(p.Held, PreviewHold{Target: target, Why: why, Person: v.Accounts[id].Key, Role: memory.Membership})
		}
		for _, role := range slices.Sorted(maps.Keys(held)) {
			p.Held = append(p.Held, PreviewHold{Target: target, Why: held[role], Person: v.Accounts[id].Key, Role: role, PermissionSet: id == store.TargetSettings})
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

// lookUp notes what a user would get who must be looked up first. What the rules in force give
// already and what is blocked is not new.
func (r planReasons) lookUp(s store.Subject, key string, hopes []mapping.Grant, out *Preview) error {
	w, tx := r.desk, r.tx
	user, groups, err := view.UserAndGroups(tx, s)
	if err != nil {
		return err
	}
	m, err := tx.Work(w.Name).Mark(r.target, s)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	l := PreviewLookUp{Target: r.target, Person: key, Waits: err == nil && m.State == store.Blocked}
	now := pin.Bound(tx, w.before).Desired(s.IdP, user, groups)
	for _, g := range hopes {
		l.Roles = append(l.Roles, g.Role)
		l.Waits = l.Waits && slices.ContainsFunc(now, func(n mapping.Grant) bool { return n.Target == g.Target && n.Role == g.Role })
	}
	state := LookUpFirst
	if l.Waits {
		state, l.Reason, l.Until = IsBlocked, m.Reason, m.NotBefore
	}
	slices.Sort(l.Roles)
	out.LookUps = append(out.LookUps, l)
	for _, g := range hopes {
		out.Users = append(out.Users, PlannedGrant{Target: r.target, Person: key, Role: g.Role, Action: Grant, State: state, Reason: l.Reason,
			Until: l.Until, Why: from(g)})
	}
	return nil
}

// people finds the accounts of all users who should have something on the target, by what is
// known of them, and returns what they want, by account and role.
func (r planReasons) people(v *view.Visit, swept bool, out *Preview) (map[string]map[string]plan.Wish, error) {
	w, tx, target, t := r.desk, r.tx, r.target, r.at()
	hopes := map[string]map[string]plan.Wish{}
	of := func(idp string, g store.Group) bool { return slices.Contains(w.InForce().Targets(idp, g), t) }
	err := w.EachMember(tx, of, func(s store.Subject) error {
		user, groups, err := view.UserAndGroups(tx, s)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		var wants []mapping.Grant
		for _, g := range w.Bound(tx).Desired(s.IdP, user, groups) {
			if g.Target == t {
				wants = append(wants, g)
			}
		}
		if len(wants) == 0 {
			return nil
		}
		key := w.Key(user)
		c, err := tx.Accounts(w.Name).Cached(w.Listing(target), key)
		if errors.Is(err, store.ErrNotFound) {
			if err := w.previewMissing(tx, target, s, key, v, swept); err != nil {
				return err
			}
			out.Unknown = append(out.Unknown, key)
			return r.lookUp(s, key, wants, out)
		}
		if err != nil {
			return err
		}
		out.Oldest = memory.Earlier(out.Oldest, c.Seen)
		r.users[c.ID] = append(r.users[c.ID], s)
		if v.Account(c.ID).Key = key; hopes[c.ID] == nil {
			hopes[c.ID] = map[string]plan.Wish{}
		}
		for _, g := range wants {
			hopes[c.ID][g.Role] = plan.Wish{Replace: g.Replace, Firm: true, Sure: true}
		}
		return nil
	})
	return hopes, err
}

// previewMissing notes a user without an account in a complete listing, unless the user is blocked
// and not looked up now.
func (w *previewer) previewMissing(tx store.Tx, target string, s store.Subject, key string, v *view.Visit, swept bool) error {
	listed, err := w.Listed(tx, w.Listing(target))
	if err != nil || listed.IsZero() {
		return err
	}
	m, err := tx.Work(w.Name).Mark(target, s)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && !swept && m.State == store.Blocked && m.NotBefore.After(w.Clock()) {
		return nil
	}
	link, err := tx.Accounts(w.Name).Link(s.IdP, s.User)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	v.Missing = append(v.Missing, &view.Person{Key: key, Link: link})
	return nil
}
