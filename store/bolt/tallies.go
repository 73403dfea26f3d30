package bolt

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// The tallies are what metrics and status show. They change with what they count, so that reading
// them costs the same however much there is.
const (
	workPending = "pending"        // since (8), seq (8) of a pending mark -> nothing
	workBlocked = "blocked"        // idp, user, account, event (8), target of a blocked mark -> its reason
	workPeople  = "blocked.people" // reason, person -> how many blocked marks; the reason comes first, and is "" of all
	workReasons = "blocked.counts" // reason -> how many people; "" of all

	ledgerCounts = "counts" // "entries", "held" -> count
	ledgerHolds  = "holds"  // hold, target, why -> entries, off-boardings
)

// pendingKey sorts the pending marks by the time since which they wait.
func pendingKey(m store.Mark) []byte {
	since := uint64(max(m.Since.UnixNano(), 0))
	return binary.BigEndian.AppendUint64(seqKey(since), m.Seq)
}

// blockedKey has the user of a mark first.
func blockedKey(m store.Mark) []byte {
	s := m.Subject
	return append(append(makeKey(s.IdP, s.User, s.Account), seqKey(s.Event)...), makeKey(m.Target)...)
}

// personOf returns who is blocked by a mark: the account, as far as it is known.
func (w *work) personOf(m store.Mark) ([]byte, error) {
	s := m.Subject
	switch {
	case s.Account == store.TargetSettings: // the target itself
		return makeKey(m.Target, "", s.Account), nil
	case s.User != "":
		account, err := (&accounts{w.tx.space(topAccounts, w.name)}).accountOf(s.IdP, s.User)
		if err != nil || account != "" {
			return makeKey("", "", account), err
		}
	case s.Account != "":
		return makeKey("", "", s.Account), nil
	}
	return append(makeKey(s.IdP, s.User, s.Account), seqKey(s.Event)...), nil
}

// tallyMark counts a mark, or with -1 no longer. Its state is counted in counts.
func (w *work) tallyMark(m store.Mark, by int) error {
	switch m.State {
	case store.Pending:
		b, err := w.make(workPending)
		switch {
		case err != nil:
			return err
		case by > 0:
			return w.tx.put(b, pendingKey(m), []byte{})
		}
		return w.tx.del(b, pendingKey(m))
	case store.Blocked:
		b, err := w.make(workBlocked)
		if err != nil {
			return err
		}
		key := blockedKey(m)
		if by < 0 {
			err = w.tx.del(b, key)
		} else {
			e := newRecord(len(m.Reason) + 2)
			e.string(m.Reason)
			err = w.tx.put(b, key, e.seal(key))
		}
		if err != nil {
			return err
		}
		person, err := w.personOf(m)
		if err != nil {
			return err
		}
		return w.tallyPerson(person, m.Reason, by)
	}
	return nil
}

// tallyPerson counts a blocked mark of somebody, for its reason and for all.
func (w *work) tallyPerson(person []byte, reason string, by int) error {
	for _, of := range []string{"r" + reason, ""} {
		n, err := w.adjust(workPeople, append(makeKey(of), person...), by)
		if err != nil {
			return err
		}
		if by > 0 && n == by || n == 0 {
			if _, err := w.adjust(workReasons, makeKey(of), by); err != nil {
				return err
			}
		}
	}
	return nil
}

// adjust adds to a count, and returns it. One that is 0 is not stored.
func (s *space) adjust(bucket string, key []byte, by int) (n int, err error) {
	if record := s.get(bucket, key); record != nil {
		before, err := openUint(key, record)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", bucket, err)
		}
		n = int(before)
	}
	if n += by; n < 0 {
		return 0, fmt.Errorf("%s: too low: %w", bucket, store.ErrDamaged)
	}
	b, err := s.make(bucket)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, s.tx.del(b, key)
	}
	return n, s.tx.put(b, key, sealUint(key, uint64(n)))
}

// moveBlocked counts the blocked marks of a user for another account: it is linked to that one now.
func (w *work) moveBlocked(idp, user, before, after string) error {
	if before == after || user == "" || w.bucket(workBlocked) == nil {
		return nil
	}
	of := func(account string) []byte {
		if account != "" {
			return makeKey("", "", account)
		}
		return append(makeKey(idp, user, ""), seqKey(0)...)
	}
	for k, v := range w.tx.scan(w.bucket(workBlocked), makeKey(idp, user), 0) {
		d, err := openRecord(k, v)
		if err != nil {
			return fmt.Errorf("blocked marks: %w", err)
		}
		reason := d.string()
		if err := w.tallyPerson(of(before), reason, -1); err != nil {
			return err
		}
		if err := w.tallyPerson(of(after), reason, 1); err != nil {
			return err
		}
	}
	return nil
}

// BlockedUsers implements store.Work.
func (w *work) BlockedUsers() (all int, byReason map[string]int, err error) {
	byReason = map[string]int{}
	for k, v := range w.tx.scan(w.bucket(workReasons), nil, 0) {
		n, err := openUint(k, v)
		if err != nil {
			return 0, nil, fmt.Errorf("blocked users: %w", err)
		}
		of, _ := partOf(k)
		if of == "" {
			all = int(n)
		} else {
			byReason[of[1:]] = int(n)
		}
	}
	return all, byReason, nil
}

// OldestPending implements store.Work.
func (w *work) OldestPending() (time.Time, error) {
	for k := range w.tx.scan(w.bucket(workPending), nil, 0) {
		if len(k) != 16 {
			return time.Time{}, fmt.Errorf("pending marks: %w", store.ErrDamaged)
		}
		return time.Unix(0, int64(binary.BigEndian.Uint64(k))).UTC(), nil
	}
	return time.Time{}, nil
}

// tallyEntry counts an entry as it is now, in the place of what it was; nil: it was or is not there.
func (l *ledger) tallyEntry(before, after *store.Entry) error {
	held := func(e *store.Entry) bool { return e != nil && e.Hold != "" }
	if (before == nil) != (after == nil) {
		by := 1
		if after == nil {
			by = -1
		}
		if _, err := l.adjust(ledgerCounts, makeKey("entries"), by); err != nil {
			return err
		}
	}
	if !held(before) && !held(after) || held(before) && held(after) && before.Hold == after.Hold && before.Why == after.Why {
		return nil
	}
	if held(before) {
		if err := l.tallyHold(before.Hold, before.Target, before.Why, -1, 0); err != nil {
			return err
		}
	}
	if held(after) {
		if err := l.tallyHold(after.Hold, after.Target, after.Why, 1, 0); err != nil {
			return err
		}
	}
	if held(before) == held(after) {
		return nil
	}
	e, by := after, 1
	if !held(after) {
		e, by = before, -1
	}
	for other, err := range l.Entries(e.Target, e.Account) {
		if err != nil {
			return err
		}
		if other.Role != e.Role && other.Hold != "" {
			return nil // the account is held by another entry
		}
	}
	_, err := l.adjust(ledgerCounts, makeKey("held"), by)
	return err
}

// tallyHold adds to what a hold has on a target.
func (l *ledger) tallyHold(id, target, why string, entries, offboardings int) error {
	key := makeKey(id, target, why)
	h := store.HoldSize{ID: id, Target: target, Why: why}
	if record := l.get(ledgerHolds, key); record != nil {
		var err error
		if h, err = decodeHold(key, record); err != nil {
			return err
		}
	}
	h.Entries, h.Offboardings = h.Entries+entries, h.Offboardings+offboardings
	if h.Entries < 0 || h.Offboardings < 0 {
		return fmt.Errorf("size of hold %q: too low: %w", id, store.ErrDamaged)
	}
	b, err := l.make(ledgerHolds)
	if err != nil {
		return err
	}
	if h.Entries+h.Offboardings == 0 {
		return l.tx.del(b, key)
	}
	e := newRecord(64)
	e.string(h.ID)
	e.string(h.Target)
	e.string(h.Why)
	e.uint(uint64(h.Entries))
	e.uint(uint64(h.Offboardings))
	return l.tx.put(b, key, e.seal(key))
}

func decodeHold(key, record []byte) (h store.HoldSize, err error) {
	d, err := openRecord(key, record)
	if err != nil {
		return h, fmt.Errorf("size of a hold: %w", err)
	}
	h.ID, h.Target, h.Why = d.string(), d.string(), d.string()
	h.Entries, h.Offboardings = int(d.uint()), int(d.uint())
	return h, d.end(key)
}

// Holds implements store.Ledger.
func (l *ledger) Holds() ([]store.HoldSize, error) {
	var out []store.HoldSize
	for k, v := range l.tx.scan(l.bucket(ledgerHolds), nil, 0) {
		h, err := decodeHold(k, v)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// Size implements store.Ledger.
func (l *ledger) Size() (entries, heldAccounts int, err error) {
	counts := map[string]int{}
	for k, v := range l.tx.scan(l.bucket(ledgerCounts), nil, 0) {
		n, err := openUint(k, v)
		if err != nil {
			return 0, 0, fmt.Errorf("size of the ledger: %w", err)
		}
		of, _ := partOf(k)
		counts[of] = int(n)
	}
	return counts["entries"], counts["held"], nil
}

// tallyHeld counts a held off-boarding, unless it is approved.
func (rs records) tallyHeld(h store.HeldOffboarding, by int) error {
	if h.Approved {
		return nil
	}
	l := &ledger{rs.tx.space(topLedgers, h.Backend)}
	return l.tallyHold(h.ID, h.Target, h.Why, 0, by)
}

// recount makes the tallies of a file that has none.
func (t *tx) recount() error {
	for _, name := range t.Backends() {
		w, l := &work{t.space(topWork, name)}, &ledger{t.space(topLedgers, name)}
		for m, err := range w.Marks("") {
			if err == nil {
				err = w.tallyMark(m, 1)
			}
			if err != nil {
				return err
			}
		}
		var before *store.Entry
		sizes := map[string]int{}
		for e, err := range l.Entries("", "") {
			if err != nil {
				return err
			}
			if sizes["entries"]++; e.Hold == "" {
				continue
			}
			if err := l.tallyHold(e.Hold, e.Target, e.Why, 1, 0); err != nil {
				return err
			}
			if before == nil || before.Target != e.Target || before.Account != e.Account { // they stand together
				sizes["held"]++
			}
			before = &e
		}
		for _, of := range slices.Sorted(maps.Keys(sizes)) {
			if _, err := l.adjust(ledgerCounts, makeKey(of), sizes[of]); err != nil {
				return err
			}
		}
	}
	for h, err := range store.List(t, store.HeldOffboarding{}) {
		if err == nil {
			err = (records{t}).tallyHeld(h, 1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetTallies removes all tallies.
func (t *tx) forgetTallies() error {
	buckets := map[string][]string{topWork: {workPending, workBlocked, workPeople, workReasons}, topLedgers: {ledgerCounts, ledgerHolds}}
	for top, names := range buckets {
		for of := range t.scan(t.btx.Bucket([]byte(top)), nil, 0) {
			s := t.space(top, string(of))
			for _, name := range names {
				if s.bucket(name) == nil {
					continue
				}
				t.writes++
				if err := s.root.DeleteBucket([]byte(name)); err != nil {
					return fmt.Errorf("remove %s: %w", name, err)
				}
			}
			delete(t.spaces, top+"/"+string(of))
		}
	}
	return nil
}
