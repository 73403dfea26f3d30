package tables

import (
	"encoding/binary"
	"errors"
	"reflect"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/directory"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/record"
)

// Check reads all tables and reports inconsistencies.
func Check(st store.Tx) error {
	t, ok := st.(Tx)
	if !ok {
		return errors.New("check: transaction of another store")
	}
	c := &kv.Checker{Tx: t.Tx}
	c.Each(kv.TopDirectories, func(name string) { directory.Check(c, directory.Open(t.Namespace(kv.TopDirectories, name))) })
	c.Each(kv.TopWork, func(name string) { checkWork(c, &work{t.Namespace(kv.TopWork, name)}) })
	c.Each(kv.TopLedgers, func(name string) { checkLedger(c, &ledger{t.Namespace(kv.TopLedgers, name)}) })
	c.Each(kv.TopAccounts, func(name string) { checkAccounts(c, &accounts{t.Namespace(kv.TopAccounts, name)}) })
	for _, err := range t.Events().Since(0) {
		c.Note("events", err)
	}
	if b := t.Btx.Bucket([]byte(kv.TopEvents)); b != nil {
		if k, _ := b.Cursor().Last(); len(k) == 8 && binary.BigEndian.Uint64(k) != b.Sequence() {
			c.Wrong("events", "the last is not the last number given")
		}
	}
	checkSeals(c, &events{t.Tx})
	for k, v := range t.Scan(t.Btx.Bucket([]byte(kv.TopSettings)), nil, 0) {
		_, err := codec.Unseal(k, v)
		c.Note("settings", err)
	}
	checkRecords(c, records{t.Tx})
	for _, name := range t.Backends() {
		checkTallies(c, name)
	}
	return errors.Join(c.Problems...)
}

// checkRecords checks that records decode, are under their keys, and are found by their expiry.
func checkRecords(c *kv.Checker, rs records) {
	expiring := 0
	for _, like := range record.Tables() {
		table := like.Table()
		for k, v := range c.Tx.Scan(rs.bucket(table.Name), nil, 0) {
			if err := decodeRecord(k, v, like); err != nil {
				c.Note("records", err)
				continue
			}
			if string(recordKey(like, table.Key)) != string(k) {
				c.Wrong("records", "a record of %s stands under another key", table.Name)
			}
			if at := expiry(like); !at.IsZero() {
				expiring++
				if kv.Get(c.Tx.Btx.Bucket([]byte(topExpiries)), expiryKey(at, table.Name, k)) == nil {
					c.Wrong("records", "a record of %s is not found by the time at which it expires", table.Name)
				}
			}
		}
	}
	if n := c.Count(c.Tx.Btx.Bucket([]byte(topExpiries))); n != expiring {
		c.Wrong("records", "%d records expire, %d by their times", expiring, n)
	}
}

// tallies compares the tallies with the tables.
func checkTallies(c *kv.Checker, backend string) {
	where := "work " + backend
	kept, err := store.TalliesOf(New(c.Tx), backend)
	c.Note(where, err)
	counted, err2 := store.Recount(New(c.Tx), backend)
	c.Note(where, err2)
	if err == nil && err2 == nil && !reflect.DeepEqual(kept, counted) {
		c.Wrong(where, "there is %+v, by the tallies %+v", counted, kept)
	}
	w := &work{c.Tx.Namespace(kv.TopWork, backend)}
	states, err := w.counts()
	c.Note(where, err)
	if n := c.Count(w.Bucket(workPending)); n != states[store.Pending] {
		c.Wrong(where, "%d pending marks, %d by their times", states[store.Pending], n)
	}
	if n := c.Count(w.Bucket(workBlocked)); n != states[store.Blocked] {
		c.Wrong(where, "%d blocked marks, %d by their users", states[store.Blocked], n)
	}
}

// seals checks that every event up to the last seal has one, in order and without a gap. It cannot check the
// digests.
func checkSeals(c *kv.Checker, e *events) {
	last, err := e.Anchor()
	if err != nil {
		c.Note("events", err)
		return
	}
	for s, err := range e.Seals(0) {
		if err != nil {
			c.Note("events", err)
			return
		}
		if s.Place != last.Place+1 || s.Event <= last.Event {
			c.Wrong("events", "seal %d of event %d after seal %d of event %d", s.Place, s.Event, last.Place, last.Event)
		}
		next := uint64(0)
		for ev, err := range e.Since(last.Event) {
			c.Note("events", err)
			next = ev.Seq
			break
		}
		if next != s.Event {
			c.Wrong("events", "seal %d is of event %d, and event %d is next", s.Place, s.Event, next)
		}
		last = s
	}
}

func checkWork(c *kv.Checker, w *work) {
	where := "work " + w.Name
	var found tally
	total, referring := 0, 0
	for m, err := range w.Marks("") {
		if err != nil {
			c.Note(where, err)
			return
		}
		total++
		found.add(m, 1)
		if same, err := w.Mark(m.Target, m.Subject); err != nil || same.Seq != m.Seq {
			c.Wrong(where, "mark %d is not found by its subject", m.Seq)
		}
		if m.Subject.Event != 0 {
			referring++
			if w.Get(workEvents, referenceKey(m.Target, m.Subject)) == nil {
				c.Wrong(where, "mark %d is not found by its event", m.Seq)
			}
		}
		if top := c.Tx.Btx.Bucket([]byte(kv.TopWork)); m.Seq > top.Sequence() {
			c.Wrong(where, "mark %d has a number that was not given", m.Seq)
		}
	}
	if n := c.Count(w.Bucket(workSubjects)); n != total {
		c.Wrong(where, "%d marks, %d subjects", total, n)
	}
	if n := c.Count(w.Bucket(workEvents)); n != referring {
		c.Wrong(where, "%d marks refer to events, %d by event", referring, n)
	}
	kept, err := w.counts()
	if c.Note(where, err); err == nil && kept != found {
		c.Wrong(where, "marks are %v, by the counts %v", found, kept)
	}
}

func checkLedger(c *kv.Checker, l *ledger) {
	where := "ledger " + l.Name
	total := 0
	for e, err := range l.Entries("", "") {
		if err != nil {
			c.Note(where, err)
			return
		}
		total++
		if string(l.Get(ledgerAccounts, codec.MakeKey(e.Account, e.Target, e.Role))) != string(codec.MakeKey(e.Target, e.Account, e.Role)) {
			c.Wrong(where, "entry of %q on %q is not found by its account", e.Account, e.Target)
		}
	}
	if n := c.Count(l.Bucket(ledgerAccounts)); n != total {
		c.Wrong(where, "%d entries, %d by account", total, n)
	}
}

func checkAccounts(c *kv.Checker, a *accounts) {
	where := "accounts " + a.Name
	bound := 0
	for k, v := range c.Tx.Scan(a.Bucket(accLinks), nil, 0) {
		l, err := DecodeLink(k, v)
		if err != nil {
			c.Note(where, err)
			continue
		}
		if l.Account == "" {
			continue
		}
		bound++
		if string(a.Get(accLinked, codec.MakeKey(l.Account, l.IdP, l.User))) != string(k) {
			c.Wrong(where, "link of %q is not found by its account", l.User)
		}
	}
	if n := c.Count(a.Bucket(accLinked)); n != bound {
		c.Wrong(where, "%d links to accounts, %d by account", bound, n)
	}
	for k, v := range c.Tx.Scan(a.Bucket(accCached), nil, 0) {
		_, err := DecodeCached(k, v)
		c.Note(where, err)
	}
}
