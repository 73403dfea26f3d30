package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// recordEnds writes which memberships are held, and which holds of them are over.
func (w *recorder) recordEnds(ctx context.Context, target string, v *visitWork) error {
	var changed []*account
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		a := v.accounts[id]
		if a.left, a.later = a.End.Left, a.End.Later; a.End.Held && a.Membership.Hold != "" {
			a.park, a.reason = store.Held, a.Membership.Hold
		}
		if a.End.Hold != "" || a.End.Release || a.End.Forget {
			changed = append(changed, a)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	begins := false
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		all, err := memory.HeldEnds(tx, w.Name)
		if err != nil {
			return err
		}
		begins = !slices.ContainsFunc(all, func(h record.HeldOffboarding) bool { return h.Why == plan.Offboardings && h.Target == target })
		for _, a := range changed {
			if all, err = w.recordEnd(tx, target, a, all); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recording held off-boardings: %w", err)
	}
	if begins && slices.ContainsFunc(changed, func(a *account) bool { return a.End.Hold == plan.Offboardings }) {
		w.overLimit(target, plan.Offboardings, w.InForce().MaxOffboardings)
	}
	return nil
}

// recordEnd writes what a plan decides about one membership, unless an operator was quicker. It returns
// all held off-boardings with the one that begins.
func (w *recorder) recordEnd(tx store.Tx, target string, a *account, all []record.HeldOffboarding) ([]record.HeldOffboarding, error) {
	held, there, err := w.HeldEndAt(tx, target, a.ID)
	if err == nil && a.End.Forget {
		err = w.forgetEnded(tx, target, a)
	}
	if err != nil {
		return all, err
	}
	if a.End.Release && there {
		if err := w.DropEnd(tx, target, a.ID); err != nil || held.Approved {
			return all, err
		}
		return all, w.WakeEnd(tx, held, store.Origin{})
	}
	if a.End.Hold == "" {
		return all, nil
	}
	a.park, a.reason, a.unfinished = 0, "", false
	switch over, err := w.KeptOrEnded(tx, target, a.ID); {
	case err != nil:
		return all, err
	case over:
		a.left = true
		return all, nil
	case there:
		if a.park, a.reason = store.Held, held.ID; held.Approved {
			a.park, a.reason, a.unfinished = 0, "", true // the next visit ends it
		}
		return all, nil
	}
	h, err := w.endHold(tx, target, a.End.Hold, all)
	if err != nil {
		return all, err
	}
	h.Account, h.Key = a.ID, a.Key
	a.park, a.reason = store.Held, h.ID
	if _, err := tx.Events().Append(memory.Initiated(w.EndEvent("hold", h), a.Origin)); err != nil {
		return all, err
	}
	return append(all, h), record.Put(tx, h)
}

// forgetEnded drops what is known of an account that may have been ended, and lets its users be looked
// up. If it is being ended again, that is left for later.
func (w *recorder) forgetEnded(tx store.Tx, target string, a *account) error {
	ending, _, err := record.Get(tx, w.EndingRow(target, a.ID))
	if err != nil || !ending.At.Equal(a.Membership.Attempted) {
		return err
	}
	if err := w.ForgetAccount(tx, target, a.ID, a.Key); err != nil {
		return err
	}
	return tx.Work(w.Name).Touch(target, w.Clock(), store.Origin{}, a.Subjects()...)
}

// endHold returns the hold of memberships that may take in more for a reason, or a new one: one that
// was found by a changed value is decided about alone.
func (w *recorder) endHold(tx store.Tx, target, why string, all []record.HeldOffboarding) (record.HeldOffboarding, error) {
	now, kept := w.Clock(), why
	if why == plan.ChangedValue {
		kept = ""
	} else {
		shown, err := w.Shown(tx)
		if err != nil {
			return record.HeldOffboarding{}, err
		}
		for _, h := range all {
			if h.Why == why && h.Target == target && !h.Approved && memory.Within(now, h.Since, memory.HoldGrows) && !slices.Contains(shown, h.ID) {
				return h, nil
			}
		}
	}
	n, err := tx.Ledger(w.Name).NextAttempt()
	return record.HeldOffboarding{Backend: w.Name, ID: w.Name + "-" + strconv.FormatUint(n, 10), Target: target, Since: now, Why: kept}, err
}

// countEnd counts the end of an account under max_offboardings, unless its off-boarding is on record
// already or an operator approved it. errDecided: it must not go now.
func (w *recorder) countEnd(tx store.Tx, target, id string) error {
	held, there, err := w.HeldEndAt(tx, target, id)
	if err != nil || there && held.Approved {
		return err
	}
	if there {
		return errDecided
	}
	sent, err := memory.SentRemovals(tx, w.Name, w.Listing(target), w.Clock())
	if err != nil || slices.ContainsFunc(sent, func(r record.Removal) bool { return memory.ByOffboarding(r) && r.Account == id }) {
		return err
	}
	l, err := w.Leavers(tx, target)
	if err != nil {
		return err
	}
	if len(l.Gone) >= w.InForce().MaxOffboardings.Allows(l.Users) {
		return errDecided
	}
	return w.noteSent(tx, w.Listing(target), []record.Removal{{Account: id, Kind: record.RemovalByOffboarding, At: w.Clock()}})
}
