package desk

import (
	"context"
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// decideEnd approves the off-boardings of a hold, or leaves the accounts as they are.
func (w *Desk) decideEnd(tx store.Tx, hold Hold, by Decision, approved bool) error {
	all, err := memory.HeldEnds(tx, w.Name)
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
			err = record.Put(tx, h)
		} else {
			ended := w.OffboardedRow(h.Target, h.Account) // as far as the bridge is concerned
			ended.Hold = h.ID
			err = errors.Join(record.Delete(tx, h), record.Put(tx, ended))
		}
		if err != nil {
			return err
		}
		_, err := tx.Events().Append(by.signed(w.EndEvent(kind, h)))
		if err = errors.Join(err, w.WakeEnd(tx, h, by.By)); err != nil {
			return err
		}
	}
	return nil
}

// decide finds the hold by what was listed of it, and carries out the decision, in one transaction.
func (w *Desk) decide(ctx context.Context, id string, by Decision, approve bool) (more bool, err error) {
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		all, err := w.allHolds(tx)
		if err != nil {
			return err
		}
		h, err := listed(all, id)
		if more = false; err == nil && approve && by.Two {
			more, err = approveOnce(w, tx, h, by)
		}
		if err != nil || more {
			return err
		}
		if err := forgetApprovals(tx, w.Name, all, h.base()); err != nil {
			return err
		}
		switch {
		case h.Group != nil:
			return w.decidePin(tx, h, by, approve)
		case h.Why == reason.NoTarget:
			return w.decideVanished(tx, h, by, approve)
		case h.end:
			return w.decideEnd(tx, h, by, approve)
		}
		return w.decideRemovals(tx, h, by, approve)
	})
	if err == nil && !more {
		w.Nudge()
	}
	return more, err
}

// decideRemovals approves or rejects the removals of a hold.
func (w *Desk) decideRemovals(tx store.Tx, h Hold, by Decision, approve bool) error {
	now, event, do := w.Clock(), "hold.reject", w.reject
	if approve {
		event, do = "hold.approve", w.approve
	}
	for _, g := range h.Grants {
		e, err := tx.Ledger(w.Name).Entry(h.Target, g.Account, g.Role)
		if err != nil {
			return err
		}
		if _, err := tx.Events().Append(by.signed(w.HoldEvent(event, e, now))); err != nil {
			return err
		}
		if err := do(tx, e); err != nil {
			return err
		}
		if err := tx.Work(w.Name).Touch(e.Target, now, by.By, store.Subject{Account: e.Account}); err != nil {
			return err
		}
	}
	return w.Wake(tx, now, func(m store.Mark) bool { return m.State == store.Held && m.Reason == h.base() })
}

func (w *Desk) approve(tx store.Tx, e store.Entry) error {
	if e.Why == plan.Protected || e.Why == plan.OwnAccount {
		return ErrProtected
	}
	e.Hold, e.Why, e.HeldSince, e.Approved = "", "", time.Time{}, true
	return tx.Ledger(w.Name).PutEntry(e)
}

func (w *Desk) reject(tx store.Tx, e store.Entry) error {
	if e.Why == plan.Offboardings || e.Why == plan.LastAdmin { // the membership stays with the grants
		kept := w.RetainedRow(e.Account)
		kept.Hold = e.Hold
		if err := record.Put(tx, kept); err != nil {
			return err
		}
	}
	if e.Account != store.TargetSettings { // a resync compares no permission sets
		if err := w.Disown(tx, e); err != nil {
			return err
		}
	}
	return tx.Ledger(w.Name).DeleteEntry(e.Target, e.Account, e.Role)
}
