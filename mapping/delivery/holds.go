package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// ErrNoHold is the answer to a decision about a hold that does not exist, or not any more.
var ErrNoHold = errors.New("no such hold")

// ErrProtected is the answer to an approval of what the configuration protects.
var ErrProtected = errors.New("the configuration protects this person")

// Hold is a set of removals, or a group (Why is `pin`), that waits for an operator.
type Hold struct {
	ID      string     `json:"id"`     // with the digest: an id stands for what was listed
	Digest  string     `json:"digest"` // of everything below but Since
	Backend string     `json:"backend"`
	Target  string     `json:"target"`
	Why     string     `json:"why"`
	Since   time.Time  `json:"since"`
	Grants  []HeldItem `json:"grants"`          // that would be taken away
	Group   *HeldGroup `json:"group,omitempty"` // that would be accepted
	end     bool       // of an off-boarding that takes away more than roles
}

// HeldItem is one role of one account, or a permission set of the target, which all its users would
// lose.
type HeldItem struct {
	Person        string `json:"person"` // the value that found the account
	Account       string `json:"account"`
	Role          string `json:"role"` // or the permission set
	PermissionSet bool   `json:"permission_set,omitempty"`
	Users         int    `json:"users,omitempty"` // of a permission set: how many have the role, by the ledger
}

// Holds lists what is held, the oldest first. It may be called from any goroutine.
func (w *Worker) Holds(ctx context.Context) (out []Hold, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		out, err = w.allHolds(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing holds: %w", err)
	}
	return out, nil
}

// allHolds reads the holds of every kind.
func (w *Worker) allHolds(tx store.Tx) ([]Hold, error) {
	removals, err := w.removalHolds(tx)
	if err != nil {
		return nil, err
	}
	pins, err := w.pinHolds(tx)
	if err != nil {
		return nil, err
	}
	vanished, err := w.vanishedHolds(tx)
	if err != nil {
		return nil, err
	}
	ends, err := w.endHolds(tx)
	if err != nil {
		return nil, err
	}
	out := slices.Concat(removals, pins, vanished, ends)
	slices.SortStableFunc(out, func(a, b Hold) int { return a.Since.Compare(b.Since) })
	for i := range out {
		slices.SortFunc(out[i].Grants, func(a, b HeldItem) int {
			return cmp.Or(strings.Compare(a.Person, b.Person), strings.Compare(a.Account, b.Account), strings.Compare(a.Role, b.Role))
		})
		if err := out[i].seal(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// removalHolds reads the holds of the ledger.
func (w *Worker) removalHolds(tx store.Tx) (out []Hold, err error) {
	at, users := map[string]int{}, map[string]int{}
	target, account := "", ""
	for e, err := range tx.Ledger(w.Name).Entries("", "") {
		if err != nil {
			return nil, err
		}
		if counted := e.Account != store.TargetSettings && e.State != store.Absent; counted && (e.Target != target || e.Account != account) {
			target, account = e.Target, e.Account // entries of an account stand together
			users[target]++
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
		out[i].Grants = append(out[i].Grants, HeldItem{Person: e.Key, Account: e.Account, Role: e.Role, PermissionSet: e.Account == store.TargetSettings})
	}
	for _, h := range out {
		for i := range h.Grants {
			if h.Grants[i].PermissionSet {
				h.Grants[i].Users = users[h.Target]
			}
		}
	}
	return out, nil
}

// Approve releases what a hold keeps back, as far as it is still unwanted. Reject leaves the grants
// where they are and disowns them. Both may be called from any goroutine. The id is the one that
// Holds lists: it pins the content. ErrNoHold: there is no such hold; ErrChanged: it is not what
// was listed. A grant of a user under `protect`, or of the credential's own account, cannot be
// approved: ErrProtected. About a group that took a name which is bound to another group, an
// approval binds the name to it, and a rejection keeps it out.
func (w *Worker) Approve(ctx context.Context, id, actor, request string) error {
	return w.decide(ctx, id, store.Origin{Initiator: actor, Request: request, At: w.now()}, true)
}

// Reject is the other decision: see Approve.
func (w *Worker) Reject(ctx context.Context, id, actor, request string) error {
	return w.decide(ctx, id, store.Origin{Initiator: actor, Request: request, At: w.now()}, false)
}

// decide finds the hold by what was listed of it, and carries out the decision, in one transaction.
func (w *Worker) decide(ctx context.Context, id string, by store.Origin, approve bool) error {
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
		case h.Why == noTarget:
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
func (w *Worker) decideRemovals(tx store.Tx, h Hold, by store.Origin, approve bool) error {
	now, event, do := w.now(), "hold.reject", w.reject
	if approve {
		event, do = "hold.approve", w.approve
	}
	for _, g := range h.Grants {
		e, err := tx.Ledger(w.Name).Entry(h.Target, g.Account, g.Role)
		if err != nil {
			return err
		}
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
	return w.wake(tx, now, func(m store.Mark) bool { return m.State == store.Held && m.Reason == h.base() })
}

func (w *Worker) approve(tx store.Tx, e store.Entry) error {
	if e.Why == plan.Protected || e.Why == plan.OwnAccount {
		return ErrProtected
	}
	e.Hold, e.Why, e.HeldSince, e.Approved = "", "", time.Time{}, true
	return tx.Ledger(w.Name).PutEntry(e)
}

func (w *Worker) reject(tx store.Tx, e store.Entry) error {
	if e.Why == plan.Offboardings || e.Why == plan.LastAdmin { // the membership stays with the grants
		kept := w.retainedRow(e.Account)
		kept.Hold = e.Hold
		if err := store.Put(tx, kept); err != nil {
			return err
		}
	}
	if e.Account != store.TargetSettings { // a resync compares no permission sets
		if err := w.disown(tx, e); err != nil {
			return err
		}
	}
	return tx.Ledger(w.Name).DeleteEntry(e.Target, e.Account, e.Role)
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

// disowned lists what operators refused to take away on a target: an authoritative rule leaves it
// alone, until a group gives it or it is not there any more.
func (w *Worker) disowned(tx store.Tx, target string) (grants, error) {
	out, err := w.disownedOn(tx, target)
	if err != nil {
		return nil, fmt.Errorf("reading what was disowned: %w", err)
	}
	return out, nil
}

func (w *Worker) disown(tx store.Tx, e store.Entry) error {
	return store.Put(tx, store.Disowned{Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role})
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

// Retry lets everything that is blocked or waits for its next try be tried at once. It may be
// called from any goroutine.
func (w *Worker) Retry(ctx context.Context) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		if err := w.ask(tx, store.CommandRetry); err != nil {
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

// Resync asks the worker for a comparison with the vendor, at once. It may be called from
// any goroutine.
func (w *Worker) Resync(ctx context.Context) error {
	err := w.Store.Update(ctx, func(tx store.Tx) error { return w.ask(tx, store.CommandResync) })
	if err != nil {
		return fmt.Errorf("asking for a comparison: %w", err)
	}
	w.Nudge()
	return nil
}
