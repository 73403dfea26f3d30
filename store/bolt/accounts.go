package bolt

import (
	"fmt"
	"iter"

	"github.com/scimbridge/scimbridge/store"
)

// The buckets of a backend's ID mapping.
const (
	accLinks  = "links"      // idp, user -> link
	accLinked = "by.account" // account, idp, user -> key of the link
	accCached = "cached"     // target, key -> cached account
)

type accounts struct{ *space }

func encodeLink(key []byte, l store.Link) []byte {
	e := newRecord(128)
	e.string(l.IdP)
	e.string(l.User)
	e.string(l.Key)
	e.string(l.Account)
	e.time(l.Seen)
	if l.Changed || l.Made { // a record without them is as it was before there were any
		e.bool(l.Changed)
		e.bool(l.Made)
	}
	return e.seal(key)
}

func decodeLink(key, record []byte) (l store.Link, err error) {
	d, err := openRecord(key, record)
	if err != nil {
		return l, fmt.Errorf("link: %w", err)
	}
	l.IdP, l.User, l.Key, l.Account, l.Seen = d.string(), d.string(), d.string(), d.string(), d.time()
	if d.more() {
		l.Changed, l.Made = d.bool(), d.bool()
	}
	return l, d.end(key)
}

func encodeCached(key []byte, c store.CachedAccount) []byte {
	e := newRecord(128)
	e.string(c.Target)
	e.string(c.Key)
	e.string(c.ID)
	e.string(c.Status)
	e.time(c.Seen)
	return e.seal(key)
}

func decodeCached(key, record []byte) (c store.CachedAccount, err error) {
	d, err := openRecord(key, record)
	if err != nil {
		return c, fmt.Errorf("cached account: %w", err)
	}
	c.Target, c.Key, c.ID, c.Status, c.Seen = d.string(), d.string(), d.string(), d.string(), d.time()
	return c, d.end(key)
}

func (a *accounts) Link(idp, user string) (store.Link, error) {
	key := makeKey(idp, user)
	record := a.get(accLinks, key)
	if record == nil {
		return store.Link{}, fmt.Errorf("link of %q of %q: %w", user, idp, store.ErrNotFound)
	}
	return decodeLink(key, record)
}

func (a *accounts) PutLink(l store.Link) error {
	a.tx.write()
	links, err := a.make(accLinks)
	if err != nil {
		return err
	}
	key := makeKey(l.IdP, l.User)
	if err := a.unlink(key, l.Account); err != nil {
		return fmt.Errorf("put link: %w", err)
	}
	if err := a.tallyLink(l.IdP, l.User, l.Account); err != nil {
		return fmt.Errorf("put link: %w", err)
	}
	if err := a.tx.put(links, key, encodeLink(key, l)); err != nil {
		return err
	}
	if l.Account == "" {
		return nil
	}
	linked, err := a.make(accLinked)
	if err != nil {
		return err
	}
	return a.tx.put(linked, makeKey(l.Account, l.IdP, l.User), key)
}

// accountOf returns the account that a user is linked to; "" if there is none.
func (a *accounts) accountOf(idp, user string) (string, error) {
	key := makeKey(idp, user)
	record := a.get(accLinks, key)
	if record == nil {
		return "", nil
	}
	l, err := decodeLink(key, record)
	return l.Account, err
}

// tallyLink counts the blocked marks of a user for the account that the user is about to be linked to.
func (a *accounts) tallyLink(idp, user, account string) error {
	before, err := a.accountOf(idp, user)
	if err != nil {
		return err
	}
	return (&work{a.tx.space(topWork, a.name)}).moveBlocked(idp, user, before, account)
}

// unlink removes the way back from the account the link has now, unless it is the one it is going to have.
func (a *accounts) unlink(key []byte, unless string) error {
	record := a.get(accLinks, key)
	if record == nil {
		return nil
	}
	old, err := decodeLink(key, record)
	if err != nil || old.Account == "" || old.Account == unless {
		return err
	}
	return a.tx.del(a.bucket(accLinked), makeKey(old.Account, old.IdP, old.User))
}

func (a *accounts) DeleteLink(idp, user string) error {
	a.tx.write()
	key := makeKey(idp, user)
	if a.get(accLinks, key) == nil {
		return fmt.Errorf("delete link of %q of %q: %w", user, idp, store.ErrNotFound)
	}
	if err := a.unlink(key, ""); err != nil {
		return fmt.Errorf("delete link: %w", err)
	}
	if err := a.tallyLink(idp, user, ""); err != nil {
		return fmt.Errorf("delete link: %w", err)
	}
	return a.tx.del(a.bucket(accLinks), key)
}

func (a *accounts) Linked(account string) ([]store.Link, error) {
	var links []store.Link
	for _, v := range a.tx.scan(a.bucket(accLinked), makeKey(account), 0) {
		record := a.get(accLinks, v)
		if record == nil {
			return nil, fmt.Errorf("linked to %q: link missing: %w", account, store.ErrDamaged)
		}
		l, err := decodeLink(v, record)
		if err == nil && l.Account != account {
			err = store.ErrDamaged
		}
		if err != nil {
			return nil, fmt.Errorf("linked to %q: %w", account, err)
		}
		links = append(links, l)
	}
	return links, nil
}

func (a *accounts) Links() iter.Seq2[store.Link, error] {
	return func(yield func(store.Link, error) bool) {
		for k, v := range a.tx.scan(a.bucket(accLinks), nil, 0) {
			l, err := decodeLink(k, v)
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

func (a *accounts) Cached(target, key string) (store.CachedAccount, error) {
	k := makeKey(target, key)
	record := a.get(accCached, k)
	if record == nil {
		return store.CachedAccount{}, fmt.Errorf("cached account on %q: %w", target, store.ErrNotFound)
	}
	return decodeCached(k, record)
}

func (a *accounts) CachedOn(target string) iter.Seq2[store.CachedAccount, error] {
	return func(yield func(store.CachedAccount, error) bool) {
		for k, v := range a.tx.scan(a.bucket(accCached), makeKey(target), 0) {
			c, err := decodeCached(k, v)
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

func (a *accounts) PutCached(c store.CachedAccount) error {
	a.tx.write()
	b, err := a.make(accCached)
	if err != nil {
		return err
	}
	key := makeKey(c.Target, c.Key)
	return a.tx.put(b, key, encodeCached(key, c))
}

func (a *accounts) DeleteCached(target, key string) error {
	a.tx.write()
	k := makeKey(target, key)
	if a.get(accCached, k) == nil {
		return fmt.Errorf("delete cached account on %q: %w", target, store.ErrNotFound)
	}
	return a.tx.del(a.bucket(accCached), k)
}
