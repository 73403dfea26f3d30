package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// commit takes what is held out of the visit and writes holds that are new, and those that are over
// because their grant is wanted again or their reason is gone.
func (b *brakes) commit(ctx context.Context, v *visitWork) error {
	w := b.worker
	joined, err := b.writeParts(ctx, v, b.changed(v))
	if err != nil {
		return fmt.Errorf("recording what is held: %w", err)
	}
	for a, roles := range b.held {
		if slices.Contains(slices.Collect(maps.Values(roles)), whyLastAdmin) {
			w.recheckAt(b.target, adminsAgain)
		}
		a.remove = slices.DeleteFunc(a.remove, func(role string) bool { return roles[role] != "" })
		a.replace = false
		for role, why := range roles {
			a.park, a.reason = store.Held, a.mine[role].Hold
			if a.reason == "" {
				a.reason = joined[a][why].id
			}
		}
	}
	return nil
}

// changed lists the accounts of which a hold begins or ends, in their order.
func (b *brakes) changed(v *visitWork) (ids []string) {
	for id, a := range v.accounts {
		changed := false
		for role, e := range a.mine {
			changed = changed || e.Hold != "" && b.held[a][role] != e.Why || a.keeps(role, e)
		}
		for role, why := range b.held[a] {
			changed = changed || a.mine[role].Why != why
		}
		if changed {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// writeParts is write in parts. What a crash leaves of very many removals is no small number that max_removals allows, but held,
// too: see store.PartialHold. It returns the holds that each of the accounts may have joined.
func (b *brakes) writeParts(ctx context.Context, v *visitWork, ids []string) (joined map[*account]map[string]openHold, err error) {
	w, open, created := b.worker, maps.Clone(b.open), map[string]openHold{}
	joined = map[*account]map[string]openHold{}
	partial := store.PartialHold{Backend: w.Name, Target: b.target}
	if len(ids) > sweepChunk {
		if err := w.Store.Update(ctx, func(tx store.Tx) error { return store.Put(tx, partial) }); err != nil {
			return nil, err
		}
	}
	for last := 0; last < len(ids); {
		part := ids[last:min(last+sweepChunk, len(ids))]
		last += len(part)
		var ours, fresh map[string]openHold
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			shown, err := w.shown(tx)
			if err != nil {
				return err
			}
			ours, fresh = maps.Clone(open), maps.Clone(created)
			maps.DeleteFunc(ours, func(_ string, h openHold) bool { return slices.Contains(shown, h.id) }) // meanwhile
			if last == len(ids) {
				if err := store.Delete(tx, partial); err != nil {
					return err
				}
			}
			return b.write(tx, v, part, ours, fresh)
		})
		if err != nil {
			return nil, err
		}
		open, created = ours, fresh
		for _, id := range part {
			joined[v.accounts[id]] = ours
		}
	}
	b.exceeded(created)
	return joined, nil
}

// keeps says whether a grant that was to be removed, or was let go, is wanted again: the next
// removal is a new one.
func (a *account) keeps(role string, e store.Entry) bool {
	_, want := a.want[role]
	return want && e.State == store.Present && (!e.Wanted || e.Approved || e.Hold != "")
}

// write records holds that begin or end. A removal joins an open hold, or one that is created for
// all of its reason.
func (b *brakes) write(tx store.Tx, v *visitWork, ids []string, open, created map[string]openHold) error {
	w, now, released := b.worker, b.worker.now(), map[string]bool{}
	for _, id := range ids {
		a := v.accounts[id]
		for _, role := range slices.Sorted(maps.Keys(a.mine)) {
			e, why, held := a.mine[role], b.held[a][role], false
			switch {
			case why != "" && e.Why != why:
				if open[why].id == "" {
					n, err := tx.Ledger(w.Name).NextAttempt()
					if err != nil {
						return err
					}
					open[why] = openHold{w.Name + "-" + strconv.FormatUint(n, 10), now}
					created[why] = open[why]
				}
				released[e.Hold] = true
				e.Hold, e.Why, e.HeldSince, e.Approved, held = open[why].id, why, open[why].since, false, true
			case why == "" && a.keeps(role, e):
				released[e.Hold] = true
				e.Hold, e.Why, e.HeldSince, e.Approved, e.Wanted = "", "", time.Time{}, false, true
			case why == "" && e.Hold != "":
				released[e.Hold] = true
				e.Hold, e.Why, e.HeldSince = "", "", time.Time{}
			default:
				continue
			}
			current, err := tx.Ledger(w.Name).Entry(e.Target, e.Account, e.Role)
			if errors.Is(err, store.ErrNotFound) || current.Attempt != e.Attempt || current.Hold != a.mine[role].Hold || current.Approved != a.mine[role].Approved {
				continue // another decision was quicker
			}
			if err != nil {
				return err
			}
			if err := tx.Ledger(w.Name).PutEntry(e); err != nil {
				return err
			}
			if !held {
				continue
			}
			if _, err := tx.Events().Append(initiated(w.holdEvent("hold", e, now), a.origin)); err != nil {
				return err
			}
		}
	}
	if delete(released, ""); len(released) == 0 {
		return nil
	}
	return w.wake(tx, now, func(m store.Mark) bool { return m.State == store.Held && released[m.Reason] }) // they may be about others
}

func (w *Worker) holdEvent(kind string, e store.Entry, now time.Time) store.Event {
	return store.Event{At: now, Type: kind, Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Detail: e.Hold + " " + e.Why}
}
