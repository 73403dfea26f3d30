package memory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// WhyEnd is why an off-boarding waits for an operator. It takes nothing away by itself, so the ledger has no entry for it.
func WhyEnd(h store.HeldOffboarding) string { return cmp.Or(h.Why, plan.ChangedValue) }

// HeldEnds lists the off-boardings that wait, and those that were approved and are not done.
func HeldEnds(tx store.Tx, backend string) (out []store.HeldOffboarding, err error) {
	if out, err = HeldEndsLike(tx, backend, ""); err != nil {
		return nil, fmt.Errorf("reading held off-boardings: %w", err)
	}
	slices.SortStableFunc(out, func(a, b store.HeldOffboarding) int { return a.Since.Compare(b.Since) })
	return out, nil
}

// EndsOf lists the targets on which the off-boarding of an account is held.
func (w *Memory) EndsOf(tx store.Tx, account string) (targets []string, err error) {
	all, err := HeldEndsLike(tx, w.Name, account)
	for _, h := range all {
		targets = append(targets, h.Target)
	}
	return targets, err
}

// Membership stands in a hold for what an account loses with its off-boarding.
const Membership = "(membership or account)"

// EndEvent returns the event of a decision about a held off-boarding.
func (w *Memory) EndEvent(kind string, h store.HeldOffboarding) store.Event {
	return store.Event{At: w.Clock(), Type: kind, Actor: "bridge", Backend: w.Name, Target: h.Target, Account: h.Account, Name: h.Key, Detail: h.ID + " " + WhyEnd(h)}
}

// WakeEnd lets what waits for an off-boarding be looked at again.
func (w *Memory) WakeEnd(tx store.Tx, h store.HeldOffboarding, by store.Origin) error {
	if err := tx.Work(w.Name).Touch(h.Target, w.Clock(), by, store.Subject{Account: h.Account}); err != nil {
		return err
	}
	return w.Wake(tx, w.Clock(), func(m store.Mark) bool { return m.State == store.Held && m.Reason == h.ID })
}

// DropEnd deletes the record of an off-boarding, if there is one.
func (w *Memory) DropEnd(tx store.Tx, target, account string) error {
	h, there, err := w.HeldEndAt(tx, target, account)
	if err != nil || !there {
		return err
	}
	return store.Delete(tx, h)
}

// HoldGrows is for how long a hold takes in what is caught after it: an operator decides about what
// was shown.
const HoldGrows = time.Minute

// OpenHold is a hold that is less than a minute old and was not listed yet.
type OpenHold struct {
	ID    string
	Since time.Time
}

// Shown reads which holds were listed for an operator. They take in nothing more.
func (w *Memory) Shown(tx store.Tx) (out []string, err error) {
	for h, err := range store.List(tx, store.ShownHold{Backend: w.Name}) {
		if err != nil {
			return nil, fmt.Errorf("reading which holds were listed: %w", err)
		}
		out = append(out, h.ID)
	}
	return out, nil
}

// PutShown records which holds were listed for an operator, and no others.
func (w *Memory) PutShown(tx store.Tx, ids []string) error {
	before, err := w.Shown(tx)
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

// HeldEndsLike lists the held off-boardings of a backend, or of one of its accounts.
func HeldEndsLike(tx store.Tx, backend, account string) (out []store.HeldOffboarding, err error) {
	for r, err := range store.List(tx, store.HeldOffboarding{Backend: backend, Account: account}) {
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// HeldEndAt finds the held off-boarding of an account that a target's listing has.
func (w *Memory) HeldEndAt(tx store.Tx, target, account string) (store.HeldOffboarding, bool, error) {
	all, err := HeldEndsLike(tx, w.Name, account)
	for _, h := range all {
		if w.Listing(h.Target) == w.Listing(target) {
			return h, true, err
		}
	}
	return store.HeldOffboarding{}, false, err
}
