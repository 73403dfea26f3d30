package delivery

import (
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// exceeded logs that a limit holds something on the target, if it held nothing there before.
func (w *recorder) exceeded(target string, whys []string) {
	for _, why := range whys {
		switch why {
		case plan.Removals:
			w.overLimit(target, why, w.InForce().MaxRemovals)
		case plan.Offboardings:
			w.overLimit(target, why, w.InForce().MaxOffboardings)
		}
	}
}

func (w *recorder) overLimit(target, limit string, l view.Limit) {
	w.Log.Warn("over the limit: what exceeds it is held; decide with `scimbridge hold list`", "backend", w.Name, "target", target,
		"limit", limit, "count", l.Count, "percent", l.Percent, "window", l.Window)
}

// countRemovals remembers, in the transaction that records the attempt, from which accounts a call
// takes something. Of what was approved it remembers only off-boardings: their end needs no other
// decision.
func (w *recorder) countRemovals(tx store.Tx, s step, now time.Time) error {
	var more, ends []record.Removal
	for _, c := range s.delta.Changes {
		a := s.accounts[c.Account.ID]
		r := record.Removal{Account: a.ID, Kind: record.RemovalOfRole, At: now, Approved: !a.Counts}
		if len(a.Remove) == 0 || c.Op == backend.Add || r.Approved && !(a.Offboarded && a.approved()) {
			continue
		}
		if a.Offboarded {
			r.Kind = record.RemovalByOffboarding
			ends = append(ends, r)
		}
		more = append(more, r)
	}
	if a := s.accounts[store.TargetSettings]; a != nil && len(s.delta.PermissionSetsToRemove) > 0 {
		for _, id := range a.SetUsers {
			more = append(more, record.Removal{Account: id, Kind: record.RemovalOfRole, At: now})
		}
	}
	if listing := w.Listing(s.target); listing != s.target && w.Offboards() {
		if err := w.noteSent(tx, listing, ends); err != nil {
			return err
		}
	}
	return w.noteSent(tx, s.target, more)
}

// approved reports whether an operator approved a removal from the account.
func (a *account) approved() bool {
	return slices.ContainsFunc(a.Remove, func(role string) bool { return a.Owned[role].Approved })
}

// noteSent remembers removals for as long as a limit counts them.
func (w *recorder) noteSent(tx store.Tx, where string, more []record.Removal) error {
	now, window := w.Clock(), max(w.InForce().MaxRemovals.Window, w.InForce().MaxOffboardings.Window)
	for _, m := range more {
		m.Backend, m.Target, m.At = w.Name, where, m.At.UTC().Truncate(time.Millisecond)
		m.Expires = m.At.Add(window)
		old, there, err := record.Get(tx, m)
		if err != nil {
			return err
		}
		if there && m.Approved && now.Sub(old.At) < window { // what was counted stays so
			continue
		}
		if err := record.Put(tx, m); err != nil {
			return err
		}
	}
	return nil
}
