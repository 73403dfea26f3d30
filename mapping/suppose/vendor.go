package suppose

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Vendor is what a vendor shows, in the place of what the store has of it.
type Vendor struct {
	Listings map[string]Listing    // by name: see memory.Memory.Listing
	Missing  map[memory.Grant]bool // grants of the ledger that the vendor does not show
	Taken    []store.Entry         // foreign grants that an authoritative rule takes over
	// Moved has the links of users whose value finds another account now, or none.
	Moved map[store.Subject]store.Link
}

// Listing is a list of accounts as it was read.
type Listing struct {
	Whole    bool // it was read to its end, and is not empty
	Accounts map[string]backend.Account
}

// ledger is a ledger after the comparison with the vendor.
type ledger struct {
	store.Ledger
	is Vendor
}

func (l ledger) asIs(e store.Entry) store.Entry {
	if l.is.Missing[memory.Grant{Target: e.Target, Account: e.Account, Role: e.Role}] {
		e.State, e.Note, e.Missed = store.Unknown, "missing", 0
	}
	return e
}

// Entry implements store.Ledger.
func (l ledger) Entry(target, account, role string) (store.Entry, error) {
	for _, e := range l.is.Taken {
		if e.Target == target && e.Account == account && e.Role == role {
			return e, nil
		}
	}
	e, err := l.Ledger.Entry(target, account, role)
	return l.asIs(e), err
}

// Entries implements store.Ledger.
func (l ledger) Entries(target, account string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range l.Ledger.Entries(target, account) {
			if !yield(l.asIs(e), err) {
				return
			}
		}
		for _, e := range l.is.Taken {
			if target != "" && e.Target != target || account != "" && e.Account != account {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TargetsOf implements store.Ledger.
func (l ledger) TargetsOf(account string) ([]string, error) {
	out, err := l.Ledger.TargetsOf(account)
	for _, e := range l.is.Taken {
		if e.Account == account {
			out = append(out, e.Target)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// accounts are the accounts of a backend, with the listings that were read.
type accounts struct {
	store.Accounts
	is  Vendor
	now time.Time
}

// Link implements store.Accounts.
func (a accounts) Link(idp, user string) (store.Link, error) {
	if l, moved := a.is.Moved[store.Subject{IdP: idp, User: user}]; moved {
		return l, nil
	}
	return a.Accounts.Link(idp, user)
}

// Linked implements store.Accounts.
func (a accounts) Linked(account string) (out []store.Link, err error) {
	all, err := a.Accounts.Linked(account)
	for _, l := range all {
		if _, moved := a.is.Moved[store.Subject{IdP: l.IdP, User: l.User}]; !moved {
			out = append(out, l)
		}
	}
	for _, l := range a.is.Moved {
		if l.Account == account {
			out = append(out, l)
		}
	}
	return out, err
}

// Links implements store.Accounts.
func (a accounts) Links() iter.Seq2[store.Link, error] {
	return func(yield func(store.Link, error) bool) {
		for l, err := range a.Accounts.Links() {
			if now, moved := a.is.Moved[store.Subject{IdP: l.IdP, User: l.User}]; moved {
				l = now
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

// Cached implements store.Accounts.
func (a accounts) Cached(listing, key string) (store.CachedAccount, error) {
	l, read := a.is.Listings[listing]
	if one, shown := l.Accounts[key]; shown {
		return a.cached(listing, one), nil
	}
	if read && l.Whole {
		return store.CachedAccount{}, store.ErrNotFound
	}
	return a.Accounts.Cached(listing, key)
}

func (a accounts) cached(listing string, one backend.Account) store.CachedAccount {
	return store.CachedAccount{Target: listing, Key: one.Key, ID: one.ID, Status: one.Status, Seen: a.now}
}

// CachedOn implements store.Accounts.
func (a accounts) CachedOn(listing string) iter.Seq2[store.CachedAccount, error] {
	return func(yield func(store.CachedAccount, error) bool) {
		l := a.is.Listings[listing]
		for _, key := range slices.Sorted(maps.Keys(l.Accounts)) {
			if !yield(a.cached(listing, l.Accounts[key]), nil) {
				return
			}
		}
		if l.Whole {
			return
		}
		for c, err := range a.Accounts.CachedOn(listing) {
			if _, shown := l.Accounts[c.Key]; shown && err == nil {
				continue
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// records are the typed tables, with the moments of the listings that were read.
type records struct {
	record.Records
	is *Store
}

// Read implements record.Records.
func (r records) Read(one record.Record) (bool, error) {
	if l, is := one.(*record.Listing); is && r.is.Vendors[l.Backend].Listings[l.Listing].Whole {
		l.At = r.is.Now
		return true, nil
	}
	return r.Records.Read(one)
}
