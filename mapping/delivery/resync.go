package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// Drift is a difference that a resync finds: a grant of ours that is gone, or one that nobody gave through the bridge.
const (
	DriftMissing = "missing"
	DriftForeign = "foreign"
)

// secondLook is how long after a mismatch the target is read again: reads of the vendors lag by seconds.
const secondLook = 5 * time.Second

// foreignGrant is what a resync saw and no group gives.
type foreignGrant struct{ target, account, role string }

// look compares what is there with the ledger where that is due: everything every ResyncEvery, and a target again shortly
// after a mismatch, because one read proves nothing.
func (w *Worker) look(ctx context.Context) error {
	now := w.now()
	if w.retryAsked.Swap(false) {
		clear(w.pauses)
	}
	if asked := w.resyncAsked.Swap(false); asked || !w.resyncAt.IsZero() && !w.resyncAt.After(now) {
		var targets []string
		err := w.Store.View(ctx, func(tx store.Tx) (err error) {
			targets, err = w.targets(tx)
			return err
		})
		if err != nil {
			return fmt.Errorf("listing what to compare: %w", err)
		}
		for _, t := range targets {
			w.looks[t] = now
		}
		w.planResync(now)
	}
	for _, target := range slices.Sorted(maps.Keys(w.looks)) {
		if w.looks[target].After(now) || !w.pausedUntil(target).IsZero() {
			continue
		}
		delete(w.looks, target)
		err := w.compare(ctx, target)
		switch {
		case err == nil:
			w.succeeded(target)
		case backend.KindOf(err) == backend.Missing && isBackend(err):
			// the marks of the target say so by themselves
		case !w.failed(target, err):
			return err
		default:
			w.looks[target] = now.Add(secondLook)
		}
	}
	return nil
}

func (w *Worker) planResync(now time.Time) {
	w.resyncAt = time.Time{}
	if w.ResyncEvery > 0 {
		w.resyncAt = now.Add(w.ResyncEvery)
	}
}

// lookAt is when look has something to do again; zero: never by itself.
func (w *Worker) lookAt() time.Time {
	at := w.resyncAt
	for target, t := range w.looks {
		if p := w.pausedUntil(target); p.After(t) {
			t = p
		}
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at
}

// compare reads a target. What the bridge granted and is not seen twice in a row is granted again; what is seen and no
// group gives is reported, and taken over for removal if a rule is authoritative. A listing without people is no evidence.
func (w *Worker) compare(ctx context.Context, target string) error {
	seen, err := w.Backend.Observe(ctx, target)
	if err != nil {
		return fmt.Errorf("reading a target: %w", err)
	}
	if !seen.Complete || len(seen.Members) == 0 {
		w.Log.Warn("a listing without people, or not a whole one, is no evidence of anything", "backend", w.Name, "target", target)
		return nil
	}
	again := false
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		again = false
		known := map[string]map[string]bool{}
		var ours []store.Entry
		for e, err := range tx.Ledger(w.Name).Entries(target, "") {
			if err != nil {
				return err
			}
			if known[e.Account] == nil {
				known[e.Account] = map[string]bool{}
			}
			known[e.Account][e.Role] = true
			ours = append(ours, e)
		}
		for _, e := range ours {
			more, err := w.miss(tx, seen, e)
			if err != nil {
				return err
			}
			again = again || more
		}
		more, err := w.foreign(tx, target, seen, known)
		again = again || more
		return err
	})
	if err != nil {
		return fmt.Errorf("comparing a target: %w", err)
	}
	if again {
		w.looks[target] = w.now().Add(min(secondLook, max(w.ResyncEvery/4, 10*time.Millisecond)))
	}
	w.countDrift()
	return nil
}

// miss notes whether a grant of ours is seen. again: it is not, for the first time.
func (w *Worker) miss(tx store.Tx, seen backend.Observation, e store.Entry) (again bool, err error) {
	now := w.now()
	if e.Account == store.TargetItself || e.State != store.Present || e.Open || !e.Doubt.IsZero() {
		return false, nil
	}
	has, tells := seen.Has(e.Account, e.Role)
	switch {
	case !tells, has && e.Missed == 0:
		return false, nil
	case !has && now.Sub(e.Sent) < secondLook: // given a moment ago: the read may lag
		return true, nil
	case has:
		e.Missed = 0
	case e.Missed == 0:
		e.Missed, again = 1, true
	default:
		e.Missed, e.State, e.Note = 0, store.Unknown, "missing"
		w.drifted(DriftMissing, foreignGrant{e.Target, e.Account, e.Role})
		if err := tx.Work(w.Name).Touch(e.Target, now, store.Subject{Account: e.Account}); err != nil {
			return false, err
		}
	}
	return again, tx.Ledger(w.Name).PutEntry(e)
}

// foreign goes through what is seen and not in the ledger.
func (w *Worker) foreign(tx store.Tx, target string, seen backend.Observation, known map[string]map[string]bool) (again bool, err error) {
	t, now := mapping.Target{Backend: w.Name, Target: target}, w.now()
	roles := w.Rules().Roles(t)
	for id, holds := range seen.Holders {
		for _, role := range holds {
			authoritative, managed := roles[role]
			if !managed || known[id][role] {
				continue
			}
			wanted := &account{Account: backend.Account{ID: id}}
			if err := w.load(tx, target, id, wanted); err != nil {
				return again, err
			}
			g := foreignGrant{target, id, role}
			if _, want := wanted.want[role]; want { // a group gives it, too: it is adopted
				if err := tx.Work(w.Name).Touch(target, now, store.Subject{Account: id}); err != nil {
					return again, err
				}
				continue
			}
			w.drifted(DriftForeign, g)
			if !authoritative {
				continue
			}
			if w.suspects[g]++; w.suspects[g] < 2 {
				again = true
				continue
			}
			delete(w.suspects, g)
			e := store.Entry{Target: target, Account: id, Role: role, Key: seen.Members[id].Key, State: store.Present, Wanted: true, Since: now, Note: "foreign"}
			if err := tx.Ledger(w.Name).PutEntry(e); err != nil {
				return again, err
			}
			if err := tx.Work(w.Name).Touch(target, now, store.Subject{Account: id}); err != nil {
				return again, err
			}
		}
	}
	return again, nil
}

// drifted remembers a difference until the transaction that found it is committed.
func (w *Worker) drifted(kind string, g foreignGrant) {
	if w.found[kind] == nil {
		w.found[kind] = map[foreignGrant]bool{}
	}
	w.found[kind][g] = true
}

// countDrift reports each missing grant, and each foreign one that was not known.
func (w *Worker) countDrift() {
	for g := range w.found[DriftMissing] {
		w.Drift(DriftMissing)
		w.Log.Warn("a grant of ours was not there any more; it is given again", "backend", w.Name, "target", g.target, "account", g.account, "role", g.role)
	}
	for g := range w.found[DriftForeign] {
		if !w.foreigners[g] {
			w.foreigners[g] = true
			w.Drift(DriftForeign)
			w.Log.Warn("somebody has a role that no group gives", "backend", w.Name, "target", g.target, "account", g.account, "role", g.role)
		}
	}
	clear(w.found)
}
