package delivery

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// whyChanged is why the off-boarding of an account is held: the user came to it by a changed value, so it may be another person's.
const whyChanged = "changed_value"

// heldEnd is an off-boarding that waits for an operator. It takes nothing away by itself, so the ledger has no entry for it.
type heldEnd struct {
	ID       string    `json:"id"`
	Target   string    `json:"target"`
	Account  string    `json:"account"`
	Key      string    `json:"key"`
	Since    time.Time `json:"since"`
	Why      string    `json:"why,omitempty"` // "": whyChanged
	Approved bool      `json:"approved,omitempty"`
}

func (h heldEnd) why() string { return cmp.Or(h.Why, whyChanged) }

func endsKey(backend string) string { return "ends/" + backend }

// heldEnds lists the off-boardings that wait, and those that were approved and are not done.
func heldEnds(tx store.Tx, backend string) (out []heldEnd, err error) {
	raw := tx.Setting(endsKey(backend))
	if raw == nil {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading held off-boardings: %w", err)
	}
	return out, nil
}

func putEnds(tx store.Tx, backend string, all []heldEnd) error {
	if len(all) == 0 {
		return tx.SetSetting(endsKey(backend), nil)
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("writing held off-boardings: %w", err)
	}
	return tx.SetSetting(endsKey(backend), raw)
}

// HeldEnds counts, for the gauge, the off-boardings that wait for an operator, and lists the targets on which
// max_offboardings holds some.
func HeldEnds(tx store.Tx, backend string) (n int, over []string, err error) {
	all, err := heldEnds(tx, backend)
	for _, h := range all {
		if h.Approved {
			continue
		}
		n++
		if h.Why == plan.Offboardings && !slices.Contains(over, h.Target) {
			over = append(over, h.Target)
		}
	}
	return n, over, err
}

// isEnd finds the off-boarding of an account that a target's listing has.
func (w *Worker) isEnd(target, account string) func(heldEnd) bool {
	return func(h heldEnd) bool { return h.Account == account && w.listing(h.Target) == w.listing(target) }
}

// endsOf lists the targets on which the off-boarding of an account is held.
func (w *Worker) endsOf(tx store.Tx, account string) (targets []string, err error) {
	all, err := heldEnds(tx, w.Name)
	for _, h := range all {
		if h.Account == account {
			targets = append(targets, h.Target)
		}
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
	var left []heldEnd
	for _, h := range all {
		if h.ID != hold.base() || h.Approved {
			left = append(left, h)
			continue
		}
		if h.Approved = true; approved {
			left = append(left, h)
		} else if err := tx.SetSetting(w.ended(h.Target, h.Account), []byte(h.ID)); err != nil { // as far as the bridge is concerned
			return err
		}
		_, err := tx.Events().Append(decided(w.endEvent(kind, h), by))
		if err = errors.Join(err, w.wakeEnd(tx, h, by)); err != nil {
			return err
		}
	}
	return putEnds(tx, w.Name, left)
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

// reviewEnds decides of each account that is to be ended whether it may be: nothing is held for accounts whose users are back, one
// whose link is young waits, and one that was found by a changed value only is held.
func (w *Worker) reviewEnds(ctx context.Context, target string, v *visitWork) error {
	var all []heldEnd
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = heldEnds(tx, w.Name)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		a := v.accounts[id]
		i := slices.IndexFunc(all, w.isEnd(target, id))
		switch {
		case i >= 0 && !a.Offboarded:
			err = w.releaseEnd(ctx, all[i])
		case !a.leaves() || w.planner().Untouchable(a.Account.Account) != "" || i >= 0 && all[i].Approved:
		default:
			err = w.holdEnd(ctx, target, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// releaseEnd forgets a held off-boarding.
func (w *Worker) releaseEnd(ctx context.Context, h heldEnd) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		if err := w.dropEnd(tx, h.Target, h.Account); err != nil || h.Approved {
			return err
		}
		return w.wakeEnd(tx, h, store.Origin{})
	})
	if err != nil {
		return fmt.Errorf("releasing a held off-boarding: %w", err)
	}
	return nil
}

// dropEnd deletes the record of an off-boarding, if there is one.
func (w *Worker) dropEnd(tx store.Tx, target, account string) error {
	all, err := heldEnds(tx, w.Name)
	if err != nil || !slices.ContainsFunc(all, w.isEnd(target, account)) {
		return err
	}
	return putEnds(tx, w.Name, slices.DeleteFunc(all, w.isEnd(target, account)))
}

// holdEnd holds an off-boarding, or lets it wait, unless one of the links to the account is reason enough for it.
func (w *Worker) holdEnd(ctx context.Context, target string, a *account) error {
	now, sure := w.now(), false
	for _, l := range a.links {
		switch {
		case l.Changed && !l.Made:
		case within(now, l.Seen, w.Straggler):
			a.Wait = earlier(a.Wait, l.Seen.Add(w.Straggler))
		default:
			sure = true
		}
	}
	if sure || !a.Wait.IsZero() {
		if sure {
			a.Wait = time.Time{}
		}
		return nil
	}
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		a.park, a.reason = 0, ""
		if a.left = len(tx.Setting(w.stays(a.ID)))+len(tx.Setting(w.ended(target, a.ID))) > 0; a.left {
			return nil
		}
		all, err := heldEnds(tx, w.Name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, w.isEnd(target, a.ID))
		if i >= 0 && all[i].Approved {
			return nil
		}
		a.park = store.Held
		if i >= 0 {
			a.reason = all[i].ID
			return nil
		}
		n, err := tx.Ledger(w.Name).NextAttempt()
		if err != nil {
			return err
		}
		h := heldEnd{ID: w.Name + "-" + strconv.FormatUint(n, 10), Target: target, Account: a.ID, Key: a.Key, Since: now}
		a.reason = h.ID
		if _, err := tx.Events().Append(initiated(w.endEvent("hold", h), a.origin)); err != nil {
			return err
		}
		return putEnds(tx, w.Name, append(all, h))
	})
	if err != nil {
		return fmt.Errorf("holding an off-boarding: %w", err)
	}
	return nil
}

// stillTheirs says whether the account that is to be ended is still that of the value by which it was found. If what is known of
// that is too old, the listing is read again. An incomplete one is no reason to keep an account.
func (w *Worker) stillTheirs(ctx context.Context, target string, a *account) (bool, error) {
	theirs, current, err := w.isTheirs(ctx, target, a)
	if err != nil || current {
		return theirs, err
	}
	found, whole, err := w.list(ctx, target, []string{a.Key}, atOnce, map[store.Subject]bool{})
	if err != nil {
		return false, err
	}
	if whole && len(found) > 0 {
		theirs, _, err = w.isTheirs(ctx, target, a)
		return theirs, err
	}
	now, shown := found[a.Key]
	return !shown || now.ID == a.ID, nil
}

// isTheirs is stillTheirs by the cache; current says whether that is young enough. An account that the listing does not show
// belongs to no other user.
func (w *Worker) isTheirs(ctx context.Context, target string, a *account) (theirs, current bool, err error) {
	listing := w.listing(target)
	err = w.Store.View(ctx, func(tx store.Tx) error {
		c, at, err := w.sighting(tx, listing, a.Key)
		if err == nil {
			theirs, current = c.ID == a.ID, w.current(at)
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		theirs, current = true, w.current(w.listed(tx, listing))
		for c, err := range tx.Accounts(w.Name).CachedOn(listing) {
			if err != nil {
				return err
			}
			theirs = theirs && c.ID != a.ID
		}
		return nil
	})
	if err != nil {
		return false, false, fmt.Errorf("looking whose an account is: %w", err)
	}
	return theirs, current, nil
}
