package postgres

import (
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

type ledger struct {
	*tx
	name string
}

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

func (l *ledger) Entry(target, account, role string) (store.Entry, error) {
	b, err := l.backend(l.name)
	var e entryID
	found := false
	if err == nil && b != 0 {
		e, found, err = one(l.tx, scanEntry, `SELECT `+entryColumns+` FROM entries WHERE backend = $1 AND target = $2 AND account = $3 AND role = $4`, b, pgtext.Key(target), pgtext.Key(account), pgtext.Key(role))
	}
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Entry{}, fmt.Errorf("ledger entry of %q on %q: %w", account, target, err)
	}
	return e.Entry, nil
}

func (l *ledger) Entries(target, account string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if target == "" && account != "" {
			yield(store.Entry{}, errors.New("ledger entries: an account needs a target"))
			return
		}
		b, err := l.backend(l.name)
		if err != nil {
			yield(store.Entry{}, fmt.Errorf("ledger entries: %w", err))
		}
		if err != nil || b == 0 {
			return
		}
		list := pages(func(last *entryID, limit int) ([]entryID, error) {
			after := entryID{target: pgtext.Key(target), account: pgtext.Key(account)}
			if last != nil {
				after = *last
			}
			from := []any{b, after.target, after.account, after.role, last == nil, limit}
			switch {
			case account != "":
				return query(l.tx, scanEntry, entriesOfAccount, from...)
			case target != "":
				return query(l.tx, scanEntry, entriesOfTarget, from...)
			}
			return query(l.tx, scanEntry, entriesOfAll, from...)
		})
		for e, err := range list {
			if err != nil {
				err = fmt.Errorf("ledger entries: %w", err)
			}
			if !yield(e.Entry, err) {
				return
			}
		}
	}
}

// EntriesAfter implements store.Ledger.
func (l *ledger) EntriesAfter(from *store.Entry) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		b, err := l.backend(l.name)
		if err != nil {
			yield(store.Entry{}, fmt.Errorf("ledger entries: %w", err))
		}
		if err != nil || b == 0 {
			return
		}
		list := pages(func(last *entryID, limit int) ([]entryID, error) {
			after := entryID{}
			switch {
			case last != nil:
				after = *last
			case from != nil:
				after = entryID{target: pgtext.Key(from.Target), account: pgtext.Key(from.Account), role: pgtext.Key(from.Role)}
			}
			return query(l.tx, scanEntry, entriesOfAll, b, after.target, after.account, after.role, last == nil && from == nil, limit)
		})
		for e, err := range list {
			if err != nil {
				err = fmt.Errorf("ledger entries: %w", err)
			}
			if !yield(e.Entry, err) {
				return
			}
		}
	}
}

// A page begins after an entry; the first begins after the empty strings.
const (
	entriesOfAccount = `SELECT ` + entryColumns + ` FROM entries WHERE backend = $1 AND target = $2 AND account = $3 AND role >= $4 AND (role > $4 OR $5) ORDER BY role LIMIT $6`
	entriesOfTarget  = `SELECT ` + entryColumns + ` FROM entries WHERE backend = $1 AND target = $2 AND (account, role) >= ($3, $4) AND ((account, role) > ($3, $4) OR $5) ORDER BY account, role LIMIT $6`
	entriesOfAll     = `SELECT ` + entryColumns + ` FROM entries WHERE backend = $1 AND (target, account, role) >= ($2, $3, $4) AND ((target, account, role) > ($2, $3, $4) OR $5)
		ORDER BY target, account, role LIMIT $6`
)

func (l *ledger) TargetsOf(account string) ([]string, error) {
	b, err := l.backend(l.name)
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
	l.write()
	if e.State > store.Absent {
		return fmt.Errorf("put ledger entry: no state %d", e.State)
	}
	b, err := l.makeBackend(l.name)
	if err == nil {
		_, err = l.exec(`INSERT INTO entries (backend, `+entryColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
			ON CONFLICT (backend, target, account, role) DO UPDATE SET key = $6, state = $7, wanted = $8, open = $9, adopted = $10, maybe_gone = $11, approved = $12,
				attempt = $13, missed = $14, doubt = $15, sent = $16, since = $17, held_since = $18, note = $19, hold = $20, why = $21, borrowed = $22`,
			b, pgtext.Key(e.Target), pgtext.Key(e.Account), pgtext.Key(e.Role), pgtext.Wholes(e.Target, e.Account, e.Role), pgtext.Text(e.Key), int16(e.State), e.Wanted, e.Open, e.Adopted, e.MaybeGone, e.Approved,
			int64(e.Attempt), e.Missed, pgtext.Nanos(e.Doubt), pgtext.Nanos(e.Sent), pgtext.Nanos(e.Since), pgtext.Nanos(e.HeldSince), pgtext.Text(e.Note), pgtext.Text(e.Hold), pgtext.Text(e.Why), e.Borrowed)
	}
	if err != nil {
		return fmt.Errorf("put ledger entry: %w", err)
	}
	return nil
}

func (l *ledger) DeleteEntry(target, account, role string) error {
	l.write()
	b, err := l.backend(l.name)
	var n int64
	if err == nil && b != 0 {
		n, err = l.exec(`DELETE FROM entries WHERE backend = $1 AND target = $2 AND account = $3 AND role = $4`, b, pgtext.Key(target), pgtext.Key(account), pgtext.Key(role))
	}
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete ledger entry of %q on %q: %w", account, target, err)
	}
	return nil
}

// NextAttempt takes a number of a sequence: the numbers are store-wide, and one of a failed transaction is lost.
func (l *ledger) NextAttempt() (uint64, error) {
	l.write()
	n, _, err := one(l.tx, pgx.RowTo[int64], `SELECT nextval('attempts')`)
	if err != nil {
		return 0, fmt.Errorf("next attempt: %w", err)
	}
	return uint64(n), nil
}

// SkipAttempts skips the numbers of attempts up to one: an import has attempts with numbers of another store.
func (l *ledger) SkipAttempts(to uint64) error {
	l.write()
	if _, err := l.exec(`SELECT setval('attempts', $1) FROM attempts WHERE last_value <= $1`, number(to)); err != nil {
		return fmt.Errorf("skip attempts: %w", err)
	}
	return nil
}
