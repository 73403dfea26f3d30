package bridge

import (
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/scim/config"
)

// policy is what a reload changes, at one moment: the rules, the brakes of each backend, and how many operators must
// approve a hold.
type policy struct {
	approvals int

	rules    *mapping.Rules
	backends map[string]*config.Backend
	brakes   map[string]view.Brakes
}

func newPolicy(rules *mapping.Rules, backends map[string]*config.Backend) *policy {
	p := &policy{rules: rules, backends: backends, brakes: map[string]view.Brakes{}}
	for name, c := range backends {
		p.brakes[name] = brakes(c)
	}
	return p
}

// of returns the policy of one backend.
func (p *policy) of(backend string) view.Policy {
	return view.Policy{Rules: p.rules, Brakes: p.brakes[backend]}
}

// brakes is what the configuration says about what may be done to a backend.
func brakes(c *config.Backend) view.Brakes {
	b := view.Brakes{Mode: view.Mode(c.Mode), OwnAccount: c.OwnAccount, MaxRemovals: limit(c.MaxRemovals), MaxOffboardings: limit(c.MaxOffboardings)}
	for _, p := range c.Protect {
		b.Protect = append(b.Protect, backend.Fold(p))
	}
	return b
}

func limit(l config.RemovalsLimit) view.Limit {
	return view.Limit{Count: l.Count, Percent: l.Percent, Window: time.Duration(l.Window)}
}
