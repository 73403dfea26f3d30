package plan

import (
	"maps"
	"slices"
	"time"
)

// Limit is how many accounts may lose something on a target within a window: the larger of Count and
// Percent of those that have something there. The zero value holds everything.
type Limit struct {
	Count, Percent int
	Window         time.Duration
}

// Allows returns for how many of that many accounts the limit allows a loss.
func (l Limit) Allows(users int) int { return max(l.Count, l.Percent*users/100) }

// limits decides by what was measured.
func (r *run) limits() {
	r.keepTeams()
	r.limitRemovals()
	r.limitOffboardings()
	r.limitSets()
	for _, d := range slices.Concat(r.ordinary, r.leaving) {
		d.Counts = len(d.limited()) > 0 // neither what is held, nor what was approved of the same account
	}
}

// within lists the accounts from which something was revoked within a window: off-boardings, or all
// others.
func (r *run) within(window time.Duration, offboarded bool) map[string]bool {
	out := map[string]bool{}
	for _, s := range r.ledger.Sent {
		if s.Leaving == offboarded && !s.Approved && r.now.Sub(s.At) < window {
			out[s.Account] = true
		}
	}
	return out
}

// base counts the accounts of the target: those of the ledger now, and those that lost something
// within the window.
func (r *run) base(window time.Duration) int {
	all := maps.Clone(r.ledger.Users)
	maps.Copy(all, r.within(window, false))
	maps.Copy(all, r.within(window, true))
	return len(all)
}

// limitRemovals holds the whole set of revocations if, with those sent within the window, it exceeds
// max_removals.
func (r *run) limitRemovals() {
	l := r.MaxRemovals
	all, planned := r.within(l.Window, false), false
	for _, d := range r.ordinary {
		if len(d.limited()) > 0 {
			all[d.ID], planned = true, true
		}
	}
	if !planned || !r.ledger.Unwritten && len(all) <= l.Allows(r.base(l.Window)) {
		return
	}
	for _, d := range r.ordinary {
		d.holdFresh(Removals)
	}
}

// limitOffboardings holds every off-boarding beyond max_offboardings, also a single one: the first
// ones up to the limit go at once, in the order in which the identity provider asked for them.
func (r *run) limitOffboardings() {
	l := r.MaxOffboardings
	gone, allowed := r.within(l.Window, true), l.Allows(r.base(l.Window))
	for _, d := range inOrder(r.leaving) {
		switch {
		case len(d.limited()) == 0 || gone[d.ID]:
		case len(gone) < allowed:
			gone[d.ID] = true
		default:
			d.holdFresh(Offboardings)
		}
	}
}

// inOrder sorts accounts by when their changes were asked for.
func inOrder(all []*draft) []*draft {
	return slices.SortedStableFunc(slices.Values(all), func(x, y *draft) int { return x.Asked.Compare(y.Asked) })
}

// holdFresh holds everything of an account that is not held, approved or begun.
func (d *draft) holdFresh(why string) {
	for _, role := range d.limited() {
		d.hold(role, why)
	}
}
