package delivery

import (
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

// holdGrows is for how long a hold takes in what is caught after it: an operator decides about what
// was shown.
const holdGrows = time.Minute

// openHold is a hold that is less than a minute old and was not listed yet.
type openHold struct {
	id    string
	since time.Time
}

// recordHolds writes the holds that a plan begins and ends, and parks what is held.
func (w *Worker) recordHolds(ctx context.Context, target string, v *visitWork, p plan.Plan) error {
	var changed []string
	for id, d := range p.Decisions {
		if len(d.Holds) > 0 {
			changed = append(changed, id)
		}
	}
	slices.Sort(changed)
	joined, err := w.writeParts(ctx, target, v, changed)
	if err != nil {
		return fmt.Errorf("recording what is held: %w", err)
	}
	w.exceeded(target, p.Exceeded)
	for id, a := range v.accounts {
		for role, why := range a.Held {
			if why == plan.LastAdmin {
				w.recheckAt(target, adminsAgain)
			}
			a.park, a.reason = store.Held, a.Owned[role].Hold
			if a.reason == "" {
				a.reason = joined[id][why].id
			}
		}
	}
	return w.recordKeptSets(ctx, target, v.accounts[store.TargetSettings])
}

// recordKeptSets parks the permission sets of a target with the hold that keeps them.
func (w *Worker) recordKeptSets(ctx context.Context, target string, a *account) error {
	if a == nil || !a.KeepSet {
		return nil
	}
	err := w.Store.View(ctx, func(tx store.Tx) error {
		for e, err := range tx.Ledger(w.Name).Entries(target, "") {
			if err != nil || e.Hold != "" && e.Account != store.TargetSettings {
				a.park, a.reason = store.Held, e.Hold
				return err
			}
		}
		a.park, a.reason, a.unfinished = 0, "", true // an operator was quicker
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking whether an account is held: %w", err)
	}
	return nil
}

// writeParts writes holds in parts. What a crash leaves of very many revocations is held as well: see
// store.PartialHold. It returns the holds that each of the accounts may have joined, by reason.
func (w *Worker) writeParts(ctx context.Context, target string, v *visitWork, ids []string) (joined map[string]map[string]openHold, err error) {
	open, partial := maps.Clone(v.open), store.PartialHold{Backend: w.Name, Target: target}
	if open == nil {
		open = map[string]openHold{}
	}
	joined = map[string]map[string]openHold{}
	if len(ids) > sweepChunk {
		if err := w.Store.Update(ctx, func(tx store.Tx) error { return store.Put(tx, partial) }); err != nil {
			return nil, err
		}
	}
	for last := 0; last < len(ids); {
		part := ids[last:min(last+sweepChunk, len(ids))]
		last += len(part)
		var ours map[string]openHold
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			shown, err := w.shown(tx)
			if err != nil {
				return err
			}
			ours = maps.Clone(open)
			maps.DeleteFunc(ours, func(_ string, h openHold) bool { return slices.Contains(shown, h.id) }) // meanwhile
			if last == len(ids) {
				if err := store.Delete(tx, partial); err != nil {
					return err
				}
			}
			return w.writeHolds(tx, v, part, ours)
		})
		if err != nil {
			return nil, err
		}
		open = ours
		for _, id := range part {
			joined[id] = ours
		}
	}
	return joined, nil
}

// writeHolds records holds that begin or end. A revocation joins an open hold, or one that is created
// for all of its reason.
func (w *Worker) writeHolds(tx store.Tx, v *visitWork, ids []string, open map[string]openHold) error {
	now, released := w.now(), map[string]bool{}
	for _, id := range ids {
		a := v.accounts[id]
		for _, h := range a.Holds {
			e := a.Owned[h.Role]
			if h.Why != "" && open[h.Why].id == "" {
				n, err := tx.Ledger(w.Name).NextAttempt()
				if err != nil {
					return err
				}
				open[h.Why] = openHold{w.Name + "-" + strconv.FormatUint(n, 10), now}
			}
			released[e.Hold] = true
			if err := w.writeHold(tx, a, e, h, open[h.Why]); err != nil {
				return err
			}
		}
	}
	if delete(released, ""); len(released) == 0 {
		return nil
	}
	return w.wake(tx, now, func(m store.Mark) bool { return m.State == store.Held && released[m.Reason] }) // they may be about others
}

// writeHold changes the entry of a hold, unless another decision was quicker.
func (w *Worker) writeHold(tx store.Tx, a *account, e store.Entry, h plan.HoldChange, joins openHold) error {
	current, err := tx.Ledger(w.Name).Entry(e.Target, e.Account, e.Role)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || current.Attempt != e.Attempt || current.Hold != e.Hold || current.Approved != e.Approved {
		return err
	}
	if e.Hold, e.Why, e.HeldSince = joins.id, h.Why, joins.since; h.Why != "" || h.Wanted {
		e.Approved = false
	}
	e.Wanted = e.Wanted || h.Wanted
	if err := tx.Ledger(w.Name).PutEntry(e); err != nil || h.Why == "" {
		return err
	}
	_, err = tx.Events().Append(initiated(w.holdEvent("hold", e, w.now()), a.origin))
	return err
}

func (w *Worker) holdEvent(kind string, e store.Entry, now time.Time) store.Event {
	return store.Event{At: now, Type: kind, Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Detail: e.Hold + " " + e.Why}
}
