package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// tooManyTargets is why everything waits on a target that the names of groups create beyond
// max_targets.
const tooManyTargets = "too_many_targets"

// withinLimit takes targets beyond max_targets out of those that are due, and blocks what waits on
// them. A target that holds grants, or on which a user is off-boarded, is never beyond it.
func (w *Worker) withinLimit(ctx context.Context, due []dueTarget) ([]dueTarget, error) {
	if !slices.ContainsFunc(due, dueTarget.mayExceed) {
		return due, nil
	}
	var beyond map[string]bool
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		beyond, _, err = w.beyond(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting the targets that groups name: %w", err)
	}
	within, blocked := due[:0:0], []string{}
	for _, t := range due {
		if !beyond[t.name] || !t.mayExceed() || w.flights[t.name] != nil {
			within = append(within, t)
			continue
		}
		blocked = append(blocked, t.name)
	}
	if len(blocked) == 0 {
		return within, nil
	}
	w.Log.Warn("groups name more targets than max_targets allows: the others are blocked; see `scimbridge plan`",
		"backend", w.Name, "blocked_targets", len(blocked))
	return within, w.blockAll(ctx, tooManyTargets, longestRetry, blocked...)
}

// mayExceed reports whether a target can be beyond max_targets.
func (t dueTarget) mayExceed() bool { return t.fresh && !t.urgent }

// beyond returns the targets beyond max_targets, and the rules whose groups name them.
func (w *Worker) beyond(tx store.Tx) (map[string]bool, []mapping.Excess, error) {
	over, err := w.inForce().Excesses(w.Name, func(yield func(mapping.Named) error) error {
		for _, idp := range tx.IdPs() {
			for g, err := range tx.Directory(idp).Groups(store.From{}) {
				if err != nil {
					return err
				}
				if err := yield(mapping.Named{IdP: idp, Group: g}); err != nil {
					return err
				}
			}
		}
		return nil
	}, func(target string) (bool, error) { return w.holdsGrants(tx, target) })
	if err != nil {
		return nil, nil, err
	}
	out := map[string]bool{}
	for _, e := range over {
		for _, t := range e.Targets {
			out[t] = true
		}
	}
	return out, over, nil
}

// holdsGrants reports whether the ledger has an entry of a target.
func (w *Worker) holdsGrants(tx store.Tx, target string) (bool, error) {
	for _, err := range tx.Ledger(w.Name).Entries(target, "") {
		return err == nil, err
	}
	return false, nil
}

// absent returns the targets that are blocked as a whole and hold no grants: a resync has nothing to
// compare there.
func (w *Worker) absent(tx store.Tx) (map[string]bool, error) {
	out := map[string]bool{}
	for m, err := range tx.Work(w.Name).Marks("") {
		if err != nil {
			return nil, err
		}
		if _, seen := out[m.Target]; seen || m.State != store.Blocked || m.Reason != noTarget && m.Reason != tooManyTargets {
			continue
		}
		holds, err := w.holdsGrants(tx, m.Target)
		if err != nil {
			return nil, err
		}
		out[m.Target] = !holds
	}
	return out, nil
}

// blockAll blocks everything that is due on targets. It is tried again after at most longest.
func (w *Worker) blockAll(ctx context.Context, reason string, longest time.Duration, targets ...string) error {
	var all []store.Mark
	err := w.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		for _, t := range targets {
			marks, err := w.marksOf(tx, dueTarget{name: t})
			if err != nil {
				return err
			}
			all = append(all, marks...)
		}
		return nil
	})
	if err == nil {
		err = inParts(ctx, w.Store, all, func(tx store.Tx, marks []store.Mark) error {
			for _, m := range marks {
				if err := w.block(tx, m, reason, longest); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("blocking targets (%s): %w", reason, err)
	}
	return nil
}

// missingClock is how far apart a target is tried at most on which the bridge never granted
// anything, and which the vendor does not have.
const missingClock = time.Hour

// blockTarget blocks everything on a target that the vendor does not have: no other target waits
// for it.
func (w *Worker) blockTarget(ctx context.Context, target string) error {
	w.Log.Warn("the vendor has no such target: its grants wait until it is there", "backend", w.Name, "target", target)
	w.health.at(target, noTarget, "the backend has no such target")
	longest := longestRetry
	err := w.Store.View(ctx, func(tx store.Tx) error {
		holds, err := w.holdsGrants(tx, target)
		if !holds {
			longest = missingClock
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading what a missing target holds: %w", err)
	}
	return w.blockAll(ctx, noTarget, longest, target)
}
