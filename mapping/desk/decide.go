package desk

import (
	"context"
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// decideEnd approves the off-boardings of a hold, or leaves the accounts as they are.
func (w *Desk) decideEnd(tx store.Tx, hold Hold, by store.Origin, approved bool) error {
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
			err = store.Put(tx, h)
		} else {
			ended := w.OffboardedRow(h.Target, h.Account) // as far as the bridge is concerned
			ended.Hold = h.ID
			err = errors.Join(store.Delete(tx, h), store.Put(tx, ended))
		}
		if err != nil {
			return err
		}
		_, err := tx.Events().Append(memory.Decided(w.EndEvent(kind, h), by))
		if err = errors.Join(err, w.WakeEnd(tx, h, by)); err != nil {
			return err
		}
	}
	return nil
}

// Approve releases what a hold keeps back, as far as it is still unwanted. Reject leaves the grants
// where they are and disowns them. Both may be called from any goroutine. The id is the one that
// Holds lists: it pins the content. ErrNoHold: there is no such hold; ErrChanged: it is not what
// was listed. A grant of a user under `protect`, or of the credential's own account, cannot be
// approved: ErrProtected. About a group that took a name which is bound to another group, an
// approval binds the name to it, and a rejection keeps it out.
func (w *Desk) Approve(ctx context.Context, id, actor, request string) error {
	return w.decide(ctx, id, store.Origin{Initiator: actor, Request: request, At: w.Clock()}, true)
}

// Reject is the other decision: see Approve.
func (w *Desk) Reject(ctx context.Context, id, actor, request string) error {
	return w.decide(ctx, id, store.Origin{Initiator: actor, Request: request, At: w.Clock()}, false)
}

// decide finds the hold by what was listed of it, and carries out the decision, in one transaction.
func (w *Desk) decide(ctx context.Context, id string, by store.Origin, approve bool) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		all, err := w.allHolds(tx)
		if err != nil {
			return err
		}
		h, err := listed(all, id)
		switch {
		case err != nil:
			return err
		case h.Group != nil:
			return w.decidePin(tx, h, by, approve)
		case h.Why == reason.NoTarget:
			return w.decideVanished(tx, h, by, approve)
		case h.end:
			return w.decideEnd(tx, h, by, approve)
		}
		return w.decideRemovals(tx, h, by, approve)
	})
	if err == nil {
		w.Nudge()
	}
	return err
}

// decideRemovals approves or rejects the removals of a hold.
func (w *Desk) decideRemovals(tx store.Tx, h Hold, by store.Origin, approve bool) error {
	now, event, do := w.Clock(), "hold.reject", w.reject
	if approve {
		event, do = "hold.approve", w.approve
	}
	for _, g := range h.Grants {
		e, err := tx.Ledger(w.Name).Entry(h.Target, g.Account, g.Role)
		if err != nil {
			return err
		}
		if _, err := tx.Events().Append(memory.Decided(w.HoldEvent(event, e, now), by)); err != nil {
			return err
		}
		if err := do(tx, e); err != nil {
			return err
		}
		if err := tx.Work(w.Name).Touch(e.Target, now, by, store.Subject{Account: e.Account}); err != nil {
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
		if err := store.Put(tx, kept); err != nil {
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
