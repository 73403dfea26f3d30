package lookup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// sweep replaces the mark "everybody on this target" by marks for each: the members of every group that gives
// something there, every account of the ledger, the target's own settings, and the users who wait: what was held or
// blocked under other rules is decided again. A crash in between leaves the sweep marked, and it starts again.
func (w *Finder) sweep(ctx context.Context, m store.Mark) error {
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
		return w.EachMember(tx, func(idp string, g store.Group) bool { return slices.Contains(w.InForce().Targets(idp, g), t) },
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
func (w *Finder) everywhere(ctx context.Context, m store.Mark) error {
	return w.Store.Update(ctx, func(tx store.Tx) error {
		targets, err := w.Whereabouts(tx, m.Subject)
		if err != nil {
			return fmt.Errorf("looking where a user has something: %w", err)
		}
		mark := tx.Work(w.Name).TouchUrgent
		if !m.Urgent {
			mark = tx.Work(w.Name).Touch
			more, err := w.Counts(tx, m.Subject)
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
func (w *Finder) forgetUnlinked(tx store.Tx, s store.Subject) error {
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
func (w *Finder) onEveryTarget(ctx context.Context, m store.Mark) error {
	return w.Store.Update(ctx, func(tx store.Tx) error {
		targets, err := w.AllTargets(tx)
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

// takeApart replaces the mark of an event by marks for the users that it names.
func (w *Finder) takeApart(ctx context.Context, m store.Mark) error {
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
func (w *Finder) instead(ctx context.Context, m store.Mark, subjects []store.Subject) error {
	err := memory.InParts(ctx, w.Store, subjects, func(tx store.Tx, part []store.Subject) error {
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
