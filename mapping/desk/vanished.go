package desk

import (
	"errors"
	"slices"

	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// A target that the vendor does not show may be gone, or only out of the credential's sight: the bridge cannot tell, and goes on asking
// for what is to be removed there. Once no rule names the target any more that would never end, so it is put to an operator, as a hold.

// vanishedID names the hold of a target.
func (w *Desk) vanishedID(target string) string { return w.Name + "-gone-" + target }

// vanishedHolds lists what is to be removed on targets that the vendor does not show and no rule names.
func (w *Desk) vanishedHolds(tx store.Tx) (out []Hold, err error) {
	waiting := map[string]store.Mark{}
	_, blocked, err := tx.Work(w.Name).BlockedUsers()
	if err != nil || blocked[reason.NoTarget] == 0 {
		return nil, err
	}
	for m, err := range tx.Work(w.Name).Marks("") {
		if err != nil {
			return nil, err
		}
		if _, known := waiting[m.Target]; m.State == store.Blocked && m.Reason == reason.NoTarget && !known {
			waiting[m.Target] = m
		}
	}
	if len(waiting) == 0 {
		return nil, nil
	}
	named, err := w.Named(tx)
	if err != nil {
		return nil, err
	}
	for target, m := range waiting {
		if slices.Contains(named, target) {
			continue
		}
		h := Hold{ID: w.vanishedID(target), Backend: w.Name, Target: target, Why: reason.NoTarget, Since: m.Since, Grants: []HeldItem{}}
		for e, err := range tx.Ledger(w.Name).Entries(target, "") {
			if err != nil {
				return nil, err
			}
			if e.Account != store.TargetSettings && e.Hold == "" {
				h.Grants = append(h.Grants, HeldItem{Person: e.Key, Account: e.Account, Role: e.Role})
			}
		}
		if len(h.Grants) > 0 {
			out = append(out, h)
		}
	}
	return out, nil
}

// decideVanished ends what waits on a vanished target: approved, its grants count as gone with it; rejected, they are
// disowned. The next comparison forgets what was said of the target.
func (w *Desk) decideVanished(tx store.Tx, h Hold, by Decision, gone bool) error {
	return errors.Join(w.giveUp(tx, h.Target, h.base(), by, gone), w.Ask(tx, record.CommandResync))
}

// giveUp drops everything that is known of a target and all that waits for it.
func (w *Desk) giveUp(tx store.Tx, target, id string, by Decision, gone bool) error {
	var entries []store.Entry
	for e, err := range tx.Ledger(w.Name).Entries(target, "") {
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	for _, e := range entries {
		e.Hold, e.Why = id, reason.NoTarget
		kind := "hold.approve"
		if !gone {
			kind = "hold.reject"
			if err := w.Disown(tx, e); err != nil {
				return err
			}
		}
		if _, err := tx.Events().Append(by.signed(w.HoldEvent(kind, e, w.Clock()))); err != nil {
			return err
		}
		if err := tx.Ledger(w.Name).DeleteEntry(e.Target, e.Account, e.Role); err != nil {
			return err
		}
	}
	var marks []store.Mark
	for m, err := range tx.Work(w.Name).Marks(target) {
		if err != nil {
			return err
		}
		marks = append(marks, m)
	}
	for _, m := range marks {
		if _, err := tx.Work(w.Name).Settle(m); err != nil {
			return err
		}
		if err := w.Forget(tx, m.Subject); err != nil {
			return err
		}
	}
	return nil
}
