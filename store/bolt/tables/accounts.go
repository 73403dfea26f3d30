package tables

import (
	"fmt"
	"iter"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// The buckets of a backend's links and cached accounts.
const (
	accLinks  = "links"      // idp, user -> link
	accLinked = "by.account" // account, idp, user -> key of the link
	accCached = "cached"     // target, key -> cached account
)

type accounts struct{ *kv.Namespace }

// EncodeLink returns the record of a link.
func EncodeLink(key []byte, l store.Link) []byte {
	e := codec.NewRecord(128)
	e.String(l.IdP)
	e.String(l.User)
	e.String(l.Key)
	e.String(l.Account)
	e.Time(l.Seen)
	if l.Changed || l.Made { // without them the record has the form of earlier versions
		e.Bool(l.Changed)
		e.Bool(l.Made)
	}
	return e.Seal(key)
}

// DecodeLink reads the record of a link.
func DecodeLink(key, record []byte) (l store.Link, err error) {
	d, err := codec.OpenRecord(key, record)
	if err != nil {
		return l, fmt.Errorf("link: %w", err)
	}
	l.IdP, l.User, l.Key, l.Account, l.Seen = d.String(), d.String(), d.String(), d.String(), d.Time()
	if d.More() {
		l.Changed, l.Made = d.Bool(), d.Bool()
	}
	return l, d.End(key)
}

// EncodeCached returns the record of a cached account.
func EncodeCached(key []byte, c store.CachedAccount) []byte {
	e := codec.NewRecord(128)
	e.String(c.Target)
	e.String(c.Key)
	e.String(c.ID)
	e.String(c.Status)
	e.Time(c.Seen)
	return e.Seal(key)
}

// DecodeCached reads the record of a cached account.
func DecodeCached(key, record []byte) (c store.CachedAccount, err error) {
	d, err := codec.OpenRecord(key, record)
	if err != nil {
		return c, fmt.Errorf("cached account: %w", err)
	}
	c.Target, c.Key, c.ID, c.Status, c.Seen = d.String(), d.String(), d.String(), d.String(), d.Time()
	return c, d.End(key)
}

func (a *accounts) Link(idp, user string) (store.Link, error) {
	key := codec.MakeKey(idp, user)
	record := a.Get(accLinks, key)
	if record == nil {
		return store.Link{}, fmt.Errorf("link of %q of %q: %w", user, idp, store.ErrNotFound)
	}
	return DecodeLink(key, record)
}

func (a *accounts) PutLink(l store.Link) error {
	a.Tx.Write()
	links, err := a.Make(accLinks)
	if err != nil {
		return err
	}
	key := codec.MakeKey(l.IdP, l.User)
	if err := a.unlink(key, l.Account); err != nil {
		return fmt.Errorf("put link: %w", err)
	}
	if err := a.tallyLink(l.IdP, l.User, l.Account); err != nil {
		return fmt.Errorf("put link: %w", err)
	}
	if err := a.Tx.Put(links, key, EncodeLink(key, l)); err != nil {
		return err
	}
	if l.Account == "" {
		return nil
	}
	linked, err := a.Make(accLinked)
	if err != nil {
		return err
	}
	return a.Tx.Put(linked, codec.MakeKey(l.Account, l.IdP, l.User), key)
}

// accountOf returns the account that a user is linked to; "" if there is none.
func (a *accounts) accountOf(idp, user string) (string, error) {
	key := codec.MakeKey(idp, user)
	record := a.Get(accLinks, key)
	if record == nil {
		return "", nil
	}
	l, err := DecodeLink(key, record)
	return l.Account, err
}

// tallyLink counts the blocked marks of a user for the account that the user is about to be linked to.
func (a *accounts) tallyLink(idp, user, account string) error {
	before, err := a.accountOf(idp, user)
	if err != nil {
		return err
	}
	return (&work{a.Tx.Namespace(kv.TopWork, a.Name)}).moveBlocked(idp, user, before, account)
}

// unlink removes the index entry of the link's current account, unless the link keeps that account.
func (a *accounts) unlink(key []byte, unless string) error {
	record := a.Get(accLinks, key)
	if record == nil {
		return nil
	}
	old, err := DecodeLink(key, record)
	if err != nil || old.Account == "" || old.Account == unless {
		return err
	}
	return a.Tx.Del(a.Bucket(accLinked), codec.MakeKey(old.Account, old.IdP, old.User))
}

func (a *accounts) DeleteLink(idp, user string) error {
	a.Tx.Write()
	key := codec.MakeKey(idp, user)
	if a.Get(accLinks, key) == nil {
		return fmt.Errorf("delete link of %q of %q: %w", user, idp, store.ErrNotFound)
	}
	if err := a.unlink(key, ""); err != nil {
		return fmt.Errorf("delete link: %w", err)
	}
	if err := a.tallyLink(idp, user, ""); err != nil {
		return fmt.Errorf("delete link: %w", err)
	}
	return a.Tx.Del(a.Bucket(accLinks), key)
}

func (a *accounts) Linked(account string) ([]store.Link, error) {
	var links []store.Link
	for _, v := range a.Tx.Scan(a.Bucket(accLinked), codec.MakeKey(account), 0) {
		record := a.Get(accLinks, v)
		if record == nil {
			return nil, fmt.Errorf("linked to %q: link missing: %w", account, store.ErrDamaged)
		}
		l, err := DecodeLink(v, record)
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
		for k, v := range a.Tx.Scan(a.Bucket(accLinks), nil, 0) {
			l, err := DecodeLink(k, v)
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

func (a *accounts) Cached(target, key string) (store.CachedAccount, error) {
	k := codec.MakeKey(target, key)
	record := a.Get(accCached, k)
	if record == nil {
		return store.CachedAccount{}, fmt.Errorf("cached account on %q: %w", target, store.ErrNotFound)
	}
	return DecodeCached(k, record)
}

func (a *accounts) CachedOn(target string) iter.Seq2[store.CachedAccount, error] {
	return func(yield func(store.CachedAccount, error) bool) {
		for k, v := range a.Tx.Scan(a.Bucket(accCached), codec.MakeKey(target), 0) {
			c, err := DecodeCached(k, v)
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

func (a *accounts) PutCached(c store.CachedAccount) error {
	a.Tx.Write()
	b, err := a.Make(accCached)
	if err != nil {
		return err
	}
	key := codec.MakeKey(c.Target, c.Key)
	return a.Tx.Put(b, key, EncodeCached(key, c))
}

func (a *accounts) DeleteCached(target, key string) error {
	a.Tx.Write()
	k := codec.MakeKey(target, key)
	if a.Get(accCached, k) == nil {
		return fmt.Errorf("delete cached account on %q: %w", target, store.ErrNotFound)
	}
	return a.Tx.Del(a.Bucket(accCached), k)
}
