package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"

	"go.etcd.io/bbolt"

	"github.com/scimbridge/scimbridge/store"
)

// maxProblems is how many problems Check reports: one is enough to stop, a few help to see what happened.
const maxProblems = 20

// Check reads everything and reports what does not fit: records that do not decode, index entries without a
// resource and resources without an index entry, memberships that are there in one direction only, counts that
// are not those of what they count. Its error is ErrDamaged (or ErrNewer).
func (s *Store) Check() error {
	c := &checker{}
	err := s.View(context.Background(), func(st store.Tx) error {
		t, ok := st.(*tx)
		if !ok {
			return errors.New("check: transaction of another store")
		}
		c.tx = t
		c.each(topDirectories, func(name string) { c.directory(&directory{t.space(topDirectories, name)}) })
		c.each(topWork, func(name string) { c.work(&work{t.space(topWork, name)}) })
		c.each(topLedgers, func(name string) { c.ledger(&ledger{t.space(topLedgers, name)}) })
		c.each(topAccounts, func(name string) { c.accounts(&accounts{t.space(topAccounts, name)}) })
		for _, err := range t.Events().Since(0) {
			c.note("events", err)
		}
		if b := t.btx.Bucket([]byte(topEvents)); b != nil {
			if k, _ := b.Cursor().Last(); len(k) == 8 && binary.BigEndian.Uint64(k) != b.Sequence() {
				c.wrong("events", "the last is not the last number given")
			}
		}
		c.seals(&events{t})
		for k, v := range t.scan(t.btx.Bucket([]byte(topSettings)), nil, 0) {
			_, err := unseal(k, v)
			c.note("settings", err)
		}
		c.records(records{t})
		for _, name := range t.Backends() {
			c.tallies(name)
		}
		return nil
	})
	return errors.Join(append(c.problems, err)...)
}

// records decode, stand under their keys, and are found by the time at which they expire.
func (c *checker) records(rs records) {
	expiring := 0
	for _, like := range store.Tables() {
		table := like.Table()
		for k, v := range c.tx.scan(rs.bucket(table.Name), nil, 0) {
			if err := decodeRecord(k, v, like); err != nil {
				c.note("records", err)
				continue
			}
			if string(recordKey(like, table.Key)) != string(k) {
				c.wrong("records", "a record of %s stands under another key", table.Name)
			}
			if at := expiry(like); !at.IsZero() {
				expiring++
				if get(c.tx.btx.Bucket([]byte(topExpiries)), expiryKey(at, table.Name, k)) == nil {
					c.wrong("records", "a record of %s is not found by the time at which it expires", table.Name)
				}
			}
		}
	}
	if n := c.count(c.tx.btx.Bucket([]byte(topExpiries))); n != expiring {
		c.wrong("records", "%d records expire, %d by their times", expiring, n)
	}
}

// tallies holds what is counted to what is there.
func (c *checker) tallies(backend string) {
	where := "work " + backend
	kept, err := store.TalliesOf(c.tx, backend)
	c.note(where, err)
	counted, err2 := store.Recount(c.tx, backend)
	c.note(where, err2)
	if err == nil && err2 == nil && !reflect.DeepEqual(kept, counted) {
		c.wrong(where, "there is %+v, by the tallies %+v", counted, kept)
	}
	w := &work{c.tx.space(topWork, backend)}
	states, err := w.counts()
	c.note(where, err)
	if n := c.count(w.bucket(workPending)); n != states[store.Pending] {
		c.wrong(where, "%d pending marks, %d by their times", states[store.Pending], n)
	}
	if n := c.count(w.bucket(workBlocked)); n != states[store.Blocked] {
		c.wrong(where, "%d blocked marks, %d by their users", states[store.Blocked], n)
	}
}

type checker struct {
	tx       *tx
	problems []error
}

func (c *checker) note(where string, err error) {
	if err != nil && len(c.problems) < maxProblems {
		c.problems = append(c.problems, fmt.Errorf("check %s: %w", where, err))
	}
}

func (c *checker) wrong(where, format string, args ...any) {
	c.note(where, fmt.Errorf(format+": %w", append(args, store.ErrDamaged)...))
}

func (c *checker) each(top string, check func(name string)) {
	for k := range c.tx.scan(c.tx.btx.Bucket([]byte(top)), nil, 0) {
		check(string(k))
	}
}

// seals are of every event from the first to one, in their order, and in places without a gap. What the digests say is not
// known here.
func (c *checker) seals(e *events) {
	last, err := e.Anchor()
	if err != nil {
		c.note("events", err)
		return
	}
	for s, err := range e.Seals(0) {
		if err != nil {
			c.note("events", err)
			return
		}
		if s.Place != last.Place+1 || s.Event <= last.Event {
			c.wrong("events", "seal %d of event %d after seal %d of event %d", s.Place, s.Event, last.Place, last.Event)
		}
		next := uint64(0)
		for ev := range e.Since(last.Event) {
			next = ev.Seq
			break
		}
		if next != s.Event {
			c.wrong("events", "seal %d is of event %d, and event %d is next", s.Place, s.Event, next)
		}
		last = s
	}
}

func (c *checker) count(b *bbolt.Bucket) int {
	n := 0
	for range c.tx.scan(b, nil, 0) {
		n++
	}
	return n
}

func (c *checker) directory(d *directory) {
	where := "directory " + d.space.name
	names := 0
	for k, v := range c.tx.scan(d.bucket(dirNames), nil, 0) {
		var s sheet
		if err := s.open(k, v); err != nil || len(k) != numberSize {
			c.note(where, errors.Join(err, store.ErrDamaged))
			continue
		}
		for _, name := range s.names[:s.n] {
			names++
			n, ok, err := d.number(string(name.id))
			if c.note(where, err); err == nil && (!ok || n != number(names)) {
				c.wrong(where, "number %d and its name disagree", names)
			}
			if d.exists(userKind(), n) != (name.is == nameOfUser) || d.exists(groupKind(), n) != (name.is == nameOfGroup) {
				c.wrong(where, "number %d is not what its name says", n)
			}
		}
	}
	if ids := c.count(d.bucket(dirIDs)); ids != names {
		c.wrong(where, "%d ids and %d names", ids, names)
	}
	entries := map[string]int{}
	checkRecords(c, d, userKind(), entries, d.readUser, userIndex, func(u store.User) string { return u.ID })
	checkRecords(c, d, groupKind(), entries, d.readGroup, groupIndex, func(g store.Group) string { return g.ID })
	for _, b := range []string{dirUserNames, dirUserExtIDs, dirEmails, dirGroupNames, dirGroupExtID} {
		if n := c.count(d.bucket(b)); n != entries[b] {
			c.wrong(where, "%s has %d entries for %d values", b, n, entries[b])
		}
	}
	c.members(where, d)
}

// checkRecords counts into entries what every index has to have; that each is there is checked here.
func checkRecords[T any](c *checker, d *directory, k kind, entries map[string]int, read func(number) (row[T], error), indexOf func(T, number) index, id func(T) string) {
	where := "directory " + d.space.name
	for key := range c.tx.scan(d.bucket(k.records), nil, 0) {
		if len(key) != numberSize {
			c.wrong(where, "%s with a key of %d bytes", k.word, len(key))
			continue
		}
		n := toNumber(key)
		r, err := read(n)
		if err != nil {
			c.note(where, err)
			continue
		}
		if name, err := d.name(n); err != nil || name != id(r.val) {
			c.wrong(where, "%s number %d has another's id", k.word, n)
		}
		if v := d.get(k.order, seqKey(r.order)); len(v) != numberSize || toNumber(v) != n {
			c.wrong(where, "%s number %d has no place in the order", k.word, n)
		}
		for _, e := range indexOf(r.val, n) {
			entries[e.bucket]++
			if v := d.get(e.bucket, e.key); v == nil || e.unique && (len(v) != numberSize || toNumber(v) != n) {
				c.wrong(where, "%s number %d is not in %s", k.word, n, e.bucket)
			}
		}
	}
	records, order, kept := c.count(d.bucket(k.records)), c.count(d.bucket(k.order)), d.count(k.counter)
	if records != order || records != kept {
		c.wrong(where, "%d %ss, %d in order, %d by the count", records, k.word, order, kept)
	}
}

func (c *checker) members(where string, d *directory) {
	sizes := map[number]int{}
	forth := 0
	for k, v := range c.tx.scan(d.bucket(dirMembers), nil, 0) {
		b, err := openBlock(k, v)
		if err != nil {
			c.note(where, err)
			continue
		}
		g := toNumber(k)
		if sizes[g] == 0 && !d.exists(groupKind(), g) {
			c.wrong(where, "members of group number %d, which is not there", g)
		}
		for m := range b.all(toNumber(k[numberSize:]) << blockBits) {
			forth++
			sizes[g]++
			_, err := d.name(m)
			c.note(where, err)
			key := blockKey(m, g)
			if of, err := openBlock(key, d.get(dirMemberOf, key)); err != nil || !of.has(g) {
				c.wrong(where, "member number %d does not know of group number %d", m, g)
			}
		}
	}
	loose := c.looseRows(where, d)
	back := 0
	for k, v := range c.tx.scan(d.bucket(dirMemberOf), nil, 0) {
		b, err := openBlock(k, v)
		c.note(where, err)
		for range b.all(0) {
			back++
		}
	}
	if back != forth+loose {
		c.wrong(where, "%d memberships and %d loose rows one way, %d the other", forth, loose, back)
	}
	for g, n := range sizes {
		kept, err := d.size(g)
		if c.note(where, err); err == nil && kept != n {
			c.wrong(where, "group number %d has %d members, %d by the count", g, n, kept)
		}
	}
	if n := c.count(d.bucket(dirSizes)); n != len(sizes) {
		c.wrong(where, "%d groups with members, %d by the counts", len(sizes), n)
	}
}

// looseRows counts the rows of member.of that stand for no membership. Each is there, and for no membership.
func (c *checker) looseRows(where string, d *directory) (rows int) {
	for k, v := range c.tx.scan(d.bucket(dirLoose), nil, 0) {
		l, err := openBlock(k, v)
		if err != nil {
			c.note(where, err)
			continue
		}
		members, err := openBlock(k, d.get(dirMembers, k))
		c.note(where, err)
		g := toNumber(k)
		for m := range l.all(toNumber(k[numberSize:]) << blockBits) {
			rows++
			key := blockKey(m, g)
			if of, err := openBlock(key, d.get(dirMemberOf, key)); err != nil || !of.has(g) || members.has(m) {
				c.wrong(where, "the row of member number %d of group number %d is not loose", m, g)
			}
		}
	}
	return rows
}

func (c *checker) work(w *work) {
	where := "work " + w.name
	var found tally
	total, referring := 0, 0
	for m, err := range w.Marks("") {
		if err != nil {
			c.note(where, err)
			return
		}
		total++
		found.add(m, 1)
		if same, err := w.Mark(m.Target, m.Subject); err != nil || same.Seq != m.Seq {
			c.wrong(where, "mark %d is not found by its subject", m.Seq)
		}
		if m.Subject.Event != 0 {
			referring++
			if w.get(workEvents, referenceKey(m.Target, m.Subject)) == nil {
				c.wrong(where, "mark %d is not found by its event", m.Seq)
			}
		}
		if top := c.tx.btx.Bucket([]byte(topWork)); m.Seq > top.Sequence() {
			c.wrong(where, "mark %d has a number that was not given", m.Seq)
		}
	}
	if n := c.count(w.bucket(workSubjects)); n != total {
		c.wrong(where, "%d marks, %d subjects", total, n)
	}
	if n := c.count(w.bucket(workEvents)); n != referring {
		c.wrong(where, "%d marks refer to events, %d by event", referring, n)
	}
	kept, err := w.counts()
	if c.note(where, err); err == nil && kept != found {
		c.wrong(where, "marks are %v, by the counts %v", found, kept)
	}
}

func (c *checker) ledger(l *ledger) {
	where := "ledger " + l.name
	total := 0
	for e, err := range l.Entries("", "") {
		if err != nil {
			c.note(where, err)
			return
		}
		total++
		if string(l.get(ledgerAccounts, makeKey(e.Account, e.Target, e.Role))) != string(makeKey(e.Target, e.Account, e.Role)) {
			c.wrong(where, "entry of %q on %q is not found by its account", e.Account, e.Target)
		}
	}
	if n := c.count(l.bucket(ledgerAccounts)); n != total {
		c.wrong(where, "%d entries, %d by account", total, n)
	}
}

func (c *checker) accounts(a *accounts) {
	where := "accounts " + a.name
	bound := 0
	for k, v := range c.tx.scan(a.bucket(accLinks), nil, 0) {
		l, err := decodeLink(k, v)
		if err != nil {
			c.note(where, err)
			continue
		}
		if l.Account == "" {
			continue
		}
		bound++
		if string(a.get(accLinked, makeKey(l.Account, l.IdP, l.User))) != string(k) {
			c.wrong(where, "link of %q is not found by its account", l.User)
		}
	}
	if n := c.count(a.bucket(accLinked)); n != bound {
		c.wrong(where, "%d links to accounts, %d by account", bound, n)
	}
	for k, v := range c.tx.scan(a.bucket(accCached), nil, 0) {
		_, err := decodeCached(k, v)
		c.note(where, err)
	}
}
