package desk

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// PlannedGrant is what a plan does with one role of one account on one target, and why.
type PlannedGrant struct {
	Target  string        `json:"target"`
	Person  string        `json:"person"` // the value that finds the account; "" for permission sets
	Account string        `json:"account,omitempty"`
	Role    string        `json:"role"` // or the permission set
	Action  PlannedAction `json:"action"`
	State   PlannedState  `json:"state"`
	Reason  string        `json:"reason,omitempty"` // of a hold or a block: a short stable word
	Why     []string      `json:"why"`
	Until   time.Time     `json:"until,omitzero"` // when a blocked grant is tried again

	PermissionSet bool `json:"permission_set,omitempty"`
}

// PlannedAction is what is done with a grant, or with an account.
type PlannedAction string

// OffBoard and Invite are about an account or membership instead of a role.
const (
	Grant    PlannedAction = "grant"
	Revoke   PlannedAction = "revoke"
	OffBoard PlannedAction = "off_board"
	Invite   PlannedAction = "invite"
	Keep     PlannedAction = "keep" // see Desk.Seen
)

// PlannedState says when an action is taken.
type PlannedState string

// Now is with the next calls; IsHeld waits for an operator, IsBlocked for the vendor or the identity
// provider, LookUpFirst for the account to be looked up. NotInMode is not sent in the mode of the
// backend.
const (
	Now         PlannedState = "now"
	IsHeld      PlannedState = "held"
	IsBlocked   PlannedState = "blocked"
	LookUpFirst PlannedState = "look_up"
	NotInMode   PlannedState = "not_in_mode"
	Stays       PlannedState = "stays" // nothing is done
)

// PlannedTotal counts the grants of a plan with one action and state, and their accounts or values.
type PlannedTotal struct {
	Action PlannedAction `json:"action"`
	State  PlannedState  `json:"state"`
	Grants int           `json:"grants"`
	Users  int           `json:"users"`
}

// SyncPlan is what a plan would send and hold in the mode sync.
type SyncPlan struct {
	Calls []PreviewCall `json:"calls"`
	Held  []PreviewHold `json:"held"`
}

// same identifies a grant and what is done with it.
func (g PlannedGrant) same() [5]string {
	return [5]string{g.Target, g.Person, g.Account, g.Role, string(g.Action)}
}

// inMode lists what a mode other than sync leaves out along with what it does.
func inMode(inSync, now []PlannedGrant) []PlannedGrant {
	out, known := slices.Clone(now), map[[5]string]bool{}
	for _, g := range now {
		known[g.same()] = true
	}
	for _, g := range inSync {
		if known[g.same()] {
			continue
		}
		if g.State == Now || g.State == IsHeld { // Reason still says that it would be held
			g.State = NotInMode
		}
		out = append(out, g)
	}
	sortGrants(out)
	return out
}

func sortGrants(all []PlannedGrant) {
	slices.SortStableFunc(all, func(a, b PlannedGrant) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Account, b.Account),
			cmp.Compare(a.Action, b.Action), cmp.Compare(a.Role, b.Role))
	})
}

// total counts grants by action and state.
func total(all []PlannedGrant) []PlannedTotal {
	type key struct {
		PlannedAction
		PlannedState
	}
	out, at, seen := []PlannedTotal{}, map[key]int{}, map[key]map[string]bool{}
	for _, g := range all {
		k := key{g.Action, g.State}
		if seen[k] == nil {
			at[k], seen[k] = len(out), map[string]bool{}
			out = append(out, PlannedTotal{Action: g.Action, State: g.State})
		}
		t := &out[at[k]]
		t.Grants++
		if who := cmp.Or(g.Person, g.Account); who != "" && !seen[k][who] {
			seen[k][who] = true
			t.Users++
		}
	}
	slices.SortFunc(out, func(a, b PlannedTotal) int {
		return cmp.Or(cmp.Compare(a.Action, b.Action), cmp.Compare(a.State, b.State))
	})
	return out
}

// planReasons finds out why a plan gives and takes what it does on a target.
type planReasons struct {
	desk   *previewer
	tx     store.Tx
	target string
	users  map[string][]store.Subject // by account: those that should have something
	heldBy map[string]string          // the hold of a membership -> why
}

// take names the users of what is planned. blocked has the marks of accounts that are not tried now.
func (r planReasons) take(out *Preview, planned plan.Plan, v *view.Visit, blocked map[string]store.Mark) error {
	for id, d := range planned.Decisions {
		a, g := v.Accounts[id], PlannedGrant{Target: r.target, State: Now}
		if g.PermissionSet = id == store.TargetSettings; !g.PermissionSet {
			g.Person, g.Account = a.Key, id
		}
		if m, is := blocked[id]; is {
			g.State, g.Reason, g.Until = IsBlocked, m.Reason, m.NotBefore
		}
		if r.desk.Seen != nil {
			if err := r.keep(out, a, d, g); err != nil {
				return err
			}
		}
		if len(d.Add) > 0 {
			gives, err := r.given(id)
			if err != nil {
				return err
			}
			for _, role := range d.Add {
				g.Action, g.Role, g.Why = Grant, role, gives[role]
				out.Users = append(out.Users, g)
			}
		}
		for _, role := range d.Remove {
			if err := r.lose(out, a, g, Revoke, role); err != nil {
				return err
			}
		}
		if d.End.Call {
			if err := r.lose(out, a, g, OffBoard, memory.Membership); err != nil {
				return err
			}
		}
		g.State, g.Until = IsHeld, time.Time{}
		for role, why := range d.Held {
			g.Reason = why
			if err := r.lose(out, a, g, Revoke, role); err != nil {
				return err
			}
		}
		if d.End.Held {
			g.Reason = cmp.Or(d.End.Hold, r.heldBy[a.Membership.Hold])
			if err := r.lose(out, a, g, OffBoard, memory.Membership); err != nil {
				return err
			}
		}
	}
	for _, c := range planned.Calls {
		if c.Invite != "" {
			out.Users = append(out.Users, PlannedGrant{Target: r.target, Person: c.Invite, Role: memory.Membership, Action: Invite, State: Now,
				Why: []string{"a complete listing shows no account"}})
		}
	}
	return nil
}

// keep names the grants of an account that stay.
func (r planReasons) keep(out *Preview, a *view.Account, d plan.Decision, g PlannedGrant) error {
	gives, err := r.given(a.ID)
	if err != nil {
		return err
	}
	g.Action, g.State, g.Reason, g.Until = Keep, Stays, "", time.Time{}
	for role, e := range a.Ledger {
		changes := slices.Concat(d.Add, d.Remove, d.GiveBack, d.Disown)
		if _, held := d.Held[role]; held || e.State != store.Present || slices.Contains(changes, role) {
			continue
		}
		if g.Role, g.Why = role, gives[role]; slices.Contains(a.Frozen, role) {
			g.Why = []string{"the rule is paused: nothing is revoked for it"}
		}
		out.Users = append(out.Users, g)
	}
	return nil
}

// lose adds something that an account loses.
func (r planReasons) lose(out *Preview, a *view.Account, g PlannedGrant, action PlannedAction, role string) (err error) {
	g.Action, g.Role = action, role
	g.Why, err = r.lost(a, role)
	out.Users = append(out.Users, g)
	return err
}

// given returns, by role, which groups and rules give it to an account.
func (r planReasons) given(account string) (map[string][]string, error) {
	out := map[string][]string{}
	for _, s := range r.users[account] {
		user, groups, err := view.UserAndGroups(r.tx, s)
		if err != nil {
			return nil, err
		}
		for _, g := range r.desk.Bound(r.tx).Desired(s.IdP, user, groups) {
			if g.Target == r.at() {
				out[g.Role] = append(out[g.Role], from(g)...)
			}
		}
	}
	return out, nil
}

func (r planReasons) at() mapping.Target {
	return mapping.Target{Backend: r.desk.Name, Target: r.target}
}

// from puts into words which groups and rules give a grant.
func from(g mapping.Grant) (out []string) {
	for _, r := range g.From {
		out = append(out, fmt.Sprintf("group %s, by the rule on line %d", r.Group.DisplayName, r.Rule.Line))
	}
	return out
}

// lost puts into words why no user of an account is given a role.
func (r planReasons) lost(a *view.Account, role string) ([]string, error) {
	switch {
	case a.ID == store.TargetSettings:
		return []string{"no rule with a group names the permission set"}, nil
	case a.Ledger[role].Note == "foreign":
		return []string{"an authoritative rule: no group gives it to the account"}, nil
	case len(a.Links) == 0:
		return []string{"no user of an identity provider is this account"}, nil
	}
	var out []string
	for _, l := range a.Links {
		why, err := r.lostBy(l, role)
		if err != nil {
			return nil, err
		}
		out = append(out, why...)
	}
	return out, nil
}

// lostBy puts into words why one user is not given a role.
func (r planReasons) lostBy(l store.Link, role string) ([]string, error) {
	w := r.desk
	user, groups, err := view.UserAndGroups(r.tx, store.Subject{IdP: l.IdP, User: l.User})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return []string{"the user is deleted at " + l.IdP}, nil
	case err != nil:
		return nil, err
	case !user.Active:
		return []string{"the user is not active at " + l.IdP}, nil
	case w.Key(user) != l.Key:
		return []string{"the user of " + l.IdP + " has another value now: " + w.Key(user)}, nil
	}
	var out []string
	for _, g := range pin.Bound(r.tx, w.before).Desired(l.IdP, user, groups) {
		if w.before != w.InForce().Rules && g.Target == r.at() && g.Role == role {
			for _, words := range from(g) {
				out = append(out, "the rules in force give it: "+words)
			}
		}
	}
	for _, m := range w.Bound(r.tx).Misses(l.IdP, user, groups) {
		if m.Target == r.at() && m.Role == role {
			out = append(out, "not given by "+w.missed(r.tx, l.IdP, m))
		}
	}
	if len(out) == 0 {
		out = append(out, "in no group that gives it")
	}
	return out, nil
}

// previewBeyond names the users that are blocked on targets beyond max_targets.
func (w *previewer) previewBeyond(tx store.Tx, beyond map[string]bool, out *Preview) error {
	if len(beyond) == 0 {
		return nil
	}
	waits := map[store.Subject]map[string]store.Mark{}
	for m, err := range tx.Work(w.Name).Marks("") {
		if err != nil {
			return err
		}
		if !beyond[m.Target] || m.State != store.Blocked || m.Subject.User == "" {
			continue
		}
		if waits[m.Subject] == nil {
			waits[m.Subject] = map[string]store.Mark{}
		}
		waits[m.Subject][m.Target] = m
	}
	for s, marks := range waits {
		user, groups, err := view.UserAndGroups(tx, s)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, g := range w.Bound(tx).Desired(s.IdP, user, groups) {
			if m, is := marks[g.Target.Target]; is && g.Target.Backend == w.Name {
				out.Users = append(out.Users, PlannedGrant{Target: m.Target, Person: w.Key(user), Role: g.Role, Action: Grant,
					State: IsBlocked, Reason: m.Reason, Until: m.NotBefore, Why: from(g)})
			}
		}
	}
	return nil
}
