package postgres

import (
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/recall"
)

// kept is what a transaction has read, and what it is likely to read next.
type kept struct {
	users    recall.Rows[*row[store.User]]
	groups   recall.Rows[*row[store.Group]]
	groupsOf recall.Rows[*[]store.Group] // nil: they are too many
	links    recall.Rows[*store.Link]
	linked   recall.Rows[[]store.Link]
	cached   recall.Rows[*store.CachedAccount]
	entries  recall.Rows[*[]store.Entry] // nil: they are too many
	records  recall.Rows[[]any]
	few      recall.Rows[[]any] // the records of tables that were read at once
	complete map[string]bool    // whether those are all

	subjects, accounts, keys recall.Peers // users by identity provider, accounts and keys by backend
}

// expect takes the marks of a page as what is worked on next.
func (t *tx) expect(backend string, marks []markID) {
	users, accounts := map[string][]string{}, []string(nil)
	for _, m := range marks {
		if s := m.Subject; s.User != "" {
			users[s.IdP] = append(users[s.IdP], pgtext.Key(s.User))
		} else if s.Account != "" {
			accounts = append(accounts, pgtext.Key(s.Account))
		}
	}
	for idp, ids := range users {
		t.subjects.Add(idp, ids)
	}
	t.accounts.Add(backend, accounts)
}

// expectLinks takes the accounts of links, and the values that found them, as what is read next.
func (t *tx) expectLinks(backend string, links []linkID) {
	var accounts, keys []string
	for _, l := range links {
		if l.Account != "" {
			accounts = append(accounts, l.account)
		}
		if l.Key != "" {
			keys = append(keys, pgtext.Key(l.Key))
		}
	}
	t.accounts.Add(backend, accounts)
	t.keys.Add(backend, keys)
}
