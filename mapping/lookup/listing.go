package lookup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// known returns the account that a user is by the cache; "" if the vendor has to be asked again: the cache is too old, or
// older than what is known of the user, or an administrator's role depends on it.
func (w *Finder) known(tx store.Tx, target string, p *view.Person) (string, error) {
	c, at, err := w.Sighting(tx, w.Listing(target), p.Key)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	outdated := c.ID != p.Link.Account && p.Link.Key == p.Key && at.Before(p.Link.Seen)
	if outdated || !w.Current(at) {
		return "", nil
	}
	if admin := w.Traits().AdminRole; slices.Contains(p.Roles, admin) && !w.Fresh(at) {
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
func (w *Finder) learn(ctx context.Context, target string, found map[string]backend.Account, whole bool, visited map[store.Subject]bool) error {
	listing, now := w.Listing(target), w.Clock()
	changes, err := w.compareListing(ctx, listing, found, whole && len(found) > 0, now)
	if err != nil {
		return fmt.Errorf("comparing a listing: %w", err)
	}
	for part := range slices.Chunk(changes, memory.Part) {
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
func (w *Finder) compareListing(ctx context.Context, listing string, found map[string]backend.Account, whole bool, now time.Time) ([]cacheChange, error) {
	var out []cacheChange
	err := w.Store.View(ctx, func(tx store.Tx) error {
		out = nil
		same := map[string]bool{}
		listed, err := w.Listed(tx, listing)
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
			case a.ID != c.ID, !whole && !memory.Within(now, memory.Later(c.Seen, listed), w.AccountCache/2):
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

// apply writes a change of the cache and marks the users that it concerns.
func (w *Finder) apply(tx store.Tx, target string, c cacheChange, visited map[store.Subject]bool) error {
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
		if w.Traits().OneListing {
			if targets, err = w.PlacesOf(tx, s, l.Account); err != nil {
				return err
			}
		}
		for _, t := range targets {
			if t == target && visited[s] { // marked already: the visit ends with a new link, or early
				continue
			}
			if err := tx.Work(w.Name).Touch(t, w.Clock(), w.ByResync(), s); err != nil {
				return err
			}
		}
	}
	return nil
}

// Refresh reads the listing of a target for a resync, once for each: what was read since the resync began is not read again,
// and what nothing is known from need not be.
func (w *Finder) Refresh(ctx context.Context, target string, since time.Time) error {
	listing, used := w.Listing(target), false
	if !w.refreshed[listing].Before(since) {
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
	_, _, err = w.List(ctx, target, nil, w.Patiently, nil)
	return err
}

// List reads the accounts of a target and takes them in. whole: the listing is complete.
func (w *Finder) List(ctx context.Context, target string, keys []string, how func(context.Context, func(context.Context) error) error, visited map[store.Subject]bool) (found map[string]backend.Account, whole bool, err error) {
	err = how(ctx, func(ctx context.Context) error {
		release, err := w.OneList(ctx)
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
	if w.refreshed == nil {
		w.refreshed = map[string]time.Time{}
	}
	w.refreshed[w.Listing(target)] = w.Clock()
	if !whole {
		w.Log.Warn("incomplete user list: missing users are looked up again, and not invited", "backend", w.Name, "target", target)
	}
	return found, whole, w.learn(ctx, target, found, whole, visited)
}

// AtOnce reads without regard to who else waits.
func AtOnce(ctx context.Context, read func(context.Context) error) error { return read(ctx) }
