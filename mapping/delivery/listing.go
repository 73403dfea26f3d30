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

// A listing says which account has which value. The store keeps it as a cache that has an age: a complete listing replaces
// the cache of the one before, and nothing that is older than Worker.AccountCache counts.

// listed returns when a listing was last read to its end; zero: never.
func (w *Worker) listed(tx store.Tx, listing string) (time.Time, error) {
	l, _, err := store.Get(tx, store.Listing{Backend: w.Name, Listing: listing})
	return l.At, err
}

// sighting returns what the cache of a listing says about a value, and when the vendor last said so.
func (w *Worker) sighting(tx store.Tx, listing, key string) (store.CachedAccount, time.Time, error) {
	c, err := tx.Accounts(w.Name).Cached(listing, key)
	if err != nil {
		return c, time.Time{}, err
	}
	at, err := w.listed(tx, listing)
	return c, later(at, c.Seen), err
}

// current says whether a sighting is young enough to be used; fresh, whether it is young enough for an administrator's role.
func (w *Worker) current(at time.Time) bool { return within(w.now(), at, w.AccountCache) }
func (w *Worker) fresh(at time.Time) bool   { return within(w.now(), at, w.BatchWait) }

// known returns the account that a user is by the cache; "" if the vendor has to be asked again: the cache is too old, or
// older than what is known of the user, or an administrator's role depends on it.
func (w *Worker) known(tx store.Tx, target string, p *person) (string, error) {
	c, at, err := w.sighting(tx, w.listing(target), p.key)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	outdated := c.ID != p.link.Account && p.link.Key == p.key && at.Before(p.link.Seen)
	if outdated || !w.current(at) {
		return "", nil
	}
	if admin := w.Backend.Traits().AdminRole; slices.Contains(p.roles, admin) && !w.fresh(at) {
		e, err := tx.Ledger(w.Name).Entry(target, c.ID, admin)
		if errors.Is(err, store.ErrNotFound) || err == nil && e.State != store.Present {
			return "", nil
		}
		return c.ID, err
	}
	return c.ID, nil
}

// learn takes in a listing. A complete one replaces the cache of the one before; users of an account that it does not show,
// or shows under another value, are marked; those in visited are marked on target already. An incomplete one only adds to the cache.
func (w *Worker) learn(ctx context.Context, target string, found map[string]backend.Account, whole bool, visited map[store.Subject]bool) error {
	listing, now := w.listing(target), w.now()
	changes, err := w.compareListing(ctx, listing, found, whole && len(found) > 0, now)
	if err != nil {
		return fmt.Errorf("comparing a listing: %w", err)
	}
	for part := range slices.Chunk(changes, sweepChunk) {
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			for _, c := range part {
				if err := w.apply(tx, target, c, visited); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remembering who is who: %w", err)
		}
	}
	if !whole || len(found) == 0 {
		return nil
	}
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		return store.Put(tx, store.Listing{Backend: w.Name, Listing: listing, At: now.UTC()})
	})
	if err != nil {
		return fmt.Errorf("noting when accounts were listed: %w", err)
	}
	return nil
}

// cacheChange is a difference between a listing and its cache: what there was, and what there is; an empty id is none.
type cacheChange struct{ was, is store.CachedAccount }

// compareListing returns what is to be changed in the cache of a listing, in the order of keys. An entry keeps the moment when
// it was first seen; only an incomplete listing, of which nothing is noted as a whole, renews it.
func (w *Worker) compareListing(ctx context.Context, listing string, found map[string]backend.Account, whole bool, now time.Time) ([]cacheChange, error) {
	var out []cacheChange
	err := w.Store.View(ctx, func(tx store.Tx) error {
		out = nil
		same := map[string]bool{}
		listed, err := w.listed(tx, listing)
		if err != nil {
			return err
		}
		for c, err := range tx.Accounts(w.Name).CachedOn(listing) {
			if err != nil {
				return err
			}
			a, shown := found[c.Key]
			is := store.CachedAccount{Target: listing, Key: c.Key, ID: a.ID, Status: a.Status, Seen: c.Seen}
			same[c.Key] = true
			switch {
			case !shown && whole:
				out = append(out, cacheChange{was: c})
			case !shown:
			case a.ID != c.ID, !whole && !within(now, later(c.Seen, listed), w.AccountCache/2):
				is.Seen = now
				fallthrough
			case a.Status != c.Status:
				out = append(out, cacheChange{c, is})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(found)) {
			if a := found[key]; !same[key] {
				out = append(out, cacheChange{is: store.CachedAccount{Target: listing, Key: key, ID: a.ID, Status: a.Status, Seen: now}})
			}
		}
		return nil
	})
	return out, err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// apply writes a change of the cache and marks the users that it concerns.
func (w *Worker) apply(tx store.Tx, target string, c cacheChange, visited map[store.Subject]bool) error {
	accounts := tx.Accounts(w.Name)
	var err error
	if c.is.ID == "" {
		err = accounts.DeleteCached(c.was.Target, c.was.Key)
	} else {
		err = accounts.PutCached(c.is)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) || c.was.ID == "" || c.was.ID == c.is.ID {
		return err
	}
	links, err := accounts.Linked(c.was.ID)
	if err != nil {
		return err
	}
	for _, l := range links {
		s := store.Subject{IdP: l.IdP, User: l.User}
		if l.Key != c.was.Key {
			continue
		}
		targets := []string{target}
		if w.Backend.Traits().OneListing {
			if targets, err = w.placesOf(tx, s, l.Account); err != nil {
				return err
			}
		}
		for _, t := range targets {
			if t == target && visited[s] { // marked already: the visit ends with a new link, or early
				continue
			}
			if err := tx.Work(w.Name).Touch(t, w.now(), w.byResync(), s); err != nil {
				return err
			}
		}
	}
	return nil
}

// placesOf lists the targets on which an account has something or a group of the user counts.
func (w *Worker) placesOf(tx store.Tx, s store.Subject, account string) ([]string, error) {
	out, err := tx.Ledger(w.Name).TargetsOf(account)
	if err != nil {
		return nil, err
	}
	more, err := w.counts(tx, s)
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// refresh reads the listing of a target for a resync, once for each: what was read since the resync began is not read again,
// and what nothing is known from need not be.
func (w *Worker) refresh(ctx context.Context, target string) error {
	listing, used := w.listing(target), false
	if !w.refreshed[listing].Before(w.resyncBegan) {
		return nil
	}
	err := w.Store.View(ctx, func(tx store.Tx) error {
		for _, err := range tx.Accounts(w.Name).CachedOn(listing) {
			used = true
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking whether a listing is used: %w", err)
	}
	if !used {
		return nil
	}
	_, _, err = w.list(ctx, target, nil, w.patiently, nil)
	return err
}

// list reads the accounts of a target and takes them in. whole: the listing is complete.
func (w *Worker) list(ctx context.Context, target string, keys []string, how func(context.Context, func(context.Context) error) error, visited map[store.Subject]bool) (found map[string]backend.Account, whole bool, err error) {
	err = how(ctx, func(ctx context.Context) error {
		release, err := w.oneList(ctx)
		if err != nil {
			return err
		}
		defer release()
		found, err = w.Backend.Resolve(ctx, target, keys)
		if whole = !errors.Is(err, backend.ErrPartial); !whole {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("looking people up: %w", err)
	}
	w.refreshed[w.listing(target)] = w.now()
	if !whole {
		w.Log.Warn("incomplete user list: missing users are looked up again, and not invited", "backend", w.Name, "target", target)
	}
	return found, whole, w.learn(ctx, target, found, whole, visited)
}

// atOnce reads without regard to who else waits.
func atOnce(ctx context.Context, read func(context.Context) error) error { return read(ctx) }

// disputed says whether another target's listing, as young as this one, shows the account that the user is for the same value.
// Two accounts with one address never share the roles of a user: the one that was seen last for the first time has them all.
func (w *Worker) disputed(tx store.Tx, target string, p *person, id string) (bool, error) {
	if id == "" || p.link.Account == "" || p.link.Account == id || p.link.Key != p.key || w.Backend.Traits().OneListing {
		return false, nil
	}
	here, _, err := w.sighting(tx, w.listing(target), p.key)
	if err != nil {
		return false, err
	}
	targets, err := w.placesOf(tx, p.mark.Subject, p.link.Account)
	if err != nil {
		return false, err
	}
	for _, t := range targets {
		there, at, err := w.sighting(tx, w.listing(t), p.key)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if t == target || there.ID != p.link.Account || !w.current(at) || at.Before(here.Seen) { // it is read again first
			continue
		}
		if there.Seen.After(here.Seen) || there.Seen.Equal(here.Seen) && there.ID < id {
			return true, nil
		}
	}
	return false, nil
}

// sure returns, for the roles that a user wants on a target, whether it is known well enough that the
// user is the account: a listing has just shown it, or one did that is young enough.
func (w *Worker) sure(tx store.Tx, target, account string, l store.Link, known map[string]string) (func(role string) bool, error) {
	if known[l.Key] == account {
		return func(string) bool { return true }, nil
	}
	c, at, err := w.sighting(tx, w.listing(target), l.Key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	current, admin := err == nil && c.ID == account && w.current(at), w.Backend.Traits().AdminRole
	return func(role string) bool { return current && (role != admin || w.fresh(at)) }, nil
}

// markFormer marks the account that a user has no longer, and the user, wherever it has something.
func (w *Worker) markFormer(tx store.Tx, p *person, now time.Time) error {
	s, old := p.mark.Subject, p.link.Account
	targets, err := tx.Ledger(w.Name).TargetsOf(old)
	if err != nil {
		return err
	}
	ends, err := w.endsOf(tx, old)
	if err != nil {
		return err
	}
	touch := tx.Work(w.Name).Touch
	if !p.exists {
		touch = tx.Work(w.Name).TouchUrgent
		if w.offboards() {
			targets = append(targets, p.mark.Target)
		}
	}
	for _, t := range slices.Concat(targets, ends) {
		if err := touch(t, now, p.mark.Origin, store.Subject{Account: old}); err != nil {
			return err
		}
	}
	if !p.exists {
		return nil
	}
	places, err := w.placesOf(tx, s, old)
	if err != nil {
		return err
	}
	for _, t := range places {
		if t == p.mark.Target { // where they are being worked on
			continue
		}
		if err := tx.Work(w.Name).Touch(t, now, p.mark.Origin, s); err != nil {
			return err
		}
	}
	return nil
}
