package postgres

import (
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/recall"
)

type accounts struct{ ofBackend }

const linkColumns = `idp, usr, account, whole, key, seen, changed, made`

// linkID is a link with its place in the order.
type linkID struct {
	store.Link
	idp, user, account string
}

func scanLink(r pgx.CollectableRow) (l linkID, err error) {
	var whole []string
	var seen *int64
	err = r.Scan(&l.IdP, &l.User, &l.Account, &whole, &l.Key, &seen, &l.Changed, &l.Made)
	l.idp, l.user, l.account = l.IdP, l.User, l.Account
	pgtext.Unshorten(whole, &l.IdP, &l.User, &l.Account)
	l.Key, l.Seen = pgtext.Plain(l.Key), pgtext.Moment(seen)
	return l, err
}

func (l linkID) value() store.Link { return l.Link }

// Link reads the links of the users that are worked on together, and in the same message the users and
// their groups.
func (a *accounts) Link(idp, user string) (store.Link, error) {
	src, err := a.linksOfUsers(idp)
	k := pgtext.Key(user)
	together := a.subjects.Of(idp, k)
	if _, kept := a.links[recall.Key{a.name, idp, k}]; err == nil && !kept && together != nil && !a.Writes() {
		err = (&directory{a.tx, idp}).ahead(together)
	}
	var l *store.Link
	if err == nil {
		l, err = recall.Get(a.Tx, &a.links, a.name, idp, k, together, src)
	}
	if err == nil && l == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Link{}, fmt.Errorf("link of %q of %q: %w", user, idp, err)
	}
	return *l, nil
}

func (a *accounts) linksOfUsers(idp string) (*recall.Source[linkID, *store.Link], error) {
	b, err := a.number()
	if err != nil || b == 0 {
		return nil, err
	}
	const sql = `SELECT ` + linkColumns + ` FROM links WHERE backend = $1 AND idp = $2 AND usr = ANY ($3::text[])`
	return &recall.Source[linkID, *store.Link]{SQL: sql, Args: []any{b, pgtext.Key(idp)}, Scan: scanLink, Keep: func(_ []string, list []linkID) map[string]*store.Link {
		found := map[string]*store.Link{}
		for _, l := range list {
			found[l.user] = &l.Link
		}
		a.expectLinks(a.name, list)
		return found
	}}, nil
}

func (a *accounts) PutLink(l store.Link) error {
	a.dropLink(l.IdP, l.User)
	err := a.put(`INSERT INTO links (backend, `+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (backend, idp, usr) DO UPDATE SET account = $4, whole = $5, key = $6, seen = $7, changed = $8, made = $9`,
		pgtext.Key(l.IdP), pgtext.Key(l.User), pgtext.Key(l.Account), pgtext.Wholes(l.IdP, l.User, l.Account), pgtext.Text(l.Key), pgtext.Nanos(l.Seen), l.Changed, l.Made)
	if err != nil {
		return fmt.Errorf("put link: %w", err)
	}
	return nil
}

func (a *accounts) dropLink(idp, user string) {
	delete(a.links, recall.Key{a.name, idp, pgtext.Key(user)})
	a.linked = nil
}

func (a *accounts) DeleteLink(idp, user string) error {
	a.dropLink(idp, user)
	if err := a.remove(`DELETE FROM links WHERE backend = $1 AND idp = $2 AND usr = $3`, pgtext.Key(idp), pgtext.Key(user)); err != nil {
		return fmt.Errorf("delete link of %q of %q: %w", user, idp, err)
	}
	return nil
}

// Linked reads the links to the accounts that are worked on together.
func (a *accounts) Linked(account string) ([]store.Link, error) {
	if account == "" {
		return nil, nil
	}
	src, err := a.linksOfAccounts()
	var links []store.Link
	if err == nil {
		k := pgtext.Key(account)
		links, err = recall.Get(a.Tx, &a.linked, a.name, "", k, a.accounts.Of(a.name, k), src)
	}
	if err != nil {
		return nil, fmt.Errorf("linked to %q: %w", account, err)
	}
	return slices.Clone(links), nil
}

func (a *accounts) linksOfAccounts() (*recall.Source[linkID, []store.Link], error) {
	b, err := a.number()
	if err != nil || b == 0 {
		return nil, err
	}
	const sql = `SELECT ` + linkColumns + ` FROM links WHERE backend = $1 AND account = ANY ($2::text[]) AND account <> '' ORDER BY account, idp, usr`
	return &recall.Source[linkID, []store.Link]{SQL: sql, Args: []any{b}, Scan: scanLink, Keep: func(_ []string, list []linkID) map[string][]store.Link {
		found := map[string][]store.Link{}
		for _, l := range list {
			found[l.account] = append(found[l.account], l.Link)
		}
		return found
	}}, nil
}

func (a *accounts) Links() iter.Seq2[store.Link, error] {
	return paged("links", a.number, linkID.value, func(b int32, last *linkID, limit int) ([]linkID, error) {
		var after linkID
		if last != nil {
			after = *last
		}
		return query(a.tx, scanLink, `SELECT `+linkColumns+` FROM links WHERE backend = $1 AND (idp, usr) >= ($2, $3) AND ((idp, usr) > ($2, $3) OR $4) ORDER BY idp, usr LIMIT $5`,
			b, after.idp, after.user, last == nil, limit)
	})
}

// Cached reads the answers about the values of the users that are worked on together.
func (a *accounts) Cached(target, name string) (store.CachedAccount, error) {
	src, err := a.cachedOf(target)
	var c *store.CachedAccount
	if err == nil {
		k := pgtext.Key(name)
		c, err = recall.Get(a.Tx, &a.cached, a.name, target, k, a.keys.Of(a.name, k), src)
	}
	if err == nil && c == nil {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.CachedAccount{}, fmt.Errorf("cached account on %q: %w", target, err)
	}
	return *c, nil
}

func (a *accounts) cachedOf(target string) (*recall.Source[cachedID, *store.CachedAccount], error) {
	b, err := a.number()
	if err != nil || b == 0 {
		return nil, err
	}
	const sql = `SELECT ` + cachedColumns + ` FROM cached_accounts WHERE backend = $1 AND target = $2 AND key = ANY ($3::text[])`
	return &recall.Source[cachedID, *store.CachedAccount]{SQL: sql, Args: []any{b, pgtext.Key(target)}, Scan: scanCached, Keep: recall.ByID(func(c cachedID) (string, *store.CachedAccount) { return c.key, &c.CachedAccount })}, nil
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

func (c cachedID) value() store.CachedAccount { return c.CachedAccount }

func (a *accounts) CachedOn(target string) iter.Seq2[store.CachedAccount, error] {
	return paged("cached accounts", a.number, cachedID.value, func(b int32, last *cachedID, limit int) ([]cachedID, error) {
		after := ""
		if last != nil {
			after = last.key
		}
		return query(a.tx, scanCached, `SELECT `+cachedColumns+` FROM cached_accounts WHERE backend = $1 AND target = $2 AND key >= $3 AND (key > $3 OR $4) ORDER BY key LIMIT $5`,
			b, pgtext.Key(target), after, last == nil, limit)
	})
}

func (a *accounts) PutCached(c store.CachedAccount) error {
	delete(a.cached, recall.Key{a.name, c.Target, pgtext.Key(c.Key)})
	err := a.put(`INSERT INTO cached_accounts (backend, target, key, whole, id, status, seen) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (backend, target, key) DO UPDATE SET id = $5, status = $6, seen = $7`,
		pgtext.Key(c.Target), pgtext.Key(c.Key), pgtext.Wholes(c.Target, c.Key), pgtext.Text(c.ID), pgtext.Text(c.Status), pgtext.Nanos(c.Seen))
	if err != nil {
		return fmt.Errorf("put cached account: %w", err)
	}
	return nil
}

func (a *accounts) DeleteCached(target, name string) error {
	delete(a.cached, recall.Key{a.name, target, pgtext.Key(name)})
	if err := a.remove(`DELETE FROM cached_accounts WHERE backend = $1 AND target = $2 AND key = $3`, pgtext.Key(target), pgtext.Key(name)); err != nil {
		return fmt.Errorf("delete cached account on %q: %w", target, err)
	}
	return nil
}
