package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
