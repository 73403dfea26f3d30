package delivery

import (
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// Limit is how many accounts may lose something on a target within a window.
type Limit = plan.Limit

// Limits are the reasons of a hold that are limits: the backend is over the limit on its target.
var Limits = []string{plan.Removals, LimitOffboardings}

// LimitOffboardings is the limit of off-boardings.
const LimitOffboardings = plan.Offboardings

// asked returns when the change of an account was asked for first: its marks may have been made
// later, from those of a user.
func (a *account) asked() (at time.Time) {
	for _, m := range a.marks {
		at = earlier(at, earlier(m.Since, m.Origin.At))
	}
	return at
}

// exceeded logs that a limit holds something on the target, if it held nothing there before.
func (w *Worker) exceeded(target string, whys []string) {
	for _, why := range whys {
		switch why {
		case plan.Removals:
			w.overLimit(target, why, w.MaxRemovals)
		case plan.Offboardings:
			w.overLimit(target, why, w.MaxOffboardings)
		}
	}
}

func (w *Worker) overLimit(target, limit string, l Limit) {
	w.Log.Warn("over the limit: what exceeds it is held; decide with `scimbridge hold list`", "backend", w.Name, "target", target,
		"limit", limit, "count", l.Count, "percent", l.Percent, "window", l.Window)
}

// sentRemoval is a removal that a limit counts for as long as its window lasts.
type sentRemoval struct {
	Account string `json:"a"`
	At      int64  `json:"t"` // milliseconds of the epoch
	Leaving bool   `json:"l,omitempty"`
	// Approved removals are counted by no limit.
	Approved bool `json:"ok,omitempty"`
}

// sentRemovals lists the removals that a limit counts at a moment.
func sentRemovals(tx store.Tx, name, target string, now time.Time) (out []sentRemoval, err error) {
	for r, err := range store.List(tx, store.Removal{Backend: name, Target: target}) {
		if err != nil {
			return nil, fmt.Errorf("reading what was removed lately: %w", err)
		}
		if !r.Expires.After(now) {
			continue // not swept yet
		}
		out = append(out, sentRemoval{Account: r.Account, At: r.At.UnixMilli(), Leaving: r.Kind == store.RemovalByOffboarding, Approved: r.Approved})
	}
	return out, nil
}

// row is the record of a removal, which expires when no limit counts it any more.
func (r sentRemoval) row(backend, target string, window time.Duration) store.Removal {
	kind, at := store.RemovalOfRole, time.UnixMilli(r.At).UTC()
	if r.Leaving {
		kind = store.RemovalByOffboarding
	}
	return store.Removal{Backend: backend, Target: target, Account: r.Account, Kind: kind, At: at, Approved: r.Approved, Expires: at.Add(window)}
}

// countRemovals remembers, in the transaction that records the attempt, from which accounts a call
// takes something. Of what was approved it remembers only off-boardings: their end needs no other
// decision.
func (w *Worker) countRemovals(tx store.Tx, s step, now time.Time) error {
	var more, ends []sentRemoval
	for _, c := range s.delta.Changes {
		a := s.accounts[c.Account.ID]
		r := sentRemoval{Account: a.ID, At: now.UnixMilli(), Leaving: a.Offboarded, Approved: !a.Counts}
		if len(a.Remove) == 0 || c.Op == backend.Add || r.Approved && !(a.Offboarded && a.approved()) {
			continue
		}
		more = append(more, r)
		if a.Offboarded {
			ends = append(ends, r)
		}
	}
	if a := s.accounts[store.TargetSettings]; a != nil && len(s.delta.PermissionSetsToRemove) > 0 {
		for _, id := range a.SetUsers {
			more = append(more, sentRemoval{Account: id, At: now.UnixMilli()})
		}
	}
	if listing := w.listing(s.target); listing != s.target && w.offboards() {
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
func (w *Worker) noteSent(tx store.Tx, where string, more []sentRemoval) error {
	now, window := w.now(), max(w.MaxRemovals.Window, w.MaxOffboardings.Window)
	for _, m := range more {
		row := m.row(w.Name, where, window)
		old, there, err := store.Get(tx, row)
		if err != nil {
			return err
		}
		if there && m.Approved && now.Sub(old.At) < window { // what was counted stays so
			continue
		}
		if err := store.Put(tx, row); err != nil {
			return err
		}
	}
	return nil
}
