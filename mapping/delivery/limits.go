package delivery

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Limit is how many people may lose something on a target within a window: the larger of Count and Percent of those
// who have something there. The zero value holds everything.
type Limit struct {
	Count, Percent int
	Window         time.Duration
}

// Limits are the reasons of a hold that are limits: the backend is over the limit on its target.
var Limits = []string{whyRemovals, whyOffboardings}

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

// within lists the accounts from which a removal was sent within a window: off-boardings, or all others.
func (b *brakes) within(window time.Duration, offboarded bool) map[string]bool {
	out, now := map[string]bool{}, b.worker.now()
	for _, s := range b.sent {
		if s.Leaving == offboarded && now.Sub(time.UnixMilli(s.At)) < window {
			out[s.Account] = true
		}
	}
	return out
}

// base counts the users of the target: those of the ledger now, and those that lost something within the window.
func (b *brakes) base(window time.Duration) int {
	all := maps.Clone(b.users)
	maps.Copy(all, b.within(window, false))
	maps.Copy(all, b.within(window, true))
	return len(all)
}

// limitRemovals holds the whole set of removals if, with those sent within the window, it exceeds max_removals.
func (b *brakes) limitRemovals() {
	l := b.worker.MaxRemovals
	all, planned := b.within(l.Window, false), false
	for _, a := range b.ordinary {
		if len(b.fresh(a)) > 0 {
			all[a.ID], planned = true, true
		}
	}
	if !planned || len(all) <= l.allows(b.base(l.Window)) {
		return
	}
	for _, a := range b.ordinary {
		b.holdFresh(a, whyRemovals)
	}
}

// limitOffboardings holds every off-boarding beyond max_offboardings, also a single one: the first ones up to the limit
// go at once, in the order in which the identity provider asked for them.
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

// asked returns when the change of an account was asked for first: its marks may have been made later, from those of a user.
func (a *account) asked() (at time.Time) {
	for _, m := range a.marks {
		at = earlier(at, earlier(m.Since, m.Origin.At))
	}
	return at
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
			b.worker.Log.Warn("over the limit: what exceeds it is held; decide with `scimbridge hold list`", "backend", b.worker.Name,
				"target", b.target, "limit", why, "allowed", l.allows(b.base(l.Window)), "window", l.Window)
		}
	}
}

// sentRemoval is a removal that a limit counts for as long as its window lasts.
type sentRemoval struct {
	Account string `json:"a"`
	At      int64  `json:"t"` // milliseconds of the epoch
	Leaving bool   `json:"l,omitempty"`
}

func sentKey(name, target string) string { return "removals/" + name + "/" + target }

func sentRemovals(tx store.Tx, name, target string) (out []sentRemoval, err error) {
	raw := tx.Setting(sentKey(name, target))
	if raw == nil {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading what was removed lately: %w", err)
	}
	return out, nil
}

// countRemovals remembers, in the transaction that records the attempt, whom a call takes something from.
func (w *Worker) countRemovals(tx store.Tx, s step, now time.Time) error {
	var more []sentRemoval
	for _, c := range s.delta.Changes {
		if a := s.accounts[c.Account.ID]; a.counts && len(a.remove) > 0 && c.Op != backend.Add {
			more = append(more, sentRemoval{a.ID, now.UnixMilli(), a.offboarded})
		}
	}
	if a := s.accounts[store.TargetItself]; a != nil && len(s.delta.PermissionSetsToRemove) > 0 {
		for _, id := range a.users {
			more = append(more, sentRemoval{id, now.UnixMilli(), false})
		}
	}
	if len(more) == 0 {
		return nil
	}
	old, err := sentRemovals(tx, w.Name, s.delta.Target)
	if err != nil {
		return err
	}
	window := max(w.MaxRemovals.Window, w.MaxOffboardings.Window)
	old = slices.DeleteFunc(old, func(r sentRemoval) bool {
		return now.Sub(time.UnixMilli(r.At)) >= window || slices.ContainsFunc(more, func(m sentRemoval) bool { return m.Account == r.Account && m.Leaving == r.Leaving })
	})
	raw, err := json.Marshal(append(old, more...))
	if err != nil {
		return fmt.Errorf("remembering what was removed: %w", err)
	}
	return tx.SetSetting(sentKey(w.Name, s.delta.Target), raw)
}
