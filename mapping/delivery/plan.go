package delivery

import (
	"cmp"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// step is one call to make, with the accounts it concerns.
type step struct {
	delta    backend.Delta
	accounts map[string]*account
	isolated bool // a part of a call that was refused
	sent     bool // which may have been applied
}

// plan cuts what is to be done on a target into calls: removals before additions, those from people who leave before
// all others, at most BatchSize people in a call.
func (w *Worker) plan(target string, v *visitWork) []step {
	var settings []*account
	var removals, additions, replacements []backend.Change
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		a := v.accounts[id]
		slices.Sort(a.add)
		slices.Sort(a.remove)
		change := func(op backend.Op, roles []string) backend.Change {
			return backend.Change{Account: a.Account, Op: op, Roles: roles, Recent: a.recent}
		}
		switch {
		case id == store.TargetSettings:
			if len(a.add)+len(a.remove) > 0 {
				settings = append(settings, a)
			}
		case a.replace:
			replacements = append(replacements, change(backend.Replace, slices.Sorted(maps.Keys(a.want))))
		default:
			if len(a.remove) > 0 {
				removals = append(removals, change(backend.Remove, a.remove))
			}
			if len(a.add) > 0 {
				additions = append(additions, change(backend.Add, a.add))
			}
		}
	}
	var groups [][]backend.Change
	if w.Backend.Traits().Mixed {
		groups = [][]backend.Change{slices.Concat(removals, additions)}
	} else {
		groups = [][]backend.Change{removals, replacements, additions}
	}
	var steps []step
	for _, changes := range groups {
		rank := func(c backend.Change) int {
			switch {
			case c.Op == backend.Remove && v.accounts[c.Account.ID].offboarded:
				return 0
			case c.Op == backend.Remove:
				return 1
			}
			return 2
		}
		slices.SortStableFunc(changes, func(a, b backend.Change) int { return cmp.Compare(rank(a), rank(b)) })
		for chunk := range slices.Chunk(changes, max(w.BatchSize, 1)) {
			steps = append(steps, newStep(backend.Delta{Target: target, Changes: chunk}, v))
		}
	}
	return withSettings(target, steps, settings, v)
}

func newStep(d backend.Delta, v *visitWork) step {
	s := step{delta: d, accounts: map[string]*account{}}
	for _, c := range d.Changes {
		a := v.accounts[c.Account.ID]
		a.steps++
		s.accounts[c.Account.ID] = a
	}
	return s
}

// withSettings lets the target's permission sets travel with the first call; alone if there is none.
func withSettings(target string, steps []step, settings []*account, v *visitWork) []step {
	for _, a := range settings {
		if len(steps) == 0 {
			steps = append(steps, newStep(backend.Delta{Target: target}, v))
		}
		a.steps++
		steps[0].delta.PermissionSetsToAdd = a.add
		steps[0].delta.PermissionSetsToRemove = a.remove
		steps[0].accounts[store.TargetSettings] = a
	}
	return steps
}
