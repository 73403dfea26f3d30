package delivery

import (
	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// step is a call of a plan that is being made, with the accounts it concerns.
type step struct {
	delta    backend.Delta
	accounts map[string]*account
	isolated bool // a part of a call that was refused
	sent     bool // which may have been applied
}

// steps turns the calls of a plan into steps.
func (v *visitWork) steps(calls []plan.Call) (out []step) {
	for _, c := range calls {
		s := step{delta: c.Delta, accounts: map[string]*account{}}
		for _, change := range c.Delta.Changes {
			s.accounts[change.Account.ID] = v.accounts[change.Account.ID]
		}
		if len(c.Delta.PermissionSetsToAdd)+len(c.Delta.PermissionSetsToRemove) > 0 {
			s.accounts[store.TargetItself] = v.accounts[store.TargetItself]
		}
		for _, a := range s.accounts {
			a.steps++
		}
		out = append(out, s)
	}
	return out
}
