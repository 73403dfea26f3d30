package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Drift is a difference that a resync finds: a grant of ours that is gone, or one that was not given through the bridge.
const (
	DriftMissing = "missing"
	DriftForeign = "foreign"
)

// secondLook is how long after a mismatch the target is read again: reads of the vendors lag by seconds.
const secondLook = 5 * time.Second

// look takes commands and plans what is to be compared with the ledger: everything every ResyncEvery, and a target again shortly
// after a mismatch, because one read proves nothing.
func (w *Worker) look(ctx context.Context, asked bool) (err error) {
	resync, retry := false, false
	if asked {
		if resync, retry, err = w.takeCommands(ctx); err != nil {
			return err
		}
	}
	now := w.now()
	if retry {
		clear(w.pauses)
	}
	if resync || !w.resyncAt.IsZero() && !w.resyncAt.After(now) {
		var targets []string
		var absent map[string]bool
		err := w.Store.View(ctx, func(tx store.Tx) (err error) {
			if targets, err = w.targets(tx); err == nil {
				absent, err = w.absent(tx)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("listing what to compare: %w", err)
		}
		for _, t := range targets {
			if !absent[t] {
				w.looks[t] = now
			}
		}
		w.health.only(targets)
		w.resyncBegan, w.net = now, &netPass{}
		w.planResync(now, w.ResyncEvery)
	}
	return w.repair(ctx)
}

// looksNow reports whether look has something to do by itself.
func (w *Worker) looksNow() bool {
	return w.net != nil || !w.resyncAt.IsZero() && !w.resyncAt.After(w.now())
}

// dueLooks lists the targets to compare now.
func (w *Worker) dueLooks() (out []string) {
	for _, target := range slices.Sorted(maps.Keys(w.looks)) {
		if !w.looks[target].After(w.now()) && w.pausedUntil(target).IsZero() {
			out = append(out, target)
		}
	}
	return out
}

// compareOne compares a target, and plans to do so again if that failed.
func (w *Worker) compareOne(ctx context.Context, f *flight) error {
	target, now := f.name, w.now()
	delete(w.looks, target)
	err := w.compare(ctx, target)
	switch {
	case err == nil:
		w.succeeded(target)
	case errors.Is(err, errUrgent):
		w.looks[target] = now // after it
	case backend.KindOf(err) == backend.Missing && isBackend(err):
		w.health.at(target, noTarget, "the backend has no such target") // its marks find out by themselves
	case !w.failed(target, err):
		w.looks[target] = now.Add(longestWithoutStore) // it was asked for
		if ctx.Err() != nil || ends(err) {
			return err
		}
		w.Log.Warn("a comparison cannot be stored, will be tried again", "backend", w.Name, "target", target, "error", err)
	default:
		w.looks[target] = now.Add(secondLook)
	}
	return nil
}

func (w *Worker) planResync(now time.Time, after time.Duration) {
	w.resyncAt = time.Time{}
	if w.ResyncEvery > 0 {
		w.resyncAt = now.Add(after)
	}
}

// lookAt is when there is something to compare again that is not due now; zero: never by itself.
func (w *Worker) lookAt() time.Time {
	at, now := w.resyncAt, w.now()
	if w.net != nil {
		return now
	}
	for target, t := range w.looks {
		if p := w.pausedUntil(target); p.After(t) {
			t = p
		}
		if t.After(now) {
			at = earlier(at, t)
		}
	}
	return at
}

// compare reads a target. What the bridge granted and is not seen twice in a row is granted again; what is seen and no
// group gives is reported, and taken over for removal if a rule is authoritative. A listing without people is no evidence.
func (w *Worker) compare(ctx context.Context, target string) error {
	if err := w.refresh(ctx, target); err != nil {
		return err
	}
	var seen backend.Observation
	err := w.patiently(ctx, func(ctx context.Context) (err error) {
		seen, err = w.Backend.Observe(ctx, target)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading a target: %w", err)
	}
	if !seen.Complete || len(seen.Members) == 0 {
		w.Log.Warn("a listing without people, or not a whole one, is no evidence of anything", "backend", w.Name, "target", target)
		return nil
	}
	again, strangers, err := w.differences(ctx, target, seen)
	if err != nil {
		return fmt.Errorf("comparing a target: %w", err)
	}
	w.sighted(target, strangers)
	if err := w.recordComparison(ctx, target, seen); err != nil {
		return err
	}
	if again {
		wait := secondLook
		if w.ResyncEvery > 0 {
			wait = min(wait, max(w.ResyncEvery/4, 10*time.Millisecond))
		}
		w.looks[target] = w.now().Add(wait)
	}
	return nil
}

// differences notes what is seen on a target and not in the ledger, or the other way round, in parts.
func (w *Worker) differences(ctx context.Context, target string, seen backend.Observation) (again bool, strangers map[foreignGrant]bool, err error) {
	known := map[string]map[string]bool{}
	var missed []store.Entry
	err = w.Store.View(ctx, func(tx store.Tx) error {
		clear(known)
		missed = nil
		for e, err := range tx.Ledger(w.Name).Entries(target, "") {
			if err != nil {
				return err
			}
			if known[e.Account] == nil {
				known[e.Account] = map[string]bool{}
			}
			known[e.Account][e.Role] = true
			if has, tells := seen.Has(e.Account, e.Role); tells && !has || e.Missed > 0 {
				missed = append(missed, e)
			}
		}
		return nil
	})
	if err != nil {
		return false, nil, err
	}
	for part := range slices.Chunk(missed, sweepChunk) {
		more, err := w.missPart(ctx, seen, part)
		if err != nil {
			return false, nil, err
		}
		again = again || more
	}
	more, strangers, err := w.foreign(ctx, target, seen, known)
	if err != nil {
		return false, nil, err
	}
	return again || more, strangers, w.lookForMissing(ctx, target)
}

// missPart notes for some entries whether they are seen.
func (w *Worker) missPart(ctx context.Context, seen backend.Observation, entries []store.Entry) (again bool, err error) {
	clear(w.found)
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		again = false
		clear(w.found)
		for _, e := range entries {
			now, err := tx.Ledger(w.Name).Entry(e.Target, e.Account, e.Role)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			more, err := w.miss(tx, seen, now)
			if err != nil {
				return err
			}
			again = again || more
		}
		return nil
	})
	if err == nil {
		w.countDrift()
	}
	return again, err
}

// lookForMissing lets those be looked for now who have no account on the target as far as we know.
func (w *Worker) lookForMissing(ctx context.Context, target string) error {
	var without []store.Mark
	err := w.Store.View(ctx, func(tx store.Tx) error {
		without = nil
		for m, err := range tx.Work(w.Name).Marks(target) {
			if err != nil {
				return err
			}
			if m.State == store.Blocked && (m.Reason == noAccount || m.Reason == noAddress) {
				without = append(without, m)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return inParts(ctx, w.Store, without, func(tx store.Tx, part []store.Mark) error {
		for _, m := range part {
			m.NotBefore = w.now()
			if _, err := tx.Work(w.Name).Park(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// miss notes whether a grant of ours is seen. again: it is not, for the first time.
func (w *Worker) miss(tx store.Tx, seen backend.Observation, e store.Entry) (again bool, err error) {
	now := w.now()
	if e.Account == store.TargetSettings || e.State != store.Present || e.Open || !e.Doubt.IsZero() {
		return false, nil
	}
	has, tells := seen.Has(e.Account, e.Role)
	switch {
	case !tells, has && e.Missed == 0:
		return false, nil
	case !has && within(now, e.Sent, secondLook): // given a moment ago: the read may lag
		return true, nil
	case has:
		e.Missed = 0
	case e.Missed == 0:
		e.Missed, again = 1, true
	default:
		e.Missed, e.State, e.Note = 0, store.Unknown, "missing"
		w.drifted(DriftMissing, foreignGrant{e.Target, e.Account, e.Role})
		if err := errors.Join(w.missing(tx, seen, e), w.noticed(tx, "drift.missing", "read twice", e, w.byResync())); err != nil {
			return false, err
		}
	}
	return again, tx.Ledger(w.Name).PutEntry(e)
}

// missing marks the users that a missing grant concerns: the account, or, if that is not there either, the people who were it, to be
// looked up again.
func (w *Worker) missing(tx store.Tx, seen backend.Observation, e store.Entry) error {
	subject := []store.Subject{{Account: e.Account}}
	if _, member := seen.Members[e.Account]; !member {
		links, err := tx.Accounts(w.Name).Linked(e.Account)
		if err != nil {
			return err
		}
		for _, l := range links {
			subject = append(subject, store.Subject{IdP: l.IdP, User: l.User})
			if err := tx.Accounts(w.Name).DeleteCached(w.listing(e.Target), l.Key); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if len(links) > 0 {
			subject = subject[1:]
		}
	}
	return tx.Work(w.Name).Touch(e.Target, w.now(), w.byResync(), subject...)
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
		w.Log.Warn("a grant of ours was not there any more; it is given again", "backend", w.Name, "target", g.target, "account", label(g.account), "role", g.role)
	}
	for g := range w.found[DriftForeign] {
		if !w.foreigners[g] {
			w.foreigners[g] = true
			w.Drift(DriftForeign)
			w.Log.Warn("an account has a role that no group gives", "backend", w.Name, "target", g.target, "account", label(g.account), "role", g.role)
		}
	}
	clear(w.found)
}
