package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// endHolds lists held off-boardings as holds.
func (w *Desk) endHolds(tx store.Tx) (out []Hold, err error) {
	all, err := memory.HeldEnds(tx, w.Name)
	for _, h := range all {
		if h.Approved {
			continue
		}
		i := slices.IndexFunc(out, func(o Hold) bool { return o.ID == h.ID })
		if i < 0 {
			i = len(out)
			out = append(out, Hold{ID: h.ID, Backend: w.Name, Target: h.Target, Why: memory.WhyEnd(h), Since: h.Since, end: true})
		}
		out[i].Grants = append(out[i].Grants, HeldItem{Person: h.Key, Account: h.Account, Role: memory.Membership})
	}
	return out, err
}

// ErrNoHold is the answer to a decision about a hold that does not exist, or not any more.
var ErrNoHold = errors.New("no such hold")

// ErrProtected is the answer to an approval of what the configuration protects.
var ErrProtected = errors.New("the configuration protects this person")

// Holds lists what is held, the oldest first. It may be called from any goroutine.
func (w *Desk) Holds(ctx context.Context) (out []Hold, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		out, err = w.allHolds(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing holds: %w", err)
	}
	return out, nil
}

// allHolds reads the holds of every kind.
func (w *Desk) allHolds(tx store.Tx) ([]Hold, error) {
	removals, err := w.removalHolds(tx)
	if err != nil {
		return nil, err
	}
	pins, err := w.pinHolds(tx)
	if err != nil {
		return nil, err
	}
	vanished, err := w.vanishedHolds(tx)
	if err != nil {
		return nil, err
	}
	ends, err := w.endHolds(tx)
	if err != nil {
		return nil, err
	}
	out := slices.Concat(removals, pins, vanished, ends)
	slices.SortStableFunc(out, func(a, b Hold) int { return a.Since.Compare(b.Since) })
	for i := range out {
		slices.SortFunc(out[i].Grants, func(a, b HeldItem) int {
			return cmp.Or(strings.Compare(a.Person, b.Person), strings.Compare(a.Account, b.Account), strings.Compare(a.Role, b.Role))
		})
		if err := out[i].seal(); err != nil {
			return nil, err
		}
	}
	return out, approvedOnce(tx, out)
}

// removalHolds reads the holds of the ledger.
func (w *Desk) removalHolds(tx store.Tx) (out []Hold, err error) {
	at, users := map[string]int{}, map[string]int{}
	target, account := "", ""
	for e, err := range tx.Ledger(w.Name).Entries("", "") {
		if err != nil {
			return nil, err
		}
		if counted := e.Account != store.TargetSettings && e.State != store.Absent; counted && (e.Target != target || e.Account != account) {
			target, account = e.Target, e.Account // entries of an account stand together
			users[target]++
		}
		if e.Hold == "" {
			continue
		}
		i, known := at[e.Hold]
		if !known {
			i = len(out)
			at[e.Hold] = i
			out = append(out, Hold{ID: e.Hold, Backend: w.Name, Target: e.Target, Why: e.Why, Since: e.HeldSince})
		}
		if e.HeldSince.Before(out[i].Since) {
			out[i].Since = e.HeldSince
		}
		out[i].Grants = append(out[i].Grants, HeldItem{Person: e.Key, Account: e.Account, Role: e.Role, PermissionSet: e.Account == store.TargetSettings})
	}
	for _, h := range out {
		for i := range h.Grants {
			if h.Grants[i].PermissionSet {
				h.Grants[i].Users = users[h.Target]
			}
		}
	}
	return out, nil
}

// ShowHolds is Holds for an operator who decides about what is listed: each hold takes in nothing
// more from then on. It may be called from any goroutine.
func (w *Desk) ShowHolds(ctx context.Context) ([]Hold, error) {
	var out []Hold
	fresh := false
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		if out, err = w.allHolds(tx); err != nil {
			return err
		}
		shown, err := w.Shown(tx)
		fresh = slices.ContainsFunc(out, func(h Hold) bool { return !slices.Contains(shown, h.base()) })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing holds: %w", err)
	}
	if !fresh {
		return out, nil
	}
	var noted []Hold
	err = w.Store.Update(ctx, func(tx store.Tx) (err error) {
		if noted, err = w.allHolds(tx); err != nil {
			return err
		}
		shown := make([]string, len(noted))
		for i, h := range noted {
			shown[i] = h.base()
		}
		return w.PutShown(tx, shown)
	})
	if err != nil { // the digest protects a decision all the same
		w.Log.Warn("cannot note which holds were listed: they may take in more until they are a minute old", "backend", w.Name, "error", err)
		return out, nil
	}
	return noted, nil
}
