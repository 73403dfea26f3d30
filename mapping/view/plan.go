package view

import (
	"fmt"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// Planner is what the configuration of the worker says about plans.
func (w *View) Planner() plan.Planner {
	b := w.InForce().Brakes
	return plan.Planner{Mode: w.ModeNow(), BatchSize: w.BatchSize, Straggler: w.Straggler, Protect: b.Protect, OwnAccount: b.OwnAccount,
		MaxRemovals: b.MaxRemovals, MaxOffboardings: b.MaxOffboardings, Traits: w.Traits(), Invite: w.Invite}
}

// Plan plans in a transaction what the store alone can tell. since has the origins of marks that came
// after those of the visit.
func (w *View) Plan(tx store.Tx, target string, v *Visit, seen *backend.Observation, since map[store.Subject]store.Origin) (p plan.Plan, err error) {
	s, err := w.Snapshot(tx, target, v)
	if err == nil {
		err = w.loadOrigins(tx, target, v, since)
	}
	if err != nil {
		return p, fmt.Errorf("computing what is wanted: %w", err)
	}
	s.Seen = seen
	for p = w.Planner().Plan(s, w.Clock()); p.Needs.Ledger || p.Needs.Leavers; p = w.Planner().Plan(s, w.Clock()) {
		if err := w.measure(tx, &s, v, p.Needs); err != nil {
			return p, fmt.Errorf("computing what is wanted: %w", err)
		}
	}
	return p, nil
}

// measure reads what the limits of a plan are measured by.
func (w *View) measure(tx store.Tx, s *plan.Snapshot, v *Visit, needs plan.Needs) (err error) {
	if needs.Ledger {
		if s.Ledger, v.Open, err = w.Summary(tx, *s); err != nil {
			return err
		}
	}
	if needs.Leavers {
		s.Leavers, err = w.Leavers(tx, s.Target)
	}
	return err
}
