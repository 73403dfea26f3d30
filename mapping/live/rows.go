package live

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// Reasons of rows that no block or hold has.
const (
	reasonMissing    = "missing"         // the bridge granted it, and the vendor does not show it
	reasonDisowned   = "disowned"        // an operator rejected to revoke it
	reasonLately     = "revoked_lately"  // the vendor may still show what was revoked a moment ago
	reasonGranted    = "granted_lately"  // the vendor may not show yet what was granted a moment ago
	reasonUnmanaged  = "no_rule"         // no rule names the role
	reasonBorrowed   = "given_back"      // it was another user's before
	reasonIncomplete = "incomplete_list" // an account that is not shown may exist
	reasonInvited    = "invited"         // the account was requested lately
	reasonInDoubt    = "in_doubt"        // a call had no clean answer yet
)

// rows are the rows of a plan, with what the vendor shows, and of what no plan touches.
func (r *reading) rows(p desk.Preview) []Row {
	out, done := []Row{}, map[memory.Grant]bool{}
	requested := map[string]desk.PlannedGrant{}
	for _, g := range p.Users {
		if g.Action == desk.Invite {
			requested[r.EndKey(g.Target, g.Person)] = g
		}
	}
	for _, g := range p.Users {
		done[grantOf(g.Target, g.Account, g.Role)] = true
		if how := r.how[g.Target].Read; g.Action != desk.Invite && how != Unread {
			out = append(out, r.row(g, requested))
		}
	}
	cleared := replaced(p)
	for _, t := range r.targets {
		switch how := r.how[t]; {
		case how.Read == Unread:
			out = append(out, Row{Target: t, Action: NotRead, State: desk.IsBlocked, Has: "unknown", Reason: how.Reason})
		case r.seen[t] != nil:
			out = append(out, r.foreign(t, done, cleared)...)
		}
	}
	for i := range out {
		r.inMode(&out[i])
	}
	return out
}

// row is one row of a plan. requested has the accounts that the vendor is asked for.
func (r *reading) row(g desk.PlannedGrant, requested map[string]desk.PlannedGrant) Row {
	out := Row{Target: g.Target, Person: g.Person, Account: g.Account, Role: g.Role, Action: Action(g.Action), State: g.State,
		Has: r.has(g.Target, g.Account, g.Role), Reason: g.Reason, Why: g.Why, Until: g.Until, PermissionSet: g.PermissionSet}
	switch {
	case r.how[g.Target].Read == Missing:
		out.State, out.Reason = desk.IsBlocked, reason.NoTarget
	case g.Action == desk.Grant && g.Account == "" && !g.PermissionSet:
		r.without(&out, requested)
	case g.Action == desk.Grant:
		r.granted(&out)
	case g.Action == desk.Keep && out.Has == "no":
		out.Has, out.Reason = "unknown", reasonGranted
	}
	return out
}

// without says what becomes of the role of a user without an account.
func (r *reading) without(out *Row, requested map[string]desk.PlannedGrant) {
	if !r.listings[r.Listing(out.Target)].Whole {
		out.State, out.Reason = desk.LookUpFirst, cmp.Or(out.Reason, reasonIncomplete)
		return
	}
	out.Has = "no"
	if g, is := requested[r.EndKey(out.Target, out.Person)]; is {
		out.Action, out.State, out.Reason = Invite, g.State, ""
		if r.Creates {
			out.Action = Create
		}
		return
	}
	out.Action, out.State = NoAccount, desk.IsBlocked
	switch {
	case out.Reason != "" && out.Reason != reason.NoAccount:
	case r.Invite && plan.Address(out.Person):
		out.Reason = reasonInvited
	case r.Invite:
		out.Reason = reason.NoAddress
	default:
		out.Reason = reason.NoAccount
	}
}

// granted says whether a grant is adopted, granted again, or new.
func (r *reading) granted(out *Row) {
	e, ours := r.ledger[grantOf(out.Target, out.Account, out.Role)]
	switch {
	case r.missing[grantOf(out.Target, out.Account, out.Role)]:
		out.Reason = cmp.Or(out.Reason, reasonMissing)
	case out.Has != "yes":
	case !ours:
		out.Action = Adopt
	case e.State == store.Unknown && e.Wanted:
		out.Action, out.State, out.Reason = Keep, desk.Stays, reasonInDoubt
	}
}

// has says whether the vendor shows a role.
func (r *reading) has(target, account, role string) string {
	seen := r.seen[target]
	if seen == nil || account == "" || role == memory.Membership {
		return "unknown"
	}
	switch has, tells := seen.Has(account, role); {
	case has:
		return "yes"
	case tells:
		return "no"
	}
	return "unknown"
}

// replaced maps the accounts that get exactly some roles to those roles.
func replaced(p desk.Preview) map[memory.Spot][]string {
	out := map[memory.Spot][]string{}
	for _, c := range p.Calls {
		for _, ch := range c.Changes {
			if ch.Op == "replace" {
				out[memory.Spot{Target: c.Target, Account: ch.Account}] = ch.Roles
			}
		}
	}
	return out
}

// foreign are the roles on a target that no row is about: the bridge did not grant them.
func (r *reading) foreign(target string, done map[memory.Grant]bool, cleared map[memory.Spot][]string) (out []Row) {
	holders := r.seen[target].Holders
	for _, account := range slices.Sorted(maps.Keys(holders)) {
		for _, role := range slices.Compact(slices.Sorted(slices.Values(holders[account]))) {
			if done[grantOf(target, account, role)] {
				continue
			}
			row := Row{Target: target, Person: r.keyOf(target, account), Account: account, Role: role, Action: Foreign, State: desk.Stays, Has: "yes"}
			at := memory.Spot{Target: target, Account: account}
			e, ours := r.ledger[grantOf(target, account, role)]
			_, names := r.managed[target][role]
			switch roles, is := cleared[at]; {
			case is && !slices.Contains(roles, role):
				row.Action, row.State, row.Why = Revoke, desk.Now, []string{"a rule with replace: no group gives it to the account"}
			case ours && e.Borrowed:
				row.Reason = reasonBorrowed
			case r.disowned[target].Has(account, role):
				row.Reason = reasonDisowned
			case r.lately[at] && names:
				row.Reason = reasonLately
			case !names:
				row.Reason = reasonUnmanaged
			default:
				row.Why = []string{"no group gives it"}
			}
			out = append(out, row)
		}
	}
	return out
}

// inMode notes what the mode of the backend leaves out. The reason still says what would be held.
func (r *reading) inMode(row *Row) {
	mode := r.ModeNow()
	if mode == view.Sync || row.State != desk.Now && row.State != desk.IsHeld {
		return
	}
	if mode == view.Observe || row.Action == Revoke || row.Action == OffBoard {
		row.State, row.Until = desk.NotInMode, time.Time{}
	}
}
