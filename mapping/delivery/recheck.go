package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// adminsAgain is how long after a last administrator was held the target is read again, and after
// each such read.
const adminsAgain = 30 * time.Second

// readShare is the largest share of time, one in so many, that reading a target again may take: a
// large group has many pages.
const readShare = 10

// window is a time that began at a moment.
type window struct {
	began time.Time
	lasts time.Duration
}

// recheckAt plans the next read of a target on which a last administrator is held, unless one is
// planned.
func (w *Worker) recheckAt(target string, after time.Duration) {
	if _, planned := w.admins[target]; !planned && w.admins != nil {
		w.admins[target] = window{w.now(), after}
	}
}

// adminsAt returns when a target will be due for recheck that is not now; zero: never by itself.
func (w *Worker) adminsAt() (at time.Time) {
	if w.mode() != Sync {
		return at
	}
	for target, again := range w.admins {
		t := again.began.Add(again.lasts)
		for _, later := range []time.Time{w.pausedUntil(target), w.lag} { // until then no read is trusted
			if later.After(t) {
				t = later
			}
		}
		if t.After(w.now()) {
			at = earlier(at, t)
		}
	}
	return at
}

// recheckAdmins lists the targets to read now on which a last administrator is held. If another one
// is there, the hold dissolves: an off-boarding may wait for it.
func (w *Worker) recheckAdmins(ctx context.Context) (due []string, err error) {
	if w.Backend.Traits().AdminRole == "" || w.mode() != Sync {
		return nil, nil
	}
	if w.admins == nil {
		if err := w.findHeldAdmins(ctx); err != nil {
			return nil, err
		}
	}
	if w.lag.After(w.now()) {
		return nil, nil
	}
	for _, target := range slices.Sorted(maps.Keys(w.admins)) {
		if again := w.admins[target]; !within(w.now(), again.began, again.lasts) && w.pausedUntil(target).IsZero() {
			due = append(due, target)
		}
	}
	return due, nil
}

// recheck reads a target on which a last administrator is held.
func (w *Worker) recheck(ctx context.Context, f *flight) error {
	began := w.now()
	err := w.recheckTarget(ctx, f.name)
	switch {
	case errors.Is(err, errUrgent): // after the off-boarding
		return nil
	case err != nil && !w.failed(f.name, err):
		return err
	}
	if _, held := w.admins[f.name]; held {
		now := w.now()
		w.admins[f.name] = window{now, max(adminsAgain, readShare*now.Sub(began))}
	}
	return nil
}

// findHeldAdmins finds, once after the start, the targets on which a last administrator is held.
func (w *Worker) findHeldAdmins(ctx context.Context) error {
	found := map[string]window{}
	err := w.Store.View(ctx, func(tx store.Tx) error {
		for e, err := range tx.Ledger(w.Name).Entries("", "") {
			if err != nil {
				return err
			}
			if e.Why == plan.LastAdmin {
				found[e.Target] = window{w.now(), adminsAgain}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for held administrators: %w", err)
	}
	w.admins = found
	return nil
}

// recheckTarget reads a target, and has the held administrators visited if another one is there.
func (w *Worker) recheckTarget(ctx context.Context, target string) error {
	role, held := w.Backend.Traits().AdminRole, map[string]bool{}
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
				begun.Take(e, w.now(), w.Straggler)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for held administrators: %w", err)
	}
	if len(held) == 0 {
		delete(w.admins, target)
		return nil
	}
	seen, err := w.readTarget(ctx, target)
	if err != nil {
		return fmt.Errorf("looking for another administrator: %w", err)
	}
	w.succeeded(target)
	if !seen.Complete || seen.Partial || len(seen.Members) == 0 || !plan.AdminRemains(role, *seen, begun, w.revokedOn(target), held) {
		return nil
	}
	return w.revisit(ctx, target, slices.Sorted(maps.Keys(held)))
}

// revisit marks accounts, those that are off-boarded first.
func (w *Worker) revisit(ctx context.Context, target string, accounts []string) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		for _, id := range accounts {
			a, touch := newAccount(id), tx.Work(w.Name).Touch
			if err := w.load(tx, target, id, a, nil); err != nil {
				return err
			}
			if a.Offboarded {
				touch = tx.Work(w.Name).TouchUrgent
			}
			if err := touch(target, w.now(), store.Origin{}, store.Subject{Account: id}); err != nil {
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
