package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// sweepChunk bounds the transactions of a sweep, so that it does not delay requests.
const sweepChunk = 500

// sweep replaces the mark "everybody on this target" by marks for each: the members of every group that gives
// something there, every account of the ledger, the target's own settings, and the users who wait: what was held or
// blocked under other rules is decided again. A crash in between leaves the sweep marked, and it starts again.
func (w *Worker) sweep(ctx context.Context, m store.Mark) error {
	switch {
	case m.Subject.Event != 0:
		return w.takeApart(ctx, m)
	case m.Target == store.AnyTarget && m.Subject.User != "":
		return w.everywhere(ctx, m)
	case m.Target == store.AnyTarget:
		return w.onEveryTarget(ctx, m)
	}
	var subjects []store.Subject
	t := mapping.Target{Backend: w.Name, Target: m.Target}
	err := w.Store.View(ctx, func(tx store.Tx) error {
		subjects = []store.Subject{{Account: store.TargetSettings}}
		seen := map[string]bool{store.TargetSettings: true}
		for e, err := range tx.Ledger(w.Name).Entries(m.Target, "") {
			if err != nil {
				return err
			}
			if !seen[e.Account] {
				seen[e.Account] = true
				subjects = append(subjects, store.Subject{Account: e.Account})
			}
		}
		for parked, err := range tx.Work(w.Name).Marks(m.Target) {
			if err != nil {
				return err
			}
			if parked.State != store.Pending && !seen[parked.Subject.Account] {
				subjects = append(subjects, parked.Subject)
			}
		}
		return w.eachMember(tx, func(idp string, g store.Group) bool { return slices.Contains(w.inForce().Targets(idp, g), t) },
			func(s store.Subject) error {
				subjects = append(subjects, s)
				return nil
			})
	})
	if err != nil {
		return fmt.Errorf("sweeping a target: %w", err)
	}
	return w.instead(ctx, m, subjects)
}

// everywhere replaces the mark of a user by marks wherever the ledger has something of theirs. Of a user who leaves, and is to
// lose more than roles, also where they are known to be a member; of anybody else wherever a group of theirs counts: a replica
// with other rules than ours took the request.
func (w *Worker) everywhere(ctx context.Context, m store.Mark) error {
	return w.Store.Update(ctx, func(tx store.Tx) error {
		targets, err := w.whereabouts(tx, m.Subject)
		if err != nil {
			return fmt.Errorf("looking where a user has something: %w", err)
		}
		mark := tx.Work(w.Name).TouchUrgent
		if !m.Urgent {
			mark = tx.Work(w.Name).Touch
			more, err := w.counts(tx, m.Subject)
			if err != nil {
				return fmt.Errorf("looking where the groups of a user count: %w", err)
			}
			targets = append(targets, more...)
		}
		for _, t := range targets {
			if err := mark(t, m.Since, m.Origin, m.Subject); err != nil {
				return err
			}
		}
		if err := w.forgetUnlinked(tx, m.Subject); err != nil {
			return fmt.Errorf("forgetting a user without an account: %w", err)
		}
		_, err = tx.Work(w.Name).Settle(m)
		return err
	})
}

// forgetUnlinked drops what is kept of a deleted user who was looked for and had no account.
func (w *Worker) forgetUnlinked(tx store.Tx, s store.Subject) error {
	link, err := tx.Accounts(w.Name).Link(s.IdP, s.User)
	if err != nil || link.Account != "" {
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	}
	if _, err := tx.Directory(s.IdP).User(s.User); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return tx.Accounts(w.Name).DeleteLink(s.IdP, s.User)
}

// onEveryTarget replaces a mark that is about no user by marks of every target: a replica with other rules than ours took a
// request that concerns everybody of a group, or its existence, and could not say where it counts.
func (w *Worker) onEveryTarget(ctx context.Context, m store.Mark) error {
	return w.Store.Update(ctx, func(tx store.Tx) error {
		targets, err := w.targets(tx)
		if err != nil {
			return fmt.Errorf("listing every target: %w", err)
		}
		for _, t := range targets {
			if err := tx.Work(w.Name).Touch(t, m.Since, m.Origin, m.Subject); err != nil {
				return err
			}
		}
		_, err = tx.Work(w.Name).Settle(m)
		return err
	})
}

// counts lists the targets on which a group of the user counts.
func (w *Worker) counts(tx store.Tx, s store.Subject) ([]string, error) {
	var out []string
	for g, err := range tx.Directory(s.IdP).GroupsOf(s.User) {
		if err != nil {
			return nil, err
		}
		for _, t := range w.inForce().Targets(s.IdP, g) {
			if t.Backend == w.Name {
				out = append(out, t.Target)
			}
		}
	}
	return out, nil
}

func (w *Worker) whereabouts(tx store.Tx, s store.Subject) ([]string, error) {
	link, err := tx.Accounts(w.Name).Link(s.IdP, s.User)
	if errors.Is(err, store.ErrNotFound) || err == nil && link.Account == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out, err := tx.Ledger(w.Name).TargetsOf(link.Account)
	if err != nil || !w.offboards() {
		return out, err
	}
	all, err := w.targets(tx)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if c, err := tx.Accounts(w.Name).Cached(w.listing(t), link.Key); err == nil && c.ID == link.Account {
			out = append(out, t)
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if w.Backend.Traits().OneListing && len(out) > 0 {
			break // the account is ended once
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// takeApart replaces the mark of an event by marks for the users that it names.
func (w *Worker) takeApart(ctx context.Context, m store.Mark) error {
	var subjects []store.Subject
	err := w.Store.View(ctx, func(tx store.Tx) error {
		subjects = nil
		e, err := tx.Events().Event(m.Subject.Event)
		for _, id := range slices.Concat(e.Added, e.Removed) {
			subjects = append(subjects, store.Subject{IdP: m.Subject.IdP, User: id})
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading which users an event names: %w", err)
	}
	return w.instead(ctx, m, subjects)
}

// instead marks the subjects in the place of one mark.
func (w *Worker) instead(ctx context.Context, m store.Mark, subjects []store.Subject) error {
	err := inParts(ctx, w.Store, subjects, func(tx store.Tx, part []store.Subject) error {
		return tx.Work(w.Name).Touch(m.Target, m.Since, m.Origin, part...)
	})
	if err != nil {
		return fmt.Errorf("sweeping a target: %w", err)
	}
	return w.Store.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Work(w.Name).Settle(m)
		return err
	})
}

func (w *Worker) eachMember(tx store.Tx, of func(idp string, g store.Group) bool, yield func(store.Subject) error) error {
	seen := map[store.Subject]bool{}
	for _, idp := range tx.IdPs() {
		dir := tx.Directory(idp)
		for g, err := range dir.Groups(store.From{}) {
			if err != nil {
				return err
			}
			if !of(idp, g) {
				continue
			}
			for member, err := range dir.Members(g.ID) {
				if err != nil {
					return err
				}
				if s := (store.Subject{IdP: idp, User: member.Value}); member.User && !seen[s] {
					seen[s] = true
					if err := yield(s); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// Start is the first round: every attempt without an outcome is in doubt, and if the rules are not those that
// the last run delivered, every target they concern may be wrong.
func (w *Worker) Start(ctx context.Context) (time.Time, error) {
	return w.start(ctx, w.RunOnce)
}

func (w *Worker) start(ctx context.Context, round func(context.Context) (time.Time, error)) (time.Time, error) {
	if err := w.startOver(ctx); err != nil {
		return time.Time{}, err
	}
	return round(ctx)
}

// startOver is Start without the round.
func (w *Worker) startOver(ctx context.Context) error {
	w.take()
	defer w.give()
	w.failure = nil
	if err := w.recover(ctx); err != nil {
		return fmt.Errorf("recovering open attempts: %w", err)
	}
	if err := w.Remap(ctx); err != nil {
		return err
	}
	w.planResync(w.now(), cmp.Or(w.ResyncFirst, w.ResyncEvery))
	w.health.set("ok", "")
	return w.keepPause(ctx)
}

// recover puts in doubt what was under way when the last process ended. Moments that it wrote may be of a clock that was
// wrong: what is in doubt is so for a whole window from now, and nothing waits longer than it could by this clock.
func (w *Worker) recover(ctx context.Context) error {
	var open []store.Entry
	var asleep []store.Mark
	now := w.now()
	err := w.Store.View(ctx, func(tx store.Tx) error {
		open, asleep = nil, nil
		for e, err := range tx.Ledger(w.Name).Entries("", "") {
			if err != nil {
				return err
			}
			if e.Open || !e.Doubt.IsZero() {
				open = append(open, e)
			}
		}
		for m, err := range tx.Work(w.Name).Marks("") {
			if err != nil {
				return err
			}
			if m.State != store.Held && m.NotBefore.After(now.Add(w.longestWait(m))) {
				asleep = append(asleep, m)
			}
		}
		if tx.Setting(w.called()) != nil {
			w.lag = now.Add(w.Straggler)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = inParts(ctx, w.Store, open, func(tx store.Tx, open []store.Entry) error {
		for _, e := range open {
			if e.Open {
				e.Open, e.State, e.Note = false, store.Unknown, "interrupted"
			}
			e.Doubt, e.MaybeGone = now.Add(w.Straggler), e.MaybeGone || !e.Wanted
			if err := tx.Ledger(w.Name).PutEntry(e); err != nil {
				return err
			}
			if err := tx.Work(w.Name).Touch(e.Target, now, store.Origin{}, store.Subject{Account: e.Account}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return inParts(ctx, w.Store, asleep, func(tx store.Tx, asleep []store.Mark) error {
		for _, m := range asleep {
			if err := tx.Work(w.Name).Touch(m.Target, now, store.Origin{}, m.Subject); err != nil {
				return err
			}
		}
		return nil
	})
}

// longestWait is how far ahead a mark can have been postponed by a clock that was right.
func (w *Worker) longestWait(m store.Mark) time.Duration {
	if m.State != store.Blocked || m.Reason != noAccount && m.Reason != noAddress { // what else is blocked may be a removal
		return max(w.Straggler, longestRetry) + maxSlew
	}
	wait := w.RetryMax
	for i := 1; i < m.Tries && wait < longestBlock; i++ {
		wait *= 2
	}
	return min(wait, longestBlock) + maxSlew
}

// InForce is the fingerprint of the rules by which a backend is delivered to; "" before any replica has.
func InForce(tx store.Tx, backend string) string {
	print, _, _ := strings.Cut(string(tx.Setting(mappingKey(backend))), " ")
	return print
}

func mappingKey(backend string) string { return "mapping/" + backend }

// called names the setting that says that the backend was ever called to change something.
func (w *Worker) called() string { return "called/" + w.Name }

// inForce are the rules that the worker goes by: those of the last Remap, which the store knows of, so that what was delivered under
// others is looked at again however short they were in force. Of a worker that never runs they are those of Rules.
func (w *Worker) inForce() *mapping.Rules {
	if r := w.remapped.Load(); r != nil {
		return r
	}
	return w.Rules()
}

// goesBy is what the store says of the rules, and of what the worker may do, once all targets are marked
// for them.
func (w *Worker) goesBy(rules *mapping.Rules) string {
	return fmt.Sprintf("%s %s %s %q %q", rules.Fingerprint(w.Name), w.Match, w.mode(), w.Protect, w.OwnAccount)
}

// Remap marks every target of this backend if the rules, or what the worker may do, differ from those last
// marked for; names are bound as the rules pin them. It is called at the start and after a reload.
func (w *Worker) Remap(ctx context.Context) error {
	rules, setting := w.Rules(), mappingKey(w.Name)
	w.remapped.Store(rules)
	want := w.goesBy(rules)
	now := w.now()
	var used []string // which the worker alone changes
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		if string(tx.Setting(setting)) != want {
			used, err = w.used(tx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("listing what a changed mapping concerns: %w", err)
	}
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		if string(tx.Setting(setting)) == want {
			return nil
		}
		if err := errors.Join(unbind(tx, rules, w.Name), bindAll(tx, rules, w.Name, now)); err != nil {
			return err
		}
		targets, err := w.named(tx)
		if err != nil {
			return err
		}
		targets = append(targets, used...)
		slices.Sort(targets)
		for _, t := range slices.Compact(targets) {
			if err := tx.Work(w.Name).Touch(t, now, store.Origin{Initiator: byRules, At: now}, store.Subject{}); err != nil {
				return err
			}
		}
		return tx.SetSetting(setting, []byte(want))
	})
	if err != nil {
		return fmt.Errorf("marking what a changed mapping concerns: %w", err)
	}
	return nil
}

// named are the targets that the rules name, and those that groups give by a pattern.
func (w *Worker) named(tx store.Tx) ([]string, error) {
	out := w.inForce().FixedTargets(w.Name)
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return nil, err
			}
			for _, t := range w.inForce().Targets(idp, g) {
				if t.Backend == w.Name {
					out = append(out, t.Target)
				}
			}
		}
	}
	return out, nil
}

// targets returns those that are named, and those in use.
func (w *Worker) targets(tx store.Tx) ([]string, error) {
	out, err := w.named(tx)
	if err != nil {
		return nil, err
	}
	used, err := w.used(tx)
	out = append(out, used...)
	slices.Sort(out)
	return slices.Compact(out), err
}

// used returns the targets of the ledger and of marks. It reads all of both.
func (w *Worker) used(tx store.Tx) (out []string, err error) {
	for e, err := range tx.Ledger(w.Name).Entries("", "") {
		if err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1] != e.Target {
			out = append(out, e.Target)
		}
	}
	for m, err := range tx.Work(w.Name).Marks("") { // also what waits where nothing is given any more
		if err != nil {
			return nil, err
		}
		if m.Target == store.AnyTarget {
			continue
		}
		if out = append(out, m.Target); len(out) > 1 && out[len(out)-2] == m.Target {
			out = out[:len(out)-1]
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
