package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/resync"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// recordHolds writes the holds that a plan begins and ends, and parks what is held.
func (w *recorder) recordHolds(ctx context.Context, target string, v *visitWork, p plan.Plan) error {
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
				w.admins.Again(target, resync.AdminsAgain)
			}
			a.park, a.reason = store.Held, a.Owned[role].Hold
			if a.reason == "" {
				a.reason = joined[id][why].ID
			}
		}
	}
	return w.recordKeptSets(ctx, target, v.accounts[store.TargetSettings])
}

// recordKeptSets parks the permission sets of a target with the hold that keeps them.
func (w *recorder) recordKeptSets(ctx context.Context, target string, a *account) error {
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
// record.PartialHold. It returns the holds that each of the accounts may have joined, by reason.
func (w *recorder) writeParts(ctx context.Context, target string, v *visitWork, ids []string) (joined map[string]map[string]memory.OpenHold, err error) {
	open, partial := maps.Clone(v.Open), record.PartialHold{Backend: w.Name, Target: target}
	if open == nil {
		open = map[string]memory.OpenHold{}
	}
	joined = map[string]map[string]memory.OpenHold{}
	if len(ids) > memory.Part {
		if err := w.Store.Update(ctx, func(tx store.Tx) error { return record.Put(tx, partial) }); err != nil {
			return nil, err
		}
	}
	for last := 0; last < len(ids); {
		part := ids[last:min(last+memory.Part, len(ids))]
		last += len(part)
		var ours map[string]memory.OpenHold
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			shown, err := w.Shown(tx)
			if err != nil {
				return err
			}
			ours = maps.Clone(open)
			maps.DeleteFunc(ours, func(_ string, h memory.OpenHold) bool { return slices.Contains(shown, h.ID) }) // meanwhile
			if last == len(ids) {
				if err := record.Delete(tx, partial); err != nil {
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
func (w *recorder) writeHolds(tx store.Tx, v *visitWork, ids []string, open map[string]memory.OpenHold) error {
	now, released := w.Clock(), map[string]bool{}
	for _, id := range ids {
		a := v.accounts[id]
		for _, h := range a.Holds {
			e := a.Owned[h.Role]
			if h.Why != "" && open[h.Why].ID == "" {
				n, err := tx.Ledger(w.Name).NextAttempt()
				if err != nil {
					return err
				}
				open[h.Why] = memory.OpenHold{ID: w.Name + "-" + strconv.FormatUint(n, 10), Since: now}
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
	return w.Wake(tx, now, func(m store.Mark) bool { return m.State == store.Held && released[m.Reason] }) // they may be about others
}

// writeHold changes the entry of a hold, unless another decision was quicker.
func (w *recorder) writeHold(tx store.Tx, a *account, e store.Entry, h plan.HoldChange, joins memory.OpenHold) error {
	current, err := tx.Ledger(w.Name).Entry(e.Target, e.Account, e.Role)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || current.Attempt != e.Attempt || current.Hold != e.Hold || current.Approved != e.Approved {
		return err
	}
	if e.Hold, e.Why, e.HeldSince = joins.ID, h.Why, joins.Since; h.Why != "" || h.Wanted {
		e.Approved = false
	}
	e.Wanted = e.Wanted || h.Wanted
	event := w.HoldEvent("hold", e, w.Clock())
	if h.Why == "" { // its reason is gone
		event = w.HoldEvent("hold.release", current, w.Clock())
	}
	err = tx.Ledger(w.Name).PutEntry(e)
	if err == nil {
		event.Causes = a.Causes[e.Role]
		_, err = tx.Events().Append(memory.Initiated(event, a.Origin))
	}
	return err
}
