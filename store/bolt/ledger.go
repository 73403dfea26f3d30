package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/scimbridge/scimbridge/store"
)

// The buckets of a backend's ledger.
const (
	ledgerEntries  = "entries"    // target, account, role -> entry
	ledgerAccounts = "by.account" // account, target, role -> key of the entry
)

type ledger struct{ *space }

func encodeEntry(key []byte, en store.Entry) []byte {
	e := newRecord(192)
	e.string(en.Target)
	e.string(en.Account)
	e.string(en.Role)
	e.string(en.Key)
	e.byte(byte(en.State))
	e.bool(en.Wanted)
	e.bool(en.Open)
	e.uint(en.Attempt)
	e.time(en.Doubt)
	e.time(en.Sent)
	e.time(en.Since)
	e.bool(en.Adopted)
	e.string(en.Note)
	e.int(int64(en.Missed))
	e.string(en.Hold)
	e.string(en.Why)
	e.time(en.HeldSince)
	e.bool(en.Approved)
	e.bool(en.MaybeGone)
	if en.Borrowed { // a record without it is as it was before there was any
		e.bool(true)
	}
	return e.seal(key)
}

func decodeEntry(key, record []byte) (en store.Entry, err error) {
	d, err := openRecord(key, record)
	if err != nil {
		return en, fmt.Errorf("ledger: %w", err)
	}
	en.Target, en.Account, en.Role, en.Key = d.string(), d.string(), d.string(), d.string()
	en.State = store.EntryState(d.byte())
	en.Wanted, en.Open, en.Attempt = d.bool(), d.bool(), d.uint()
	en.Doubt, en.Sent, en.Since = d.time(), d.time(), d.time()
	en.Adopted, en.Note, en.Missed = d.bool(), d.string(), int(d.int())
	en.Hold, en.Why, en.HeldSince, en.Approved, en.MaybeGone = d.string(), d.string(), d.time(), d.bool(), d.bool()
	if d.more() {
		en.Borrowed = d.bool()
	}
	if en.State > store.Absent {
		d.fail()
	}
	return en, d.end(key)
}

func (l *ledger) Entry(target, account, role string) (store.Entry, error) {
	key := makeKey(target, account, role)
	record := l.get(ledgerEntries, key)
	if record == nil {
		return store.Entry{}, fmt.Errorf("ledger entry of %q on %q: %w", account, target, store.ErrNotFound)
	}
	return decodeEntry(key, record)
}

func (l *ledger) Entries(target, account string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var prefix []byte
		switch {
		case target != "" && account != "":
			prefix = makeKey(target, account)
		case target != "":
			prefix = makeKey(target)
		case account != "":
			yield(store.Entry{}, errors.New("ledger entries: an account needs a target"))
			return
		}
		for k, v := range l.tx.scan(l.bucket(ledgerEntries), prefix, 0) {
			e, err := decodeEntry(k, v)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (l *ledger) TargetsOf(account string) ([]string, error) {
	var targets []string
	for _, v := range l.tx.scan(l.bucket(ledgerAccounts), makeKey(account), 0) {
		record := l.get(ledgerEntries, v)
		if record == nil {
			return nil, fmt.Errorf("targets of %q: entry missing: %w", account, store.ErrDamaged)
		}
		e, err := decodeEntry(v, record)
		if err == nil && e.Account != account {
			err = store.ErrDamaged
		}
		if err != nil {
			return nil, fmt.Errorf("targets of %q: %w", account, err)
		}
		if n := len(targets); n == 0 || targets[n-1] != e.Target {
			targets = append(targets, e.Target)
		}
	}
	return targets, nil
}

func (l *ledger) PutEntry(e store.Entry) error {
	l.tx.write()
	if e.State > store.Absent {
		return fmt.Errorf("put ledger entry: no state %d", e.State)
	}
	entries, err := l.make(ledgerEntries)
	if err != nil {
		return err
	}
	byAccount, err := l.make(ledgerAccounts)
	if err != nil {
		return err
	}
	key := makeKey(e.Target, e.Account, e.Role)
	before, err := l.stored(key)
	if err == nil {
		err = l.tallyEntry(before, &e)
	}
	if err != nil {
		return fmt.Errorf("put ledger entry: %w", err)
	}
	if err := l.tx.put(entries, key, encodeEntry(key, e)); err != nil {
		return err
	}
	reverse := makeKey(e.Account, e.Target, e.Role)
	if bytes.Equal(get(byAccount, reverse), key) {
		return nil
	}
	return l.tx.put(byAccount, reverse, key)
}

// stored reads the entry under a key; nil if there is none.
func (l *ledger) stored(key []byte) (*store.Entry, error) {
	record := l.get(ledgerEntries, key)
	if record == nil {
		return nil, nil
	}
	e, err := decodeEntry(key, record)
	return &e, err
}

func (l *ledger) DeleteEntry(target, account, role string) error {
	l.tx.write()
	key := makeKey(target, account, role)
	before, err := l.stored(key)
	if err == nil && before == nil {
		err = store.ErrNotFound
	}
	if err == nil {
		err = l.tallyEntry(before, nil)
	}
	if err != nil {
		return fmt.Errorf("delete ledger entry of %q on %q: %w", account, target, err)
	}
	if err := l.tx.del(l.bucket(ledgerEntries), key); err != nil {
		return err
	}
	return l.tx.del(l.bucket(ledgerAccounts), makeKey(account, target, role))
}

// SkipAttempts leaves out the numbers of attempts up to one: an import carries attempts that were numbered elsewhere.
func (l *ledger) SkipAttempts(to uint64) error {
	l.tx.write()
	top, err := l.tx.top(topLedgers)
	if err != nil || top.Sequence() >= to {
		return err
	}
	l.tx.writes++
	if err := top.SetSequence(to); err != nil {
		return fmt.Errorf("skip attempts: %w", err)
	}
	return nil
}

// NextAttempt counts at the top: the numbers are store-wide.
func (l *ledger) NextAttempt() (uint64, error) {
	l.tx.write()
	top, err := l.tx.top(topLedgers)
	if err != nil {
		return 0, err
	}
	return l.tx.next(top)
}
