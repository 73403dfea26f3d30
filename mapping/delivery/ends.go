package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// heldEnd is an off-boarding that waits for an operator. It takes nothing away by itself, so the ledger has no entry for it.
type heldEnd struct {
	ID       string    `json:"id"`
	Target   string    `json:"target"`
	Account  string    `json:"account"`
	Key      string    `json:"key"`
	Since    time.Time `json:"since"`
	Why      string    `json:"why,omitempty"` // "": plan.ChangedValue
	Approved bool      `json:"approved,omitempty"`
}

func (h heldEnd) why() string { return cmp.Or(h.Why, plan.ChangedValue) }

// heldEnds lists the off-boardings that wait, and those that were approved and are not done.
func heldEnds(tx store.Tx, backend string) (out []heldEnd, err error) {
	if out, err = heldEndsLike(tx, backend, ""); err != nil {
		return nil, fmt.Errorf("reading held off-boardings: %w", err)
	}
	slices.SortStableFunc(out, func(a, b heldEnd) int { return a.Since.Compare(b.Since) })
	return out, nil
}

// endsOf lists the targets on which the off-boarding of an account is held.
func (w *Worker) endsOf(tx store.Tx, account string) (targets []string, err error) {
	all, err := heldEndsLike(tx, w.Name, account)
	for _, h := range all {
		targets = append(targets, h.Target)
	}
	return targets, err
}

// endHolds lists held off-boardings as holds.
func (w *Worker) endHolds(tx store.Tx) (out []Hold, err error) {
	all, err := heldEnds(tx, w.Name)
	for _, h := range all {
		if h.Approved {
			continue
		}
		i := slices.IndexFunc(out, func(o Hold) bool { return o.ID == h.ID })
		if i < 0 {
			i = len(out)
			out = append(out, Hold{ID: h.ID, Backend: w.Name, Target: h.Target, Why: h.why(), Since: h.Since, end: true})
		}
		out[i].Grants = append(out[i].Grants, HeldItem{Person: h.Key, Account: h.Account, Role: membership})
	}
	return out, err
}

// membership stands in a hold for what an account loses with its off-boarding.
const membership = "(membership or account)"

// decideEnd approves the off-boardings of a hold, or leaves the accounts as they are.
func (w *Worker) decideEnd(tx store.Tx, hold Hold, by store.Origin, approved bool) error {
	all, err := heldEnds(tx, w.Name)
	if err != nil {
		return err
	}
	kind := "hold.approve"
	if !approved {
		kind = "hold.reject"
	}
	for _, h := range all {
		if h.ID != hold.base() || h.Approved {
			continue
		}
		if h.Approved = true; approved {
			err = store.Put(tx, h.row(w.Name))
		} else {
			ended := w.offboardedRow(h.Target, h.Account) // as far as the bridge is concerned
			ended.Hold = h.ID
			err = errors.Join(store.Delete(tx, h.row(w.Name)), store.Put(tx, ended))
		}
		if err != nil {
			return err
		}
		_, err := tx.Events().Append(decided(w.endEvent(kind, h), by))
		if err = errors.Join(err, w.wakeEnd(tx, h, by)); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) endEvent(kind string, h heldEnd) store.Event {
	return store.Event{At: w.now(), Type: kind, Actor: "bridge", Backend: w.Name, Target: h.Target, Account: h.Account, Name: h.Key, Detail: h.ID + " " + h.why()}
}

// wakeEnd lets what waits for an off-boarding be looked at again.
func (w *Worker) wakeEnd(tx store.Tx, h heldEnd, by store.Origin) error {
	if err := tx.Work(w.Name).Touch(h.Target, w.now(), by, store.Subject{Account: h.Account}); err != nil {
		return err
	}
	return w.wake(tx, w.now(), func(m store.Mark) bool { return m.State == store.Held && m.Reason == h.ID })
}

// recordEnds writes which memberships are held, and which holds of them are over.
func (w *Worker) recordEnds(ctx context.Context, target string, v *visitWork) error {
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
		all, err := heldEnds(tx, w.Name)
		if err != nil {
			return err
		}
		begins = !slices.ContainsFunc(all, func(h heldEnd) bool { return h.Why == plan.Offboardings && h.Target == target })
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
		w.overLimit(target, plan.Offboardings, w.MaxOffboardings)
	}
	return nil
}

// recordEnd writes what a plan decides about one membership, unless an operator was quicker. It returns
// all held off-boardings with the one that begins.
func (w *Worker) recordEnd(tx store.Tx, target string, a *account, all []heldEnd) ([]heldEnd, error) {
	held, there, err := w.heldEndAt(tx, target, a.ID)
	if err == nil && a.End.Forget {
		err = w.forgetEnded(tx, target, a)
	}
	if err != nil {
		return all, err
	}
	if a.End.Release && there {
		if err := w.dropEnd(tx, target, a.ID); err != nil || held.Approved {
			return all, err
		}
		return all, w.wakeEnd(tx, held, store.Origin{})
	}
	if a.End.Hold == "" {
		return all, nil
	}
	a.park, a.reason, a.unfinished = 0, "", false
	switch over, err := w.keptOrEnded(tx, target, a.ID); {
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
	if _, err := tx.Events().Append(initiated(w.endEvent("hold", h), a.origin)); err != nil {
		return all, err
	}
	return append(all, h), store.Put(tx, h.row(w.Name))
}

// forgetEnded drops what is known of an account that may have been ended, and lets its users be looked
// up. If it is being ended again, that is left for later.
func (w *Worker) forgetEnded(tx store.Tx, target string, a *account) error {
	ending, _, err := store.Get(tx, w.endingRow(target, a.ID))
	if err != nil || !ending.At.Equal(a.Membership.Attempted) {
		return err
	}
	if err := w.forgetAccount(tx, target, a.ID, a.Key); err != nil {
		return err
	}
	return tx.Work(w.Name).Touch(target, w.now(), store.Origin{}, a.subjects()...)
}

// endHold returns the hold of memberships that may take in more for a reason, or a new one: one that
// was found by a changed value is decided about alone.
func (w *Worker) endHold(tx store.Tx, target, why string, all []heldEnd) (heldEnd, error) {
	now, kept := w.now(), why
	if why == plan.ChangedValue {
		kept = ""
	} else {
		shown, err := w.shown(tx)
		if err != nil {
			return heldEnd{}, err
		}
		for _, h := range all {
			if h.Why == why && h.Target == target && !h.Approved && within(now, h.Since, holdGrows) && !slices.Contains(shown, h.ID) {
				return h, nil
			}
		}
	}
	n, err := tx.Ledger(w.Name).NextAttempt()
	return heldEnd{ID: w.Name + "-" + strconv.FormatUint(n, 10), Target: target, Since: now, Why: kept}, err
}

// dropEnd deletes the record of an off-boarding, if there is one.
func (w *Worker) dropEnd(tx store.Tx, target, account string) error {
	h, there, err := w.heldEndAt(tx, target, account)
	if err != nil || !there {
		return err
	}
	return store.Delete(tx, h.row(w.Name))
}

// countEnd counts the end of an account under max_offboardings, unless its off-boarding is on record
// already or an operator approved it. errDecided: it must not go now.
func (w *Worker) countEnd(tx store.Tx, target, id string) error {
	held, there, err := w.heldEndAt(tx, target, id)
	if err != nil || there && held.Approved {
		return err
	}
	if there {
		return errDecided
	}
	sent, err := sentRemovals(tx, w.Name, w.listing(target), w.now())
	if err != nil || slices.ContainsFunc(sent, func(r sentRemoval) bool { return r.Leaving && r.Account == id }) {
		return err
	}
	l, err := w.leavers(tx, target)
	if err != nil {
		return err
	}
	if len(l.Gone) >= w.MaxOffboardings.Allows(l.Users) {
		return errDecided
	}
	return w.noteSent(tx, w.listing(target), []sentRemoval{{Account: id, At: w.now().UnixMilli(), Leaving: true}})
}
