package model

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
	"github.com/scimbridge/scimbridge/store/storetest"
)

func someMark(r *rand.Rand) markID {
	id := markID{backend: modelBackends()[r.IntN(2)], target: named(r, "t", 3)}
	switch r.IntN(6) {
	case 0: // every account of the target
	case 1:
		if id.subject.Account = named(r, "a", 4); r.IntN(3) == 0 {
			id.subject.Account = store.TargetSettings
		}
	default:
		id.subject = store.Subject{IdP: idp(r), User: named(r, "u", 12)}
	}
	return id
}

func opTouch(r *rand.Rand) op {
	id, when, by := someMark(r), storetest.At(r.Int64N(1000)), someOrigin(r)
	return func(tx store.Tx, m *model) error { return touch(tx, m, id, when, by) }
}

// someOrigin returns a random Origin, sometimes zero.
func someOrigin(r *rand.Rand) store.Origin {
	if r.IntN(3) == 0 {
		return store.Origin{}
	}
	return store.Origin{Initiator: idp(r), Token: named(r, "t", 2), Request: named(r, "r", 9), At: storetest.At(r.Int64N(1000))}
}

func touch(tx store.Tx, m *model, id markID, when time.Time, by store.Origin) error {
	old, there := m.marks[id]
	mark := store.Mark{Target: id.target, Subject: id.subject, Since: when, Origin: by}
	if there {
		mark.Since = old.Since
		if old.Origin.At.After(by.At) {
			mark.Origin = old.Origin
		}
	}
	w := tx.Work(id.backend)
	if err := w.Touch(id.target, when, by, id.subject); err != nil {
		return err
	}
	got, err := w.Mark(id.target, id.subject)
	if err != nil {
		return err
	}
	if got.Seq <= m.seq {
		return fmt.Errorf("touch: number %d after %d", got.Seq, m.seq)
	}
	m.seq, mark.Seq = got.Seq, got.Seq
	m.marks[id] = mark
	return differs("touched", got, mark)
}

func opSettle(r *rand.Rand) op {
	id, stale, event := someMark(r), r.IntN(4) == 0, r.IntN(3) == 0
	return func(tx store.Tx, m *model) error {
		if oldest, there := m.oldestReference(); there && event {
			id = oldest
		}
		mark, there := m.marks[id]
		if stale || !there {
			mark = store.Mark{Target: id.target, Subject: id.subject, Seq: mark.Seq + 1_000_000}
		}
		if there && !stale {
			delete(m.marks, id)
		}
		settled, err := tx.Work(id.backend).Settle(mark)
		return errors.Join(err, differs("settled", settled, there && !stale))
	}
}

func opPark(r *rand.Rand) op {
	id, state, tries, reason := someMark(r), store.MarkState(r.IntN(3)), r.IntN(9), named(r, "reason", 3)
	return func(tx store.Tx, m *model) error {
		mark, there := m.marks[id]
		mark.Target, mark.Subject = id.target, id.subject
		mark.State, mark.Tries, mark.Reason, mark.NotBefore = state, tries, reason, storetest.At(int64(tries))
		if there {
			m.marks[id] = mark
		}
		parked, err := tx.Work(id.backend).Park(mark)
		return errors.Join(err, differs("parked", parked, there))
	}
}

func someEntry(r *rand.Rand) entryID {
	return entryID{modelBackends()[r.IntN(2)], named(r, "t", 3), named(r, "a", 4), named(r, "r", 2)}
}

func opEntry(r *rand.Rand) op {
	id := someEntry(r)
	e := store.Entry{
		Target: id.target, Account: id.account, Role: id.role, Key: named(r, "k", 9), State: store.EntryState(r.IntN(3)), Wanted: r.IntN(2) == 0,
		Open: r.IntN(2) == 0, Attempt: r.Uint64N(1000), Sent: storetest.At(r.Int64N(99)), Adopted: r.IntN(2) == 0, Borrowed: r.IntN(3) == 0, Note: named(r, "note", 3),
	}
	if r.IntN(2) == 0 {
		e.Hold, e.Why, e.HeldSince = named(r, "hold", 3), named(r, "why", 2), storetest.At(r.Int64N(99))
	}
	return func(tx store.Tx, m *model) error {
		m.entries[id] = e
		return tx.Ledger(id.backend).PutEntry(e)
	}
}

func opDeleteEntry(r *rand.Rand) op {
	id := someEntry(r)
	return func(tx store.Tx, m *model) error {
		_, there := m.entries[id]
		delete(m.entries, id)
		return expect("delete entry", tx.Ledger(id.backend).DeleteEntry(id.target, id.account, id.role), missing(there))
	}
}

func opAttempt(r *rand.Rand) op {
	b := modelBackends()[r.IntN(2)]
	return func(tx store.Tx, m *model) error {
		n, err := tx.Ledger(b).NextAttempt()
		if err == nil && n <= m.attempt {
			err = fmt.Errorf("attempt %d after %d", n, m.attempt)
		}
		m.attempt = n
		return err
	}
}

func someTriple(r *rand.Rand, a, b string) triple {
	return triple{modelBackends()[r.IntN(2)], named(r, a, 2), named(r, b, 8)}
}

func opLink(r *rand.Rand) op {
	id := someTriple(r, "idp", "u")
	l := store.Link{IdP: id[1], User: id[2], Key: named(r, "k", 5), Seen: storetest.At(r.Int64N(99))}
	if r.IntN(4) > 0 {
		l.Account = named(r, "a", 4)
	}
	if l.Changed = r.IntN(3) == 0; l.Changed {
		l.Made = r.IntN(2) == 0
	}
	return func(tx store.Tx, m *model) error {
		m.links[id] = l
		return tx.Accounts(id[0]).PutLink(l)
	}
}

func opDeleteLink(r *rand.Rand) op {
	id := someTriple(r, "idp", "u")
	return func(tx store.Tx, m *model) error {
		_, there := m.links[id]
		delete(m.links, id)
		return expect("delete link", tx.Accounts(id[0]).DeleteLink(id[1], id[2]), missing(there))
	}
}

func opCached(r *rand.Rand) op {
	id := someTriple(r, "t", "k")
	c := store.CachedAccount{Target: id[1], Key: id[2], ID: named(r, "a", 4), Status: named(r, "s", 3), Seen: storetest.At(r.Int64N(99))}
	return func(tx store.Tx, m *model) error {
		m.cached[id] = c
		return tx.Accounts(id[0]).PutCached(c)
	}
}

func opDeleteCached(r *rand.Rand) op {
	id := someTriple(r, "t", "k")
	return func(tx store.Tx, m *model) error {
		_, there := m.cached[id]
		delete(m.cached, id)
		return expect("delete cached", tx.Accounts(id[0]).DeleteCached(id[1], id[2]), missing(there))
	}
}

func opEvent(r *rand.Rand) op {
	e := store.Event{At: storetest.At(r.Int64N(1000)), Type: "group.members", IdP: idp(r), Subject: named(r, "g", 5), Detail: named(r, "d", 9)}
	for range r.IntN(4) {
		e.Added = append(e.Added, someValue(r))
	}
	if r.IntN(3) == 0 {
		e.Before, e.After, e.Token, e.Evidence, e.Causes = named(r, "b", 9), named(r, "a", 9), named(r, "t", 2), named(r, "e", 3), []string{named(r, "c", 3), ""}
		e.Initiator, e.Reason = named(r, "i", 2), named(r, "w", 3)
	}
	return func(tx store.Tx, m *model) error { return appendEvent(tx, m, e) }
}

func appendEvent(tx store.Tx, m *model, e store.Event) error {
	seq, err := tx.Events().Append(e)
	if n := len(m.events); n > 0 && seq <= m.events[n-1].Seq {
		return fmt.Errorf("event %d after %d", seq, m.events[n-1].Seq)
	}
	e.Seq = seq
	m.events = append(m.events, e)
	return err
}

func opSeal(r *rand.Rand) op {
	digest, wrong := [32]byte{byte(r.IntN(256)), 31: byte(r.IntN(256))}, r.IntN(5) == 0
	return func(tx store.Tx, m *model) error {
		s := store.Seal{Place: m.lastSeal().Place + 1, Digest: digest}
		var want error
		switch {
		case len(m.events) == len(m.seals):
			s.Event, want = 1_000_000, store.ErrConflict
		case wrong:
			s.Place, s.Event, want = s.Place-1, m.events[len(m.seals)].Seq, store.ErrConflict
		default:
			s.Event = m.events[len(m.seals)].Seq
			m.seals = append(m.seals, s)
		}
		return expect("seal", tx.Events().Seal(s), want)
	}
}

func opForget(r *rand.Rand) op {
	back := r.Uint64N(20)
	return func(tx store.Tx, m *model) error {
		place := m.lastSeal().Place - min(back, m.lastSeal().Place)
		for len(m.seals) > 0 && m.seals[0].Place <= place && !m.refersTo(m.seals[0].Event) {
			m.anchor = store.Seal{Place: m.seals[0].Place, Digest: m.seals[0].Digest}
			m.events, m.seals = m.events[1:], m.seals[1:]
		}
		anchor, err := tx.Events().Forget(place)
		return errors.Join(err, differs("forgotten", anchor, m.anchor))
	}
}

// refersTo reports whether a mark refers to the event.
func (m *model) refersTo(event uint64) bool {
	for id := range m.marks {
		if id.subject.Event == event {
			return true
		}
	}
	return false
}

// oldestReference returns the oldest event that a mark refers to.
func (m *model) oldestReference() (oldest markID, there bool) {
	for id, mark := range m.marks {
		if id.subject.Event != 0 && (!there || mark.Seq < m.marks[oldest].Seq) {
			oldest, there = id, true
		}
	}
	return oldest, there
}

// opTouchEvent marks the users of an existing event.
func opTouchEvent(r *rand.Rand) op {
	id, when, which, by := markID{backend: modelBackends()[r.IntN(2)], target: named(r, "t", 3)}, storetest.At(r.Int64N(1000)), r.IntN(1<<20), someOrigin(r)
	return func(tx store.Tx, m *model) error {
		if len(m.events) == 0 {
			return nil
		}
		e := m.events[which%len(m.events)]
		id.subject = store.Subject{IdP: e.IdP, Event: e.Seq}
		return touch(tx, m, id, when, by)
	}
}

func opSetting(r *rand.Rand) op {
	name, value := named(r, "s", 4), named(r, "v", 50)
	return func(tx store.Tx, m *model) error {
		m.settings[name] = value
		return tx.SetSetting(name, []byte(value))
	}
}

func opRecord(r *rand.Rand) op {
	id := entryID{modelBackends()[r.IntN(2)], named(r, "t", 3), named(r, "a", 4), []string{record.RemovalOfRole, record.RemovalByOffboarding}[r.IntN(2)]}
	row := record.Removal{Backend: id.backend, Target: id.target, Account: id.account, Kind: id.role, At: storetest.At(r.Int64N(1000)), Approved: r.IntN(2) == 0}
	if r.IntN(4) > 0 {
		row.Expires = storetest.At(r.Int64N(1000))
	}
	return func(tx store.Tx, m *model) error {
		m.removals[id] = row
		return record.Put(tx, row)
	}
}

// opHeldOffboarding changes a held off-boarding, which counts in the sizes of the holds.
func opHeldOffboarding(r *rand.Rand) op {
	h := record.HeldOffboarding{Backend: modelBackends()[r.IntN(2)], Account: named(r, "a", 4), Target: named(r, "t", 3), ID: named(r, "hold", 3),
		Why: named(r, "why", 2), Approved: r.IntN(3) == 0}
	gone := r.IntN(3) == 0
	return func(tx store.Tx, _ *model) error {
		if gone {
			return record.Delete(tx, h)
		}
		return record.Put(tx, h)
	}
}

func opDeleteRecord(r *rand.Rand) op {
	id := entryID{modelBackends()[r.IntN(2)], named(r, "t", 3), named(r, "a", 4), record.RemovalOfRole}
	return func(tx store.Tx, m *model) error {
		delete(m.removals, id)
		return record.Delete(tx, record.Removal{Backend: id.backend, Target: id.target, Account: id.account, Kind: id.role})
	}
}

func opSweep(r *rand.Rand) op {
	now := storetest.At(r.Int64N(600))
	return func(tx store.Tx, m *model) error {
		want := 0
		for id, row := range m.removals {
			if !row.Expires.IsZero() && !row.Expires.After(now) {
				delete(m.removals, id)
				want++
			}
		}
		n, err := tx.Records().Sweep(now, 1000)
		return errors.Join(err, differs("swept", n, want))
	}
}
