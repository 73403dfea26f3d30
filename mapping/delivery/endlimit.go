package delivery

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// limitEnd holds the end of a membership or account beyond max_offboardings. The off-boarding of an
// account that lost roles was counted, or approved, with them; of any other it is counted here,
// before the call.
func (w *Worker) limitEnd(ctx context.Context, target string, a *account) error {
	begins := false
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		a.park, a.reason, begins = 0, "", false
		all, err := heldEnds(tx, w.Name)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(all, w.isEnd(target, a.ID)); i >= 0 {
			if !all[i].Approved {
				a.park, a.reason = store.Held, all[i].ID
			}
			return nil
		}
		over, err := w.countEnd(tx, w.listing(target), a)
		if err != nil || !over {
			return err
		}
		h, err := w.overEnd(tx, target, all)
		if err != nil {
			return err
		}
		begins = !slices.ContainsFunc(all, func(o heldEnd) bool { return o.Why == plan.Offboardings && o.Target == target })
		h.Account, h.Key = a.ID, a.Key
		a.park, a.reason = store.Held, h.ID
		if _, err := tx.Events().Append(initiated(w.endEvent("hold", h), a.origin)); err != nil {
			return err
		}
		return putEnds(tx, w.Name, append(all, h))
	})
	if err != nil {
		return fmt.Errorf("counting an off-boarding: %w", err)
	}
	if begins {
		w.overLimit(target, plan.Offboardings, w.MaxOffboardings)
	}
	return nil
}

// countEnd counts the end of an account, unless its off-boarding is on record already. over: it
// exceeds the limit.
func (w *Worker) countEnd(tx store.Tx, listing string, a *account) (over bool, err error) {
	sent, err := sentRemovals(tx, w.Name, listing)
	if err != nil {
		return false, err
	}
	now, gone := w.now(), map[string]bool{}
	for _, s := range sent {
		switch {
		case !s.Leaving:
		case s.Account == a.ID:
			return false, nil
		case !s.Approved && now.Sub(time.UnixMilli(s.At)) < w.MaxOffboardings.Window:
			gone[s.Account] = true
		}
	}
	users := map[string]bool{}
	for e, err := range tx.Ledger(w.Name).Entries(listing, "") {
		if err != nil {
			return false, err
		}
		users[e.Account] = users[e.Account] || e.Account != store.TargetItself && e.State != store.Absent
	}
	for id := range gone {
		users[id] = true
	}
	delete(users, store.TargetItself)
	if len(gone) >= w.MaxOffboardings.Allows(len(users)) {
		return true, nil
	}
	return false, w.noteSent(tx, listing, []sentRemoval{{Account: a.ID, At: now.UnixMilli(), Leaving: true}})
}

// overEnd returns the hold of off-boardings beyond the limit that may take in more, or a new one.
func (w *Worker) overEnd(tx store.Tx, target string, all []heldEnd) (heldEnd, error) {
	shown, err := w.shown(tx)
	if err != nil {
		return heldEnd{}, err
	}
	now := w.now()
	for _, h := range all {
		if h.Why == plan.Offboardings && h.Target == target && !h.Approved && within(now, h.Since, holdGrows) && !slices.Contains(shown, h.ID) {
			return h, nil
		}
	}
	n, err := tx.Ledger(w.Name).NextAttempt()
	return heldEnd{ID: w.Name + "-" + strconv.FormatUint(n, 10), Target: target, Since: now, Why: plan.Offboardings}, err
}
