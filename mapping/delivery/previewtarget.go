package delivery

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// previewTarget plans for a target as the worker does, but for all accounts that have or should have
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

// complete adds to a snapshot what it cannot have: what is wanted by users that only the cache knows, and
// what the plans of other targets do before.
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

// previewLookUp notes what a user would get who must be looked up. What the rules in force give already,
// and what waits for an account, is nothing new.
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
				link, err := tx.Accounts(w.Name).Link(s.IdP, s.User)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				v.missing = append(v.missing, &person{key: key, link: link})
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
