package plan

import (
	"cmp"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// calls lists all calls in their order: memberships that end without a role, then roles, then
// memberships whose roles were revoked, and invitations.
func (r *run) calls() (out []Call) {
	var before, after []Call
	for _, d := range inOrder(r.all()) {
		if !d.End.Call {
			continue
		}
		if c := (Call{Target: r.s.Target, Offboard: d.Account.Account}); len(d.Remove) == 0 {
			before = append(before, c)
		} else {
			after = append(after, c)
		}
	}
	return slices.Concat(before, r.batch(), after, r.invitations())
}

// all lists the accounts in the order of their ids.
func (r *run) all() (out []*draft) {
	for _, id := range r.ids {
		out = append(out, r.drafts[id])
	}
	return out
}

// batch cuts what is sent into calls: revocations before additions, those of off-boarded accounts
// before all others, at most BatchSize accounts in a call.
func (r *run) batch() (out []Call) {
	var removals, additions, replacements []backend.Change
	for _, id := range r.ids {
		d := r.drafts[id]
		change := func(op backend.Op, roles []string) backend.Change {
			return backend.Change{Account: d.Account.Account, Op: op, Roles: roles, Recent: d.Recent}
		}
		switch {
		case id == store.TargetSettings:
		case d.Replace:
			replacements = append(replacements, change(backend.Replace, slices.Sorted(maps.Keys(d.Want))))
		default:
			if len(d.Remove) > 0 {
				removals = append(removals, change(backend.Remove, d.Remove))
			}
			if len(d.Add) > 0 {
				additions = append(additions, change(backend.Add, d.Add))
			}
		}
	}
	groups := [][]backend.Change{removals, replacements, additions}
	if r.Traits.Mixed {
		groups = [][]backend.Change{slices.Concat(removals, additions)}
	}
	for _, changes := range groups {
		slices.SortStableFunc(changes, func(a, b backend.Change) int { return cmp.Compare(r.rank(a), r.rank(b)) })
		for chunk := range slices.Chunk(changes, max(r.BatchSize, 1)) {
			out = append(out, Call{Target: r.s.Target, Delta: backend.Delta{Target: r.s.Target, Changes: chunk}})
		}
	}
	return r.withSets(out)
}

// rank orders the changes of a call.
func (r *run) rank(c backend.Change) int {
	switch {
	case c.Op == backend.Remove && r.drafts[c.Account.ID].Offboarded:
		return 0
	case c.Op == backend.Remove:
		return 1
	}
	return 2
}

// withSets lets the target's permission sets travel with the first call; alone if there is none.
func (r *run) withSets(calls []Call) []Call {
	d := r.drafts[store.TargetSettings]
	if d == nil || len(d.Add)+len(d.Remove) == 0 {
		return calls
	}
	if len(calls) == 0 {
		calls = append(calls, Call{Target: r.s.Target, Delta: backend.Delta{Target: r.s.Target}})
	}
	calls[0].Delta.PermissionSetsToAdd, calls[0].Delta.PermissionSetsToRemove = d.Add, d.Remove
	return calls
}
