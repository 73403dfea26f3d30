package delivery

import (
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// step is a call of a plan that is being made, with the accounts it concerns.
type step struct {
	target    string
	delta     backend.Delta
	offboards *account     // whose membership or account ends
	invites   *view.Person // who needs an account
	accounts  map[string]*account
	isolated  bool // a part of a call that was refused
	sent      bool // which may have been applied
}

// steps turns the calls of a plan into steps.
func (v *visitWork) steps(calls []plan.Call) (out []step) {
	for _, c := range calls {
		s := step{target: c.Target, delta: c.Delta, accounts: map[string]*account{}}
		for _, change := range c.Delta.Changes {
			s.accounts[change.Account.ID] = v.accounts[change.Account.ID]
		}
		switch {
		case c.Offboard.ID != "":
			s.offboards = v.accounts[c.Offboard.ID]
			s.accounts[c.Offboard.ID] = s.offboards
		case c.Invite != "":
			i := slices.IndexFunc(v.Missing, func(p *view.Person) bool { return p.Key == c.Invite })
			s.invites = v.Missing[i]
		case len(c.Delta.PermissionSetsToAdd)+len(c.Delta.PermissionSetsToRemove) > 0:
			s.accounts[store.TargetSettings] = v.accounts[store.TargetSettings]
		}
		for _, a := range s.accounts {
			a.steps++
		}
		out = append(out, s)
	}
	return out
}
