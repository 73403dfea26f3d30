package view

import (
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// Sighting returns what the cache of a listing says about a value, and when the vendor last said so.
func (w *View) Sighting(tx store.Tx, listing, key string) (store.CachedAccount, time.Time, error) {
	c, err := tx.Accounts(w.Name).Cached(listing, key)
	if err != nil {
		return c, time.Time{}, err
	}
	at, err := w.Listed(tx, listing)
	return c, memory.Later(at, c.Seen), err
}

// Current reports whether a sighting is young enough to be used.
func (w *View) Current(at time.Time) bool { return memory.Within(w.Clock(), at, w.AccountCache) }

// Fresh reports whether a sighting is young enough for an administrator's role.
func (w *View) Fresh(at time.Time) bool { return memory.Within(w.Clock(), at, w.BatchWait) }

// sure returns, for the roles that a user wants on a target, whether it is known well enough that the
// user is the account: a listing has just shown it, or one did that is young enough.
func (w *View) sure(tx store.Tx, target, account string, l store.Link, known map[string]string) (func(role string) bool, error) {
	if known[l.Key] == account {
		return func(string) bool { return true }, nil
	}
	c, at, err := w.Sighting(tx, w.Listing(target), l.Key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	current, admin := err == nil && c.ID == account && w.Current(at), w.Traits().AdminRole
	return func(role string) bool { return current && (role != admin || w.Fresh(at)) }, nil
}
