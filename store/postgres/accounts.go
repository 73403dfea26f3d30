package postgres

import (
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

type accounts struct {
	*tx
	name string
}

const linkColumns = `idp, usr, account, whole, key, seen, changed, made`

// linkID is a link with its place in the order.
type linkID struct {
	store.Link
	idp, user string
}

func scanLink(r pgx.CollectableRow) (l linkID, err error) {
	var whole []string
	var seen *int64
	err = r.Scan(&l.IdP, &l.User, &l.Account, &whole, &l.Key, &seen, &l.Changed, &l.Made)
	l.idp, l.user = l.IdP, l.User
	pgtext.Unshorten(whole, &l.IdP, &l.User, &l.Account)
	l.Key, l.Seen = pgtext.Plain(l.Key), pgtext.Moment(seen)
	return l, err
}

func (a *accounts) Link(idp, user string) (store.Link, error) {
	b, err := a.backend(a.name)
	var l linkID
	found := false
	if err == nil && b != 0 {
		l, found, err = one(a.tx, scanLink, `SELECT `+linkColumns+` FROM links WHERE backend = $1 AND idp = $2 AND usr = $3`, b, pgtext.Key(idp), pgtext.Key(user))
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Link{}, fmt.Errorf("link of %q of %q: %w", user, idp, err)
	}
	return l.Link, nil
}

func (a *accounts) PutLink(l store.Link) error {
	a.write()
	b, err := a.makeBackend(a.name)
	if err == nil {
		_, err = a.exec(`INSERT INTO links (backend, `+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (backend, idp, usr) DO UPDATE SET account = $4, whole = $5, key = $6, seen = $7, changed = $8, made = $9`,
			b, pgtext.Key(l.IdP), pgtext.Key(l.User), pgtext.Key(l.Account), pgtext.Wholes(l.IdP, l.User, l.Account), pgtext.Text(l.Key), pgtext.Nanos(l.Seen), l.Changed, l.Made)
	}
	if err != nil {
		return fmt.Errorf("put link: %w", err)
	}
	return nil
}

func (a *accounts) DeleteLink(idp, user string) error {
	a.write()
	b, err := a.backend(a.name)
	var n int64
	if err == nil && b != 0 {
		n, err = a.exec(`DELETE FROM links WHERE backend = $1 AND idp = $2 AND usr = $3`, b, pgtext.Key(idp), pgtext.Key(user))
	}
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete link of %q of %q: %w", user, idp, err)
	}
	return nil
}

func (a *accounts) Linked(account string) ([]store.Link, error) {
	b, err := a.backend(a.name)
	if err != nil || b == 0 || account == "" {
		return nil, err
	}
	list, err := query(a.tx, scanLink, `SELECT `+linkColumns+` FROM links WHERE backend = $1 AND account = $2 AND account <> '' ORDER BY idp, usr`, b, pgtext.Key(account))
	if err != nil {
		return nil, fmt.Errorf("linked to %q: %w", account, err)
	}
	var links []store.Link
	for _, l := range list {
		links = append(links, l.Link)
	}
	return links, nil
}

func (a *accounts) Links() iter.Seq2[store.Link, error] {
	return func(yield func(store.Link, error) bool) {
		b, err := a.backend(a.name)
		if err != nil {
			yield(store.Link{}, fmt.Errorf("links: %w", err))
		}
		if err != nil || b == 0 {
			return
		}
		list := pages(func(last *linkID, limit int) ([]linkID, error) {
			var after linkID
			if last != nil {
				after = *last
			}
			return query(a.tx, scanLink, `SELECT `+linkColumns+` FROM links WHERE backend = $1 AND (idp, usr) >= ($2, $3) AND ((idp, usr) > ($2, $3) OR $4) ORDER BY idp, usr LIMIT $5`,
				b, after.idp, after.user, last == nil, limit)
		})
		for l, err := range list {
			if err != nil {
				err = fmt.Errorf("links: %w", err)
			}
			if !yield(l.Link, err) {
				return
			}
		}
	}
}

func (a *accounts) Cached(target, name string) (store.CachedAccount, error) {
	b, err := a.backend(a.name)
	var c store.CachedAccount
	found := false
	if err == nil && b != 0 {
		var row cachedID
		row, found, err = one(a.tx, scanCached, `SELECT `+cachedColumns+` FROM cached_accounts WHERE backend = $1 AND target = $2 AND key = $3`, b, pgtext.Key(target), pgtext.Key(name))
		c = row.CachedAccount
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.CachedAccount{}, fmt.Errorf("cached account on %q: %w", target, err)
	}
	return c, nil
}

const cachedColumns = `target, key, whole, id, status, seen`

// cachedID is a cached account with its place in the order.
type cachedID struct {
	store.CachedAccount
	key string
}

func scanCached(r pgx.CollectableRow) (c cachedID, err error) {
	var whole []string
	var seen *int64
	err = r.Scan(&c.Target, &c.Key, &whole, &c.ID, &c.Status, &seen)
	c.key = c.Key
	pgtext.Unshorten(whole, &c.Target, &c.Key)
	c.ID, c.Status, c.Seen = pgtext.Plain(c.ID), pgtext.Plain(c.Status), pgtext.Moment(seen)
	return c, err
}

func (a *accounts) CachedOn(target string) iter.Seq2[store.CachedAccount, error] {
	return func(yield func(store.CachedAccount, error) bool) {
		b, err := a.backend(a.name)
		if err != nil {
			yield(store.CachedAccount{}, fmt.Errorf("cached accounts: %w", err))
		}
		if err != nil || b == 0 {
			return
		}
		list := pages(func(last *cachedID, limit int) ([]cachedID, error) {
			after := ""
			if last != nil {
				after = last.key
			}
			return query(a.tx, scanCached, `SELECT `+cachedColumns+` FROM cached_accounts WHERE backend = $1 AND target = $2 AND key >= $3 AND (key > $3 OR $4) ORDER BY key LIMIT $5`,
				b, pgtext.Key(target), after, last == nil, limit)
		})
		for c, err := range list {
			if err != nil {
				err = fmt.Errorf("cached accounts: %w", err)
			}
			if !yield(c.CachedAccount, err) {
				return
			}
		}
	}
}

func (a *accounts) PutCached(c store.CachedAccount) error {
	a.write()
	b, err := a.makeBackend(a.name)
	if err == nil {
		_, err = a.exec(`INSERT INTO cached_accounts (backend, target, key, whole, id, status, seen) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (backend, target, key) DO UPDATE SET id = $5, status = $6, seen = $7`,
			b, pgtext.Key(c.Target), pgtext.Key(c.Key), pgtext.Wholes(c.Target, c.Key), pgtext.Text(c.ID), pgtext.Text(c.Status), pgtext.Nanos(c.Seen))
	}
	if err != nil {
		return fmt.Errorf("put cached account: %w", err)
	}
	return nil
}

func (a *accounts) DeleteCached(target, name string) error {
	a.write()
	b, err := a.backend(a.name)
	var n int64
	if err == nil && b != 0 {
		n, err = a.exec(`DELETE FROM cached_accounts WHERE backend = $1 AND target = $2 AND key = $3`, b, pgtext.Key(target), pgtext.Key(name))
	}
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete cached account on %q: %w", target, err)
	}
	return nil
}
