package delivery

import (
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// size counts what halving can separate.
func size(s step) int {
	n := len(s.delta.Changes)
	if n == 1 && s.delta.Changes[0].Op != backend.Replace {
		n = len(s.delta.Changes[0].Roles)
	}
	return n + len(s.delta.PermissionSetsToAdd) + len(s.delta.PermissionSetsToRemove)
}

// halves splits a refused step. Permission sets are tried alone, away from the people.
func halves(s step) []step {
	if a := s.accounts[store.TargetSettings]; a != nil {
		if len(s.delta.Changes) == 0 {
			return halfSets(s)
		}
		people := step{target: s.target, delta: backend.Delta{Target: s.target, Changes: s.delta.Changes}, accounts: s.accounts}
		sets := step{target: s.target, delta: s.delta, accounts: map[string]*account{store.TargetSettings: a}}
		sets.delta.Changes = nil
		people.accounts = without(s.accounts, store.TargetSettings)
		return []step{people, sets}
	}
	if len(s.delta.Changes) == 1 {
		return halfRoles(s)
	}
	var out []step
	for part := range slices.Chunk(s.delta.Changes, (len(s.delta.Changes)+1)/2) {
		h := step{target: s.target, delta: backend.Delta{Target: s.target, Changes: part}, accounts: map[string]*account{}}
		for _, c := range part {
			h.accounts[c.Account.ID] = s.accounts[c.Account.ID]
		}
		out = append(out, h)
	}
	return out
}

// halfRoles splits the roles of a single person, who then takes part in two steps.
func halfRoles(s step) []step {
	c := s.delta.Changes[0]
	s.accounts[c.Account.ID].steps++
	var out []step
	for part := range slices.Chunk(c.Roles, (len(c.Roles)+1)/2) {
		one := c
		one.Roles = part
		out = append(out, step{target: s.target, delta: backend.Delta{Target: s.target, Changes: []backend.Change{one}}, accounts: s.accounts})
	}
	return out
}

// halfSets splits the permission sets of a target: what is taken off it does not wait for what cannot be
// put on it.
func halfSets(s step) []step {
	s.accounts[store.TargetSettings].steps++
	half := func(add, remove []string) step {
		return step{target: s.target, delta: backend.Delta{Target: s.target, PermissionSetsToAdd: add, PermissionSetsToRemove: remove}, accounts: s.accounts}
	}
	add, remove := s.delta.PermissionSetsToAdd, s.delta.PermissionSetsToRemove
	switch {
	case len(remove) == 0:
		return []step{half(add[:len(add)/2], nil), half(add[len(add)/2:], nil)}
	case len(add) == 0:
		return []step{half(nil, remove[:len(remove)/2]), half(nil, remove[len(remove)/2:])}
	}
	return []step{half(nil, remove), half(add, nil)}
}

func without(m map[string]*account, id string) map[string]*account {
	out := map[string]*account{}
	for k, v := range m {
		if k != id {
			out[k] = v
		}
	}
	return out
}
