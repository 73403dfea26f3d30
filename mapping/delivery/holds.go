package delivery

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// ErrNoHold is the answer to a decision about a hold that does not exist, or not any more.
var ErrNoHold = errors.New("no such hold")

// ErrProtected is the answer to an approval of what the configuration protects.
var ErrProtected = errors.New("the configuration protects this person")

// Hold is a set of removals, or a group (Why is `pin`), that waits for an operator.
type Hold struct {
	ID      string     `json:"id"`
	Backend string     `json:"backend"`
	Target  string     `json:"target"`
	Why     string     `json:"why"`
	Since   time.Time  `json:"since"`
	Grants  []HeldItem `json:"grants"`          // that would be taken away
	Group   *HeldGroup `json:"group,omitempty"` // that would be accepted
}

// HeldItem is one role of one person.
type HeldItem struct {
	Person  string `json:"person"` // the value that found the account
	Account string `json:"account"`
	Role    string `json:"role"`
}

// Holds lists what is held, the oldest first. It may be called from any goroutine.
func (w *Worker) Holds(ctx context.Context) ([]Hold, error) {
	var out []Hold
	err := w.Store.View(ctx, func(tx store.Tx) error {
		out = nil
		at := map[string]int{}
		for e, err := range tx.Ledger(w.Name).Entries("", "") {
			if err != nil {
				return err
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
			out[i].Grants = append(out[i].Grants, HeldItem{e.Key, e.Account, e.Role})
		}
		pins, err := w.pinHolds(tx)
		if err != nil {
			return err
		}
		vanished, err := w.vanishedHolds(tx)
		if err != nil {
			return err
		}
		ends, err := w.endHolds(tx)
		out = slices.Concat(out, pins, vanished, ends)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing holds: %w", err)
	}
	slices.SortStableFunc(out, func(a, b Hold) int { return a.Since.Compare(b.Since) })
	for _, h := range out {
		slices.SortFunc(h.Grants, func(a, b HeldItem) int {
			return cmp.Or(strings.Compare(a.Person, b.Person), strings.Compare(a.Role, b.Role))
		})
	}
	return out, nil
}

// Approve lets what a hold keeps back go, as far as it is still not wanted. Reject leaves the grants where they are and
// disowns them: they are nobody's business of the bridge from then on. Both may be called from any goroutine; ErrNoHold.
// Of a person under `protect`, and of the credential's own account, nothing can be approved: ErrProtected. Of a group that took a
// name which is bound to another, the one decision binds the name to it, the other keeps it out.
func (w *Worker) Approve(ctx context.Context, id, actor, request string) error {
	by := store.Origin{Initiator: actor, Request: request, At: w.now()}
	err := w.decide(ctx, id, by, "hold.approve", func(tx store.Tx, e store.Entry) error {
		if e.Why == whyProtected || e.Why == whyOwnAccount {
			return ErrProtected
		}
		e.Hold, e.Why, e.HeldSince, e.Approved = "", "", time.Time{}, true
		return tx.Ledger(w.Name).PutEntry(e)
	})
	if errors.Is(err, ErrNoHold) {
		err = w.decidePin(ctx, id, by, true)
	}
	if errors.Is(err, ErrNoHold) {
		err = w.decideVanished(ctx, id, by, true)
	}
	if errors.Is(err, ErrNoHold) {
		err = w.decideEnd(ctx, id, by, true)
	}
	return err
}

// Reject is the other decision: see Approve.
func (w *Worker) Reject(ctx context.Context, id, actor, request string) error {
	by := store.Origin{Initiator: actor, Request: request, At: w.now()}
	err := w.decide(ctx, id, by, "hold.reject", func(tx store.Tx, e store.Entry) error {
		if e.Why == whyOffboardings || e.Why == whyLastAdmin { // the membership stays with the grants
			if err := tx.SetSetting(w.stays(e.Account), []byte(e.Hold)); err != nil {
				return err
			}
		}
		if err := w.disown(tx, e); err != nil {
			return err
		}
		return tx.Ledger(w.Name).DeleteEntry(e.Target, e.Account, e.Role)
	})
	if errors.Is(err, ErrNoHold) {
		err = w.decidePin(ctx, id, by, false)
	}
	if errors.Is(err, ErrNoHold) {
		err = w.decideVanished(ctx, id, by, false)
	}
	if errors.Is(err, ErrNoHold) {
		err = w.decideEnd(ctx, id, by, false)
	}
	return err
}

// grants are roles by account.
type grants map[string][]string

func (g grants) has(account, role string) bool { return slices.Contains(g[account], role) }

func (g grants) drop(account, role string) {
	g[account] = slices.DeleteFunc(g[account], func(r string) bool { return r == role })
	if len(g[account]) == 0 {
		delete(g, account)
	}
}

func (w *Worker) disownedKey(target string) string { return "disowned/" + w.Name + "/" + target }

// disowned lists what operators refused to take away on a target: an authoritative rule leaves it alone, until a group gives it
// or it is not there any more.
func (w *Worker) disowned(tx store.Tx, target string) (grants, error) {
	out := grants{}
	raw := tx.Setting(w.disownedKey(target))
	if raw == nil {
		return out, nil
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading what was disowned: %w", err)
	}
	return out, nil
}

func (w *Worker) putDisowned(tx store.Tx, target string, all grants) error {
	if len(all) == 0 {
		return tx.SetSetting(w.disownedKey(target), nil)
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("remembering what was disowned: %w", err)
	}
	return tx.SetSetting(w.disownedKey(target), raw)
}

func (w *Worker) disown(tx store.Tx, e store.Entry) error {
	all, err := w.disowned(tx, e.Target)
	if err != nil || all.has(e.Account, e.Role) {
		return err
	}
	all[e.Account] = append(all[e.Account], e.Role)
	return w.putDisowned(tx, e.Target, all)
}

func (w *Worker) decide(ctx context.Context, id string, by store.Origin, event string, do func(store.Tx, store.Entry) error) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		now := w.now()
		var entries []store.Entry
		for e, err := range tx.Ledger(w.Name).Entries("", "") {
			if err != nil {
				return err
			}
			if e.Hold == id && id != "" {
				entries = append(entries, e)
			}
		}
		if len(entries) == 0 {
			return ErrNoHold
		}
		for _, e := range entries {
			if _, err := tx.Events().Append(decided(w.holdEvent(event, e, now), by)); err != nil {
				return err
			}
			if err := do(tx, e); err != nil {
				return err
			}
			if err := tx.Work(w.Name).Touch(e.Target, now, by, store.Subject{Account: e.Account}); err != nil {
				return err
			}
		}
		return w.wake(tx, now, func(m store.Mark) bool { return m.State == store.Held && m.Reason == id })
	})
	if err == nil {
		w.Nudge()
	}
	return err
}

// decided adds to the event of a decision whose it is.
func decided(e store.Event, by store.Origin) store.Event {
	e.Actor, e.Token, e.Request = by.Initiator, by.Token, by.Request
	return e
}

// wake touches the marks that are chosen: they are looked at again.
func (w *Worker) wake(tx store.Tx, now time.Time, chosen func(store.Mark) bool) error {
	var marks []store.Mark
	for m, err := range tx.Work(w.Name).Marks("") {
		if err != nil {
			return err
		}
		if chosen(m) {
			marks = append(marks, m)
		}
	}
	for _, m := range marks {
		if err := tx.Work(w.Name).Touch(m.Target, now, store.Origin{}, m.Subject); err != nil {
			return err
		}
	}
	return nil
}

// Retry lets everything that is blocked or waits for its next try be tried at once. It may be called from any goroutine.
func (w *Worker) Retry(ctx context.Context) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		if err := tx.SetSetting(w.retryAsked(), []byte("yes")); err != nil {
			return err
		}
		return w.wake(tx, w.now(), func(m store.Mark) bool { return m.State == store.Blocked || m.State == store.Pending && m.Tries > 0 })
	})
	if err != nil {
		return fmt.Errorf("trying again what is blocked: %w", err)
	}
	w.Nudge()
	return nil
}

// RulesChanged says that Rules gives others now. It may be called from any goroutine.
func (w *Worker) RulesChanged() {
	w.remapAsked.Store(true)
	w.Nudge()
}

// Resync asks whoever delivers for a comparison with what is there, at once. It may be called from any goroutine.
func (w *Worker) Resync(ctx context.Context) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error { return tx.SetSetting(w.resyncAsked(), []byte("yes")) })
	if err != nil {
		return fmt.Errorf("asking for a comparison: %w", err)
	}
	w.Nudge()
	return nil
}
