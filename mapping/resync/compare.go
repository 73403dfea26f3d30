package resync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// Look takes commands and plans what is to be compared with the ledger: everything every ResyncEvery, and a target again shortly
// after a mismatch, because one read proves nothing.
func (w *Resync) Look(ctx context.Context, asked bool) (err error) {
	resync, retry := false, false
	if asked {
		if resync, retry, err = w.takeCommands(ctx); err != nil {
			return err
		}
	}
	now := w.Clock()
	if retry {
		w.Breaker.Resume()
	}
	if resync || !w.at.IsZero() && !w.at.After(now) {
		var targets []string
		var absent map[string]bool
		err := w.Store.View(ctx, func(tx store.Tx) (err error) {
			if targets, err = w.AllTargets(tx); err == nil {
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
		w.Breaker.Only(targets)
		w.began = now
		w.Repair.Begin()
		w.Schedule(now, w.Every)
	}
	return w.Repair.Continue(ctx)
}

// LooksNow reports whether look has something to do by itself.
func (w *Resync) LooksNow() bool {
	return w.Repair.Under() || !w.at.IsZero() && !w.at.After(w.Clock())
}

// Looks lists the targets to compare now.
func (w *Resync) Looks() (out []string) {
	for _, target := range slices.Sorted(maps.Keys(w.looks)) {
		if !w.looks[target].After(w.Clock()) && w.Breaker.PausedUntil(target).IsZero() {
			out = append(out, target)
		}
	}
	return out
}

// Compare compares a target, and plans to do so again if that failed.
func (w *Resync) Compare(ctx context.Context, f *flight.Flight) error {
	target, now := f.Name, w.Clock()
	delete(w.looks, target)
	err := w.compare(ctx, target)
	switch {
	case err == nil:
		w.Breaker.Succeeded(target)
	case errors.Is(err, flight.ErrUrgent):
		w.looks[target] = now // after it
	case backend.KindOf(err) == backend.Missing:
		w.Breaker.Say(target, reason.NoTarget, "the backend has no such target") // its marks find out by themselves
	case !w.Breaker.Failed(target, err):
		w.looks[target] = now.Add(memory.LongestWithoutStore) // it was asked for
		if ctx.Err() != nil || memory.Ends(err) {
			return err
		}
		w.Log.Warn("a comparison cannot be stored, will be tried again", "backend", w.Name, "target", target, "error", err)
	default:
		w.looks[target] = now.Add(secondLook)
	}
	return nil
}

// Schedule plans when everything is compared next by itself.
func (w *Resync) Schedule(now time.Time, after time.Duration) {
	w.at = time.Time{}
	if w.Every > 0 {
		w.at = now.Add(after)
	}
}

// Next is when there is something to compare again that is not due now; zero: never by itself.
func (w *Resync) Next() time.Time {
	at, now := w.at, w.Clock()
	if w.Repair.Under() {
		return now
	}
	for target, t := range w.looks {
		if p := w.Breaker.PausedUntil(target); p.After(t) {
			t = p
		}
		if t.After(now) {
			at = memory.Earlier(at, t)
		}
	}
	return at
}

// compare reads a target. What the bridge granted and is not seen twice in a row is granted again; what is seen and no
// group gives is reported, and taken over for removal if a rule is authoritative. A listing without people is no evidence.
func (w *Resync) compare(ctx context.Context, target string) error {
	if err := w.Refresh(ctx, target, w.began); err != nil {
		return err
	}
	var seen backend.Observation
	err := w.Patiently(ctx, func(ctx context.Context) (err error) {
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
		if w.Every > 0 {
			wait = min(wait, max(w.Every/4, 10*time.Millisecond))
		}
		w.looks[target] = w.Clock().Add(wait)
	}
	return nil
}

// differences notes what is seen on a target and not in the ledger, or the other way round, in parts.
func (w *Resync) differences(ctx context.Context, target string, seen backend.Observation) (again bool, strangers map[memory.Grant]bool, err error) {
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
	for part := range slices.Chunk(missed, memory.Part) {
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
func (w *Resync) missPart(ctx context.Context, seen backend.Observation, entries []store.Entry) (again bool, err error) {
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
func (w *Resync) lookForMissing(ctx context.Context, target string) error {
	var without []store.Mark
	err := w.Store.View(ctx, func(tx store.Tx) error {
		without = nil
		for m, err := range tx.Work(w.Name).Marks(target) {
			if err != nil {
				return err
			}
			if m.State == store.Blocked && reason.Block(m.Reason).Unfound {
				without = append(without, m)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return memory.InParts(ctx, w.Store, without, func(tx store.Tx, part []store.Mark) error {
		for _, m := range part {
			m.NotBefore = w.Clock()
			if _, err := tx.Work(w.Name).Park(m); err != nil {
				return err
			}
		}
		return nil
	})
}

// miss notes whether a grant of ours is seen. again: it is not, for the first time.
func (w *Resync) miss(tx store.Tx, seen backend.Observation, e store.Entry) (again bool, err error) {
	now := w.Clock()
	if e.Account == store.TargetSettings || e.State != store.Present || e.Open || !e.Doubt.IsZero() {
		return false, nil
	}
	has, tells := seen.Has(e.Account, e.Role)
	switch {
	case !tells, has && e.Missed == 0:
		return false, nil
	case !has && memory.Within(now, e.Sent, secondLook): // given a moment ago: the read may lag
		return true, nil
	case has:
		e.Missed = 0
	case e.Missed == 0:
		e.Missed, again = 1, true
	default:
		e.Missed, e.State, e.Note = 0, store.Unknown, "missing"
		w.drifted(DriftMissing, memory.Grant{Target: e.Target, Account: e.Account, Role: e.Role})
		if err := errors.Join(w.missing(tx, seen, e), w.Noticed(tx, "drift.missing", "read twice", e, w.ByResync())); err != nil {
			return false, err
		}
	}
	return again, tx.Ledger(w.Name).PutEntry(e)
}

// missing marks the users that a missing grant concerns: the account, or, if that is not there either, the people who were it, to be
// looked up again.
func (w *Resync) missing(tx store.Tx, seen backend.Observation, e store.Entry) error {
	subject := []store.Subject{{Account: e.Account}}
	if _, member := seen.Members[e.Account]; !member {
		links, err := tx.Accounts(w.Name).Linked(e.Account)
		if err != nil {
			return err
		}
		for _, l := range links {
			subject = append(subject, store.Subject{IdP: l.IdP, User: l.User})
			if err := tx.Accounts(w.Name).DeleteCached(w.Listing(e.Target), l.Key); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		if len(links) > 0 {
			subject = subject[1:]
		}
	}
	return tx.Work(w.Name).Touch(e.Target, w.Clock(), w.ByResync(), subject...)
}

// drifted remembers a difference until the transaction that found it is committed.
func (w *Resync) drifted(kind string, g memory.Grant) {
	if w.found[kind] == nil {
		w.found[kind] = map[memory.Grant]bool{}
	}
	w.found[kind][g] = true
}

// countDrift reports each missing grant, and each foreign one that was not known.
func (w *Resync) countDrift() {
	for g := range w.found[DriftMissing] {
		w.Drift(DriftMissing)
		w.Log.Warn("a grant of ours was not there any more; it is given again", "backend", w.Name, "target", g.Target, "account", memory.Label(g.Account), "role", g.Role)
	}
	for g := range w.found[DriftForeign] {
		if !w.foreigners[g] {
			w.foreigners[g] = true
			w.Drift(DriftForeign)
			w.Log.Warn("an account has a role that no group gives", "backend", w.Name, "target", g.Target, "account", memory.Label(g.Account), "role", g.Role)
		}
	}
	clear(w.found)
}

// takeCommands takes the commands of operators out of the store.
func (w *Resync) takeCommands(ctx context.Context) (resync, retry bool, err error) {
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		var err, other error
		resync, err = w.TakeCommand(tx, store.CommandResync)
		retry, other = w.TakeCommand(tx, store.CommandRetry)
		return errors.Join(err, other)
	})
	if err != nil {
		return false, false, fmt.Errorf("taking commands: %w", err)
	}
	return resync, retry, nil
}

// absent returns the targets that are blocked as a whole and hold no grants: a resync has nothing to
// compare there.
func (w *Resync) absent(tx store.Tx) (map[string]bool, error) {
	out := map[string]bool{}
	for m, err := range tx.Work(w.Name).Marks("") {
		if err != nil {
			return nil, err
		}
		if _, seen := out[m.Target]; seen || m.State != store.Blocked || m.Reason != reason.NoTarget && m.Reason != reason.TooManyTargets {
			continue
		}
		holds, err := w.HoldsGrants(tx, m.Target)
		if err != nil {
			return nil, err
		}
		out[m.Target] = !holds
	}
	return out, nil
}
