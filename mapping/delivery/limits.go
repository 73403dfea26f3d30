package delivery

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Limit is how many people may lose something on a target within a window: the larger of Count and
// Percent of those who have something there. The zero value holds everything.
type Limit struct {
	Count, Percent int
	Window         time.Duration
}

// Limits are the reasons of a hold that are limits: the backend is over the limit on its target.
var Limits = []string{whyRemovals, LimitOffboardings}

// LimitOffboardings is the limit of off-boardings.
const LimitOffboardings = whyOffboardings

// allows returns for how many of that many users it allows a loss.
func (l Limit) allows(users int) int { return max(l.Count, l.Percent*users/100) }

// limits decides by what was measured.
func (b *brakes) limits(v *visitWork) {
	b.keepTeams(v)
	b.limitRemovals()
	b.limitOffboardings()
	b.limitSets(v)
	for _, a := range slices.Concat(b.ordinary, b.leaving) {
		a.counts = len(b.fresh(a)) > 0 // neither what is held, nor what was approved of the same person
	}
}

// within lists the accounts from which a removal was sent within a window: off-boardings, or all
// others.
func (b *brakes) within(window time.Duration, offboarded bool) map[string]bool {
	out, now := map[string]bool{}, b.worker.now()
	for _, s := range b.sent {
		if s.Leaving == offboarded && !s.Approved && now.Sub(time.UnixMilli(s.At)) < window {
			out[s.Account] = true
		}
	}
	return out
}

// base counts the users of the target: those of the ledger now, and those that lost something
// within the window.
func (b *brakes) base(window time.Duration) int {
	all := maps.Clone(b.users)
	maps.Copy(all, b.within(window, false))
	maps.Copy(all, b.within(window, true))
	return len(all)
}

// limitRemovals holds the whole set of removals if, with those sent within the window, it exceeds
// max_removals.
func (b *brakes) limitRemovals() {
	l := b.worker.MaxRemovals
	all, planned := b.within(l.Window, false), false
	for _, a := range b.ordinary {
		if len(b.fresh(a)) > 0 {
			all[a.ID], planned = true, true
		}
	}
	if !planned || !b.broken && len(all) <= l.allows(b.base(l.Window)) {
		return
	}
	for _, a := range b.ordinary {
		b.holdFresh(a, whyRemovals)
	}
}

// limitOffboardings holds every off-boarding beyond max_offboardings, also a single one: the first
// ones up to the limit go at once, in the order in which the identity provider asked for them.
func (b *brakes) limitOffboardings() {
	l := b.worker.MaxOffboardings
	gone, allowed := b.within(l.Window, true), l.allows(b.base(l.Window))
	for _, a := range slices.SortedStableFunc(slices.Values(b.leaving), func(x, y *account) int { return x.asked().Compare(y.asked()) }) {
		switch {
		case len(b.fresh(a)) == 0 || gone[a.ID]:
		case len(gone) < allowed:
			gone[a.ID] = true
		default:
			b.holdFresh(a, whyOffboardings)
		}
	}
}

// asked returns when the change of an account was asked for first: its marks may have been made
// later, from those of a user.
func (a *account) asked() (at time.Time) {
	for _, m := range a.marks {
		at = earlier(at, earlier(m.Since, m.Origin.At))
	}
	return at
}

// asked lists the accounts in the order in which their changes were asked for.
func (v *visitWork) asked() []string {
	return slices.SortedStableFunc(slices.Values(slices.Sorted(maps.Keys(v.accounts))), func(x, y string) int {
		return v.accounts[x].asked().Compare(v.accounts[y].asked())
	})
}

// holdFresh holds everything of an account that is not held, approved or begun.
func (b *brakes) holdFresh(a *account, why string) {
	for _, role := range b.fresh(a) {
		b.hold(a, role, why)
	}
}

// exceeded logs that a limit holds something on the target, if it held nothing there before.
func (b *brakes) exceeded(created map[string]openHold) {
	for why, l := range map[string]Limit{whyRemovals: b.worker.MaxRemovals, whyOffboardings: b.worker.MaxOffboardings} {
		if _, held := created[why]; held && !b.since[why] {
			b.worker.overLimit(b.target, why, l)
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
		r := sentRemoval{Account: a.ID, At: now.UnixMilli(), Leaving: a.offboarded, Approved: !a.counts}
		if len(a.remove) == 0 || c.Op == backend.Add || r.Approved && !(a.offboarded && a.approved()) {
			continue
		}
		more = append(more, r)
		if a.offboarded {
			ends = append(ends, r)
		}
	}
	if a := s.accounts[store.TargetSettings]; a != nil && len(s.delta.PermissionSetsToRemove) > 0 {
		for _, id := range a.users {
			more = append(more, sentRemoval{Account: id, At: now.UnixMilli()})
		}
	}
	if listing := w.listing(s.delta.Target); listing != s.delta.Target && w.offboards() {
		if err := w.noteSent(tx, listing, ends); err != nil {
			return err
		}
	}
	return w.noteSent(tx, s.delta.Target, more)
}

// approved reports whether an operator approved a removal from the account.
func (a *account) approved() bool {
	return slices.ContainsFunc(a.remove, func(role string) bool { return a.mine[role].Approved })
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
