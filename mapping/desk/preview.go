package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// Preview is what a worker would do: the calls in their order, what would be held, and which users
// must be looked up first.
type Preview struct {
	Backend string        `json:"backend"`
	Mode    view.Mode     `json:"mode"`
	Calls   []PreviewCall `json:"calls"`
	Held    []PreviewHold `json:"held"`
	// Unknown lists users who should have something and whose account is not known yet.
	Unknown []string `json:"unknown"`
	// LookUps says what they would get if an account is found.
	LookUps []PreviewLookUp `json:"look_ups"`
	// Oldest is when the least recently seen of these accounts was looked up; zero if nothing rests on that.
	Oldest time.Time `json:"oldest_lookup,omitzero"`
	Notes  []string  `json:"notes,omitempty"` // what the plan does not say
	Rules  []string  `json:"rules,omitempty"` // what is wrong with rules, as the directory and the vendor are now
	// Users names what becomes of each role of each account, and why, in every mode; Totals counts it.
	Users  []PlannedGrant `json:"users"`
	Totals []PlannedTotal `json:"totals"`
	InSync *SyncPlan      `json:"in_sync,omitempty"` // if the mode is another

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

// PreviewLookUp is what a user without a known account would get. Waits: it is blocked, for Reason and
// until it is tried again.
type PreviewLookUp struct {
	Target string    `json:"target"`
	Person string    `json:"person"`
	Roles  []string  `json:"roles"`
	Waits  bool      `json:"waits,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Until  time.Time `json:"until,omitzero"`
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
func (w *Desk) Preview(ctx context.Context, rules *mapping.Rules) (Preview, error) {
	p := w.InForce()
	if rules != nil {
		p.Rules = rules
	}
	return w.PreviewUnder(ctx, p)
}

// PreviewUnder is Preview under a policy that may be another than that in force. In every mode it names
// what sync would do.
func (w *Desk) PreviewUnder(ctx context.Context, p view.Policy) (Preview, error) {
	out, err := w.preview(ctx, p)
	if err != nil {
		return out, err
	}
	is, mode, now := "is", p.Mode, w.InForce().Mode
	if mode != now {
		is = "would be"
		out.Notes = append(out.Notes, fmt.Sprintf("this is the plan for the proposed mode %s: the mode is %s until a reload", mode, now))
	}
	if p.Mode != view.Sync {
		p.Mode = view.Sync
		under, err := w.preview(ctx, p)
		if err != nil {
			return out, err
		}
		out.Notes = append(out.Notes, fmt.Sprintf("the mode of the backend %s %s: %s. Under sync there would be %s", is, mode,
			map[view.Mode]string{view.Observe: "nothing is changed there", view.AddOnly: "nothing is taken away there"}[mode], under.Summary()))
		out.Users, out.InSync = inMode(under.Users, out.Users), &SyncPlan{Calls: under.Calls, Held: under.Held}
	}
	out.Totals = total(out.Users)
	return out, nil
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
	for _, g := range p.Users {
		if g.State == IsBlocked && g.Account != "" {
			ops["blocked"]++
		}
	}
	for _, op := range []string{"off-boarded", "invited", "blocked"} {
		if ops[op] > 0 {
			out += fmt.Sprintf(", %d %s", ops[op], op)
		}
	}
	return out
}

// preview is PreviewUnder without what sync would do.
func (w *Desk) preview(ctx context.Context, p view.Policy) (Preview, error) {
	s := w.under(p)
	out := Preview{Backend: w.Name, Mode: p.Mode, Users: []PlannedGrant{}, Calls: []PreviewCall{}, Held: []PreviewHold{}, Unknown: []string{}, LookUps: []PreviewLookUp{}}
	if w.Standby() {
		out.Notes = append(out.Notes, "the store was put back from a copy: what the vendor took or was given since is not in this plan, and a resync after `scimbridge resume` repairs it")
	}
	err := w.Store.View(ctx, func(tx store.Tx) error {
		out.Calls, out.Held, out.Unknown, out.LookUps, out.Oldest = out.Calls[:0], out.Held[:0], out.Unknown[:0], out.LookUps[:0], time.Time{}
		out.Users = out.Users[:0]
		out.removed, out.ended, out.invited = map[[2]string]bool{}, map[string]bool{}, map[string]bool{}
		targets, err := s.AllTargets(tx)
		if err != nil {
			return err
		}
		leaving, err := s.previewLeaving(tx)
		if err != nil {
			return err
		}
		beyond, over, err := s.Beyond(tx)
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
		if err := s.previewBeyond(tx, beyond, &out); err != nil {
			return err
		}
		if out.Rules, err = s.review(tx); err != nil {
			return err
		}
		for _, e := range over {
			out.Rules = append(out.Rules, fmt.Sprintf("line %d: the groups of the rule name %d targets, and max_targets allows %d: %d wait as %s, %s first",
				e.Rule.Line, e.Named, e.Allowed, len(e.Targets), reason.TooManyTargets, e.Targets[0]))
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
	sortGrants(p.Users)
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

// previewer is a desk where some rules are in force, for the plan under them.
type previewer struct {
	*Desk
	before *mapping.Rules // that are in force indeed
	kept   *view.Former   // what former has read
}

func (w *Desk) under(policy view.Policy) *previewer {
	v := view.NewView(w.Name, w.Settings, w.Traits)
	p := &previewer{Desk: &Desk{View: v, Store: w.Store, Seen: w.Seen}, before: w.InForce().Rules}
	v.Clock, v.InForce, v.Where = w.Clock, func() view.Policy { return policy }, w.Where
	if w.Where != nil {
		v.Former = p.former
	}
	return p
}

// former are the rules before a change: those in force, too, if others are proposed.
func (w *previewer) former(tx store.Tx) (view.Former, error) {
	if w.kept != nil {
		return *w.kept, nil
	}
	f, err := w.FormerRules(tx)
	if err != nil {
		return f, err
	}
	if w.before.Fingerprint(w.Name) != w.InForce().Fingerprint(w.Name) {
		f.Rules, f.Fresh, f.Allowed = append(f.Rules, w.before), true, false
	}
	w.kept = &f
	return f, nil
}
