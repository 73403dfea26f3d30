package delivery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/breaker"
	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// withinLimit takes targets beyond max_targets out of those that are due, and blocks what waits on
// them. A target that holds grants, or on which a user is off-boarded, is never beyond it.
func (w *Worker) withinLimit(ctx context.Context, due []flight.Target) ([]flight.Target, error) {
	if !slices.ContainsFunc(due, flight.Target.MayExceed) {
		return due, nil
	}
	var beyond map[string]bool
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		beyond, _, err = w.Beyond(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting the targets that groups name: %w", err)
	}
	within, blocked := due[:0:0], []string{}
	for _, t := range due {
		if !beyond[t.Name] || !t.MayExceed() || w.Under(t.Name) {
			within = append(within, t)
			continue
		}
		blocked = append(blocked, t.Name)
	}
	if len(blocked) == 0 {
		return within, nil
	}
	w.Log.Warn("groups name more targets than max_targets allows: the others are blocked; see `scimbridge plan`",
		"backend", w.Name, "blocked_targets", len(blocked))
	return within, w.blockAll(ctx, reason.TooManyTargets, breaker.LongestRetry, blocked...)
}

// blockAll blocks everything that is due on targets. It is tried again after at most longest.
func (w *sender) blockAll(ctx context.Context, reason string, longest time.Duration, targets ...string) error {
	var all []store.Mark
	err := w.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		for _, t := range targets {
			marks, err := w.ReadyMarks(tx, t, false)
			if err != nil {
				return err
			}
			all = append(all, marks...)
		}
		return nil
	})
	if err == nil {
		err = memory.InParts(ctx, w.Store, all, func(tx store.Tx, marks []store.Mark) error {
			for _, m := range marks {
				if err := w.Breaker.Park(tx, m, reason, longest); err != nil {
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
func (w *sender) blockTarget(ctx context.Context, target string) error {
	w.Log.Warn("the vendor has no such target: its grants wait until it is there", "backend", w.Name, "target", target)
	w.Breaker.Say(target, reason.NoTarget, "the backend has no such target")
	longest := breaker.LongestRetry
	err := w.Store.View(ctx, func(tx store.Tx) error {
		holds, err := w.HoldsGrants(tx, target)
		if !holds {
			longest = missingClock
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading what a missing target holds: %w", err)
	}
	return w.blockAll(ctx, reason.NoTarget, longest, target)
}
