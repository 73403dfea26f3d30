package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/recall"
)

type ledger struct{ ofBackend }

const entryColumns = `target, account, role, whole, key, state, wanted, open, adopted, maybe_gone, approved, attempt, missed, doubt, sent, since, held_since, note, hold, why, borrowed`

// entryID is an entry with its place in the order.
type entryID struct {
	store.Entry
	target, account, role string
}

func scanEntry(r pgx.CollectableRow) (e entryID, err error) {
	var whole []string
	var attempt int64
	var doubt, sent, since, held *int64
	err = r.Scan(&e.Target, &e.Account, &e.Role, &whole, &e.Key, &e.State, &e.Wanted, &e.Open, &e.Adopted, &e.MaybeGone, &e.Approved, &attempt, &e.Missed,
		&doubt, &sent, &since, &held, &e.Note, &e.Hold, &e.Why, &e.Borrowed)
	e.target, e.account, e.role = e.Target, e.Account, e.Role
	pgtext.Unshorten(whole, &e.Target, &e.Account, &e.Role)
	pgtext.Unshorten(nil, &e.Key, &e.Note, &e.Hold, &e.Why)
	e.Attempt, e.Doubt, e.Sent, e.Since, e.HeldSince = uint64(attempt), pgtext.Moment(doubt), pgtext.Moment(sent), pgtext.Moment(since), pgtext.Moment(held)
	return e, err
}

func (e entryID) value() store.Entry { return e.Entry }

func (l *ledger) Entry(target, account, role string) (store.Entry, error) {
	all, err := l.ofAccount(target, account)
	if err == nil && all == nil {
		var e entryID
		if e, err = find(l.ofBackend, scanEntry, oneEntry, pgtext.Key(target), pgtext.Key(account), pgtext.Key(role)); err == nil {
			return e.Entry, nil
		}
	}
	if err == nil {
		err = store.ErrNotFound
		if i, there := place(*all, role); there {
			return (*all)[i], nil
		}
	}
	return store.Entry{}, fmt.Errorf("ledger entry of %q on %q: %w", account, target, err)
}

// place returns where the entry of a role is, or must be, among those of an account, in the order of keys.
func place(entries []store.Entry, role string) (i int, there bool) {
	return slices.BinarySearchFunc(entries, pgtext.Key(role), func(e store.Entry, key string) int { return cmp.Compare(pgtext.Key(e.Role), key) })
}

func (l *ledger) entryKey(target, account string) recall.Key {
	return recall.Key{l.name, target, pgtext.Key(account)}
}

// ofAccount reads the entries of the accounts that are worked on together, on one target, and in the same
// message the links to the accounts. It returns nil if the entries of this account are too many.
func (l *ledger) ofAccount(target, account string) (*[]store.Entry, error) {
	b, err := l.number()
	if err != nil {
		return nil, err
	}
	if b == 0 {
		return &[]store.Entry{}, nil
	}
	k := pgtext.Key(account)
	together := l.accounts.Of(l.name, k)
	if _, kept := l.entries[recall.Key{l.name, target, k}]; !kept && together != nil && !l.Writes() {
		a := &accounts{l.ofBackend}
		links, err := a.linksOfAccounts()
		if err == nil {
			err = recall.Ahead(l.Tx, &l.linked, l.name, "", together, links)
		}
		if err != nil {
			return nil, err
		}
	}
	return recall.Get(l.Tx, &l.entries, l.name, target, k, together, &recall.Source[entryID, *[]store.Entry]{SQL: entriesOfAccounts, Args: []any{b, pgtext.Key(target)}, Scan: scanEntry, Keep: entriesByAccount})
}

// entriesByAccount returns the entries of each account; nil if there may be more.
func entriesByAccount(accounts []string, list []entryID) map[string]*[]store.Entry {
	found := map[string]*[]store.Entry{}
	for _, a := range accounts {
		found[a] = &[]store.Entry{}
	}
	for _, e := range list {
		*found[e.account] = append(*found[e.account], e.Entry)
	}
	if len(list) == mostEntries { // some may be missing, of the last account and of all after it
		for _, a := range accounts {
			if a >= list[len(list)-1].account {
				found[a] = nil
			}
		}
	}
	return found
}

// mostEntries bounds the entries of several accounts: see entriesOfAccounts.
const mostEntries = 2000

func (l *ledger) Entries(target, account string) iter.Seq2[store.Entry, error] {
	if target == "" && account != "" {
		return func(yield func(store.Entry, error) bool) {
			yield(store.Entry{}, errors.New("ledger entries: an account needs a target"))
		}
	}
	listed := paged("ledger entries", l.number, entryID.value, func(b int32, last *entryID, limit int) ([]entryID, error) {
		after := entryID{target: pgtext.Key(target), account: pgtext.Key(account)}
		if last != nil {
			after = *last
		}
		sql := entriesOfAll
		switch {
		case account != "":
			sql = entriesOfAccount
		case target != "":
			sql = entriesOfTarget
		}
		return query(l.tx, scanEntry, sql, b, after.target, after.account, after.role, last == nil, limit)
	})
	if account == "" {
		return listed
	}
	return func(yield func(store.Entry, error) bool) {
		all, err := l.ofAccount(target, account)
		if err != nil {
			yield(store.Entry{}, fmt.Errorf("ledger entries: %w", err))
			return
		}
		if all == nil {
			listed(yield)
			return
		}
		for _, e := range slices.Clone(*all) {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// EntriesAfter implements store.Ledger.
func (l *ledger) EntriesAfter(from *store.Entry) iter.Seq2[store.Entry, error] {
	return paged("ledger entries", l.number, entryID.value, func(b int32, last *entryID, limit int) ([]entryID, error) {
		after := entryID{}
		switch {
		case last != nil:
			after = *last
		case from != nil:
			after = entryID{target: pgtext.Key(from.Target), account: pgtext.Key(from.Account), role: pgtext.Key(from.Role)}
		}
		return query(l.tx, scanEntry, entriesOfAll, b, after.target, after.account, after.role, last == nil && from == nil, limit)
	})
}

// A page begins after an entry; the first begins after the empty strings.
const (
	oneEntry          = `SELECT ` + entryColumns + ` FROM entries WHERE backend = $1 AND target = $2 AND account = $3 AND role = $4`
	entriesOfAccounts = `SELECT ` + entryColumns + ` FROM entries WHERE backend = $1 AND target = $2 AND account = ANY ($3::text[]) ORDER BY account, role FETCH FIRST 2000 ROWS ONLY`
	entriesOfAccount  = `SELECT ` + entryColumns + ` FROM entries WHERE backend = $1 AND target = $2 AND account = $3 AND role >= $4 AND (role > $4 OR $5) ORDER BY role LIMIT $6`
	entriesOfTarget   = `SELECT ` + entryColumns + ` FROM entries WHERE backend = $1 AND target = $2 AND (account, role) >= ($3, $4) AND ((account, role) > ($3, $4) OR $5) ORDER BY account, role LIMIT $6`
	entriesOfAll      = `SELECT ` + entryColumns + ` FROM entries WHERE backend = $1 AND (target, account, role) >= ($2, $3, $4) AND ((target, account, role) > ($2, $3, $4) OR $5)
		ORDER BY target, account, role LIMIT $6`
)

func (l *ledger) TargetsOf(account string) ([]string, error) {
	b, err := l.number()
	if err != nil || b == 0 {
		return nil, err
	}
	list, err := query(l.tx, func(r pgx.CollectableRow) (target string, err error) {
		var whole []string
		err = r.Scan(&target, &whole)
		pgtext.Unshorten(whole[:min(len(whole), 1)], &target)
		return target, err
	}, `SELECT DISTINCT ON (target) target, whole FROM entries WHERE backend = $1 AND account = $2 ORDER BY target`, b, pgtext.Key(account))
	if err != nil {
		return nil, fmt.Errorf("targets of %q: %w", account, err)
	}
	return list, nil
}

func (l *ledger) PutEntry(e store.Entry) error {
	if e.State > store.Absent {
		return fmt.Errorf("put ledger entry: no state %d", e.State)
	}
	l.keep(e)
	err := l.put(`INSERT INTO entries (backend, `+entryColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
		ON CONFLICT (backend, target, account, role) DO UPDATE SET key = $6, state = $7, wanted = $8, open = $9, adopted = $10, maybe_gone = $11, approved = $12,
			attempt = $13, missed = $14, doubt = $15, sent = $16, since = $17, held_since = $18, note = $19, hold = $20, why = $21, borrowed = $22`,
		pgtext.Key(e.Target), pgtext.Key(e.Account), pgtext.Key(e.Role), pgtext.Wholes(e.Target, e.Account, e.Role), pgtext.Text(e.Key), int16(e.State), e.Wanted, e.Open, e.Adopted, e.MaybeGone, e.Approved,
		int64(e.Attempt), e.Missed, pgtext.Nanos(e.Doubt), pgtext.Nanos(e.Sent), pgtext.Nanos(e.Since), pgtext.Nanos(e.HeldSince), pgtext.Text(e.Note), pgtext.Text(e.Hold), pgtext.Text(e.Why), e.Borrowed)
	if err != nil {
		return fmt.Errorf("put ledger entry: %w", err)
	}
	return nil
}

// keep replaces an entry among those that were read.
func (l *ledger) keep(e store.Entry) {
	all := l.entries[l.entryKey(e.Target, e.Account)]
	if all == nil {
		return
	}
	for _, at := range []*time.Time{&e.Doubt, &e.Sent, &e.Since, &e.HeldSince} {
		*at = pgtext.Moment(pgtext.Nanos(*at))
	}
	i, there := place(*all, e.Role)
	if there {
		(*all)[i] = e
	} else {
		*all = slices.Insert(*all, i, e)
	}
}

// DeleteEntry deletes an entry later if it was read.
func (l *ledger) DeleteEntry(target, account, role string) error {
	const sql = `DELETE FROM entries WHERE backend = $1 AND target = $2 AND account = $3 AND role = $4`
	args := []any{pgtext.Key(target), pgtext.Key(account), pgtext.Key(role)}
	var err error
	if all := l.entries[l.entryKey(target, account)]; all == nil {
		err = l.remove(sql, args...)
	} else if i, there := place(*all, role); there {
		*all = slices.Delete(*all, i, i+1)
		err = l.put(sql, args...)
	} else {
		err = store.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete ledger entry of %q on %q: %w", account, target, err)
	}
	return nil
}

// NextAttempt takes a number of a sequence: the numbers are store-wide, and one of a failed transaction is lost.
func (l *ledger) NextAttempt() (uint64, error) {
	l.MustWrite()
	n, _, err := one(l.tx, pgx.RowTo[int64], `SELECT nextval('attempts')`)
	if err != nil {
		return 0, fmt.Errorf("next attempt: %w", err)
	}
	return uint64(n), nil
}

// SkipAttempts skips the numbers of attempts up to one: an import has attempts with numbers of another store.
func (l *ledger) SkipAttempts(to uint64) error {
	l.MustWrite()
	if err := l.Later(`SELECT setval('attempts', $1) FROM attempts WHERE last_value <= $1`, int64(min(to, math.MaxInt64))); err != nil {
		return fmt.Errorf("skip attempts: %w", err)
	}
	return nil
}
