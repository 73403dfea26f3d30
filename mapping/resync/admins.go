package resync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/mapping/lookup"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// AdminsAgain is how long after a last administrator was held the target is read again, and after
// each such read.
const AdminsAgain = 30 * time.Second

// readShare is the largest share of time, one in so many, that reading a target again may take: a
// large group has many pages.
const readShare = 10

// window is a time that began at a moment.
type window struct {
	began time.Time
	lasts time.Duration
}

// Admins looks again at targets on which a last administrator is held.
type Admins struct {
	*lookup.Finder
	windows map[string]window // nil: not yet read
}

// Again plans the next read of a target on which a last administrator is held, unless one is
// planned.
func (w *Admins) Again(target string, after time.Duration) {
	if _, planned := w.windows[target]; !planned && w.windows != nil {
		w.windows[target] = window{w.Clock(), after}
	}
}

// Next returns when a target will be due for recheck that is not now; zero: never by itself.
func (w *Admins) Next() (at time.Time) {
	if w.ModeNow() != view.Sync {
		return at
	}
	for target, again := range w.windows {
		t := again.began.Add(again.lasts)
		for _, later := range []time.Time{w.Breaker.PausedUntil(target), w.Recent.Lag} { // until then no read is trusted
			if later.After(t) {
				t = later
			}
		}
		if t.After(w.Clock()) {
			at = memory.Earlier(at, t)
		}
	}
	return at
}

// Due lists the targets to read now on which a last administrator is held. If another one
// is there, the hold dissolves: an off-boarding may wait for it.
func (w *Admins) Due(ctx context.Context) (due []string, err error) {
	if w.Traits().AdminRole == "" || w.ModeNow() != view.Sync {
		return nil, nil
	}
	if w.windows == nil {
		if err := w.findHeldAdmins(ctx); err != nil {
			return nil, err
		}
	}
	if w.Recent.Lag.After(w.Clock()) {
		return nil, nil
	}
	for _, target := range slices.Sorted(maps.Keys(w.windows)) {
		if again := w.windows[target]; !memory.Within(w.Clock(), again.began, again.lasts) && w.Breaker.PausedUntil(target).IsZero() {
			due = append(due, target)
		}
	}
	return due, nil
}

// Recheck reads a target on which a last administrator is held.
func (w *Admins) Recheck(ctx context.Context, f *flight.Flight) error {
	began := w.Clock()
	err := w.recheckTarget(ctx, f.Name)
	switch {
	case errors.Is(err, flight.ErrUrgent): // after the off-boarding
		return nil
	case err != nil && !w.Breaker.Failed(f.Name, err):
		return err
	}
	if _, held := w.windows[f.Name]; held {
		now := w.Clock()
		w.windows[f.Name] = window{now, max(AdminsAgain, readShare*now.Sub(began))}
	}
	return nil
}

// findHeldAdmins finds, once after the start, the targets on which a last administrator is held.
func (w *Admins) findHeldAdmins(ctx context.Context) error {
	found := map[string]window{}
	err := w.Store.View(ctx, func(tx store.Tx) error {
		for e, err := range tx.Ledger(w.Name).Entries("", "") {
			if err != nil {
				return err
			}
			if e.Why == plan.LastAdmin {
				found[e.Target] = window{w.Clock(), AdminsAgain}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for held administrators: %w", err)
	}
	w.windows = found
	return nil
}

// recheckTarget reads a target, and has the held administrators visited if another one is there.
func (w *Admins) recheckTarget(ctx context.Context, target string) error {
	role, held := w.Traits().AdminRole, map[string]bool{}
	var begun *plan.Ledger // of revocations alone: what the vendor shows must say who is left
	err := w.Store.View(ctx, func(tx store.Tx) error {
		clear(held)
		begun = plan.NewLedger()
		for e, err := range tx.Ledger(w.Name).Entries(target, "") {
			switch {
			case err != nil:
				return err
			case e.Why == plan.LastAdmin:
				held[e.Account] = true
			case e.State == store.Unknown && !e.Wanted:
				begun.Take(e, w.Clock(), w.Straggler)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for held administrators: %w", err)
	}
	if len(held) == 0 {
		delete(w.windows, target)
		return nil
	}
	seen, err := w.ReadTarget(ctx, target)
	if err != nil {
		return fmt.Errorf("looking for another administrator: %w", err)
	}
	w.Breaker.Succeeded(target)
	if !seen.Complete || seen.Partial || len(seen.Members) == 0 || !plan.AdminRemains(role, *seen, begun, w.Recent.RevokedOn(target), held) {
		return nil
	}
	return w.revisit(ctx, target, slices.Sorted(maps.Keys(held)))
}

// revisit marks accounts, those that are off-boarded first.
func (w *Admins) revisit(ctx context.Context, target string, accounts []string) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		for _, id := range accounts {
			a, touch := view.NewAccount(id), tx.Work(w.Name).Touch
			if err := w.Load(tx, target, id, a, nil); err != nil {
				return err
			}
			if a.Offboarded {
				touch = tx.Work(w.Name).TouchUrgent
			}
			if err := touch(target, w.Clock(), store.Origin{}, store.Subject{Account: id}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("marking administrators whose hold may be over: %w", err)
	}
	return nil
}
