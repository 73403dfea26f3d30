package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// endKey tells an account, or a membership of a target, from others that are being ended.
func (w *Worker) endKey(target, account string) string { return w.listing(target) + "\x00" + account }

// offboardedRow is the record of an account that was ended, or that an operator decided to keep.
func (w *Worker) offboardedRow(target, account string) store.Offboarded {
	return store.Offboarded{Backend: w.Name, Listing: w.listing(target), Account: account}
}

// retainedRow is the record of an account whose off-boarding an operator rejected.
func (w *Worker) retainedRow(account string) store.Retained {
	return store.Retained{Backend: w.Name, Account: account}
}

// keptOrEnded reports whether an account needs no off-boarding: it is over, or an operator rejected it.
func (w *Worker) keptOrEnded(tx store.Tx, target, account string) (bool, error) {
	_, kept, err := store.Get(tx, w.retainedRow(account))
	if err != nil || kept {
		return kept, err
	}
	_, ended, err := store.Get(tx, w.offboardedRow(target, account))
	return ended, err
}

// invitationRow is the record of an invitation.
func (w *Worker) invitationRow(target, key string) store.Invitation {
	return store.Invitation{Backend: w.Name, Listing: w.listing(target), Key: key}
}

// putInvitation records an invitation of a moment.
func (w *Worker) putInvitation(tx store.Tx, target, key string, at time.Time, refused bool) error {
	i := w.invitationRow(target, key)
	i.At, i.Refused, i.Expires = at, refused, at.Add(store.InvitationKept)
	return store.Put(tx, i)
}

// disownedOn lists the disowned grants of a target.
func (w *Worker) disownedOn(tx store.Tx, target string) (grants, error) {
	out := grants{}
	for d, err := range store.List(tx, store.Disowned{Backend: w.Name, Target: target}) {
		if err != nil {
			return nil, err
		}
		out[d.Account] = append(out[d.Account], d.Role)
	}
	return out, nil
}

// ask leaves a command in the store for the replica that delivers.
func (w *Worker) ask(tx store.Tx, command string) error {
	return store.Put(tx, store.Command{Name: command, Backend: w.Name, Value: "yes"})
}

// isAsked reports whether a command waits.
func (w *Worker) isAsked(tx store.Tx, command string) (bool, error) {
	_, there, err := store.Get(tx, store.Command{Name: command, Backend: w.Name})
	return there, err
}

// takeCommand takes a command out of the store.
func (w *Worker) takeCommand(tx store.Tx, command string) (bool, error) {
	there, err := w.isAsked(tx, command)
	if err != nil || !there {
		return false, err
	}
	return true, store.Delete(tx, store.Command{Name: command, Backend: w.Name})
}

// putShown records which holds were listed for an operator, and no others.
func (w *Worker) putShown(tx store.Tx, ids []string) error {
	before, err := w.shown(tx)
	if err != nil {
		return err
	}
	for _, id := range before {
		err = errors.Join(err, store.Delete(tx, store.ShownHold{Backend: w.Name, ID: id}))
	}
	for _, id := range ids {
		err = errors.Join(err, store.Put(tx, store.ShownHold{Backend: w.Name, ID: id}))
	}
	return err
}

// row is the record of a held off-boarding.
func (h heldEnd) row(backend string) store.HeldOffboarding {
	return store.HeldOffboarding{Backend: backend, Account: h.Account, Target: h.Target, ID: h.ID, Key: h.Key, Since: h.Since,
		Why: h.Why, Approved: h.Approved}
}

func heldEndOf(r store.HeldOffboarding) heldEnd {
	return heldEnd{ID: r.ID, Target: r.Target, Account: r.Account, Key: r.Key, Since: r.Since, Why: r.Why, Approved: r.Approved}
}

// heldEndsLike lists the held off-boardings of a backend, or of one of its accounts.
func heldEndsLike(tx store.Tx, backend, account string) (out []heldEnd, err error) {
	for r, err := range store.List(tx, store.HeldOffboarding{Backend: backend, Account: account}) {
		if err != nil {
			return nil, err
		}
		out = append(out, heldEndOf(r))
	}
	return out, nil
}

// heldEndAt finds the held off-boarding of an account that a target's listing has.
func (w *Worker) heldEndAt(tx store.Tx, target, account string) (heldEnd, bool, error) {
	all, err := heldEndsLike(tx, w.Name, account)
	for _, h := range all {
		if w.listing(h.Target) == w.listing(target) {
			return h, true, err
		}
	}
	return heldEnd{}, false, err
}

// CountHolds counts what Holds lists, without reading what is in the holds. It may be called from any
// goroutine.
func (w *Worker) CountHolds(ctx context.Context) (n int, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		sizes, err := tx.Ledger(w.Name).Holds()
		if err != nil {
			return err
		}
		ids := map[string]bool{}
		for _, h := range sizes {
			ids[h.ID] = true
		}
		groups, err := heldGroups(tx, w.Name)
		if err != nil {
			return err
		}
		vanished, err := w.vanishedHolds(tx)
		n = len(ids) + len(groups) + len(vanished)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting holds: %w", err)
	}
	return n, nil
}
