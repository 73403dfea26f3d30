package tables

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
)

// The buckets of a backend's ledger.
const (
	ledgerEntries  = "entries"    // target, account, role -> entry
	ledgerAccounts = "by.account" // account, target, role -> key of the entry
)

type ledger struct{ *kv.Namespace }

// EncodeEntry returns the record of an entry.
func EncodeEntry(key []byte, en store.Entry) []byte {
	e := codec.NewRecord(192)
	e.String(en.Target)
	e.String(en.Account)
	e.String(en.Role)
	e.String(en.Key)
	e.Byte(byte(en.State))
	e.Bool(en.Wanted)
	e.Bool(en.Open)
	e.Uint(en.Attempt)
	e.Time(en.Doubt)
	e.Time(en.Sent)
	e.Time(en.Since)
	e.Bool(en.Adopted)
	e.String(en.Note)
	e.Int(int64(en.Missed))
	e.String(en.Hold)
	e.String(en.Why)
	e.Time(en.HeldSince)
	e.Bool(en.Approved)
	e.Bool(en.MaybeGone)
	if en.Borrowed { // without it the record has the form of earlier versions
		e.Bool(true)
	}
	return e.Seal(key)
}

// DecodeEntry reads the record of an entry.
func DecodeEntry(key, record []byte) (en store.Entry, err error) {
	d, err := codec.OpenRecord(key, record)
	if err != nil {
		return en, fmt.Errorf("ledger: %w", err)
	}
	en.Target, en.Account, en.Role, en.Key = d.String(), d.String(), d.String(), d.String()
	en.State = store.EntryState(d.Byte())
	en.Wanted, en.Open, en.Attempt = d.Bool(), d.Bool(), d.Uint()
	en.Doubt, en.Sent, en.Since = d.Time(), d.Time(), d.Time()
	en.Adopted, en.Note, en.Missed = d.Bool(), d.String(), int(d.Int())
	en.Hold, en.Why, en.HeldSince, en.Approved, en.MaybeGone = d.String(), d.String(), d.Time(), d.Bool(), d.Bool()
	if d.More() {
		en.Borrowed = d.Bool()
	}
	if en.State > store.Absent {
		d.Fail()
	}
	return en, d.End(key)
}

func (l *ledger) Entry(target, account, role string) (store.Entry, error) {
	key := codec.MakeKey(target, account, role)
	record := l.Get(ledgerEntries, key)
	if record == nil {
		return store.Entry{}, fmt.Errorf("ledger entry of %q on %q: %w", account, target, store.ErrNotFound)
	}
	return DecodeEntry(key, record)
}

func (l *ledger) Entries(target, account string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var prefix []byte
		switch {
		case target != "" && account != "":
			prefix = codec.MakeKey(target, account)
		case target != "":
			prefix = codec.MakeKey(target)
		case account != "":
			yield(store.Entry{}, errors.New("ledger entries: an account needs a target"))
			return
		}
		for k, v := range l.Tx.Scan(l.Bucket(ledgerEntries), prefix, 0) {
			e, err := DecodeEntry(k, v)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// EntriesAfter implements store.Ledger.
func (l *ledger) EntriesAfter(last *store.Entry) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var after []byte
		if last != nil {
			after = codec.MakeKey(last.Target, last.Account, last.Role)
		}
		for k, v := range l.Tx.Walk(l.Bucket(ledgerEntries), after, 0, false) {
			e, err := DecodeEntry(k, v)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (l *ledger) TargetsOf(account string) ([]string, error) {
	var targets []string
	for _, v := range l.Tx.Scan(l.Bucket(ledgerAccounts), codec.MakeKey(account), 0) {
		record := l.Get(ledgerEntries, v)
		if record == nil {
			return nil, fmt.Errorf("targets of %q: entry missing: %w", account, store.ErrDamaged)
		}
		e, err := DecodeEntry(v, record)
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
	l.Tx.Write()
	if e.State > store.Absent {
		return fmt.Errorf("put ledger entry: no state %d", e.State)
	}
	entries, err := l.Make(ledgerEntries)
	if err != nil {
		return err
	}
	byAccount, err := l.Make(ledgerAccounts)
	if err != nil {
		return err
	}
	key := codec.MakeKey(e.Target, e.Account, e.Role)
	before, err := l.stored(key)
	if err == nil {
		err = l.tallyEntry(before, &e)
	}
	if err != nil {
		return fmt.Errorf("put ledger entry: %w", err)
	}
	if err := l.Tx.Put(entries, key, EncodeEntry(key, e)); err != nil {
		return err
	}
	reverse := codec.MakeKey(e.Account, e.Target, e.Role)
	if bytes.Equal(kv.Get(byAccount, reverse), key) {
		return nil
	}
	return l.Tx.Put(byAccount, reverse, key)
}

// stored reads the entry under a key; nil if there is none.
func (l *ledger) stored(key []byte) (*store.Entry, error) {
	record := l.Get(ledgerEntries, key)
	if record == nil {
		return nil, nil
	}
	e, err := DecodeEntry(key, record)
	return &e, err
}

func (l *ledger) DeleteEntry(target, account, role string) error {
	l.Tx.Write()
	key := codec.MakeKey(target, account, role)
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
	if err := l.Tx.Del(l.Bucket(ledgerEntries), key); err != nil {
		return err
	}
	return l.Tx.Del(l.Bucket(ledgerAccounts), codec.MakeKey(account, target, role))
}

// SkipAttempts skips the numbers of attempts up to one: an import has attempts with numbers of another store.
func (l *ledger) SkipAttempts(to uint64) error {
	l.Tx.Write()
	top, err := l.Tx.Top(kv.TopLedgers)
	if err != nil || top.Sequence() >= to {
		return err
	}
	l.Tx.Writes++
	if err := top.SetSequence(to); err != nil {
		return fmt.Errorf("skip attempts: %w", err)
	}
	return nil
}

// NextAttempt returns a new number of an attempt. The numbers are store-wide.
func (l *ledger) NextAttempt() (uint64, error) {
	l.Tx.Write()
	top, err := l.Tx.Top(kv.TopLedgers)
	if err != nil {
		return 0, err
	}
	return l.Tx.Next(top)
}
