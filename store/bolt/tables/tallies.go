package tables

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt/codec"
	"github.com/scimbridge/scimbridge/store/bolt/kv"
	"github.com/scimbridge/scimbridge/store/record"
)

// The tallies are the numbers of metrics and status. They are updated with every change, so that reading them
// always costs the same.
const (
	workPending = "pending"        // since (8), seq (8) of a pending mark -> nothing
	workBlocked = "blocked"        // idp, user, account, event (8), target of a blocked mark -> its reason
	workPeople  = "blocked.people" // reason, user -> number of blocked marks; the reason "" is all of them
	workReasons = "blocked.counts" // reason -> number of users; "" of all

	ledgerCounts = "counts" // "entries", "held" -> count
	ledgerHolds  = "holds"  // hold, target, why -> entries, off-boardings
)

// pendingKey sorts the pending marks by their Since.
func pendingKey(m store.Mark) []byte {
	since := uint64(max(m.Since.UnixNano(), 0))
	return binary.BigEndian.AppendUint64(codec.SeqKey(since), m.Seq)
}

// blockedKey has the user of a mark first.
func blockedKey(m store.Mark) []byte {
	s := m.Subject
	return append(append(codec.MakeKey(s.IdP, s.User, s.Account), codec.SeqKey(s.Event)...), codec.MakeKey(m.Target)...)
}

// personOf returns the subject that a mark blocks: the account, if it is known.
func (w *work) personOf(m store.Mark) ([]byte, error) {
	s := m.Subject
	switch {
	case s.Account == store.TargetSettings: // the target itself
		return codec.MakeKey(m.Target, "", s.Account), nil
	case s.User != "":
		account, err := (&accounts{w.Tx.Namespace(kv.TopAccounts, w.Name)}).accountOf(s.IdP, s.User)
		if err != nil || account != "" {
			return codec.MakeKey("", "", account), err
		}
	case s.Account != "":
		return codec.MakeKey("", "", s.Account), nil
	}
	return append(codec.MakeKey(s.IdP, s.User, s.Account), codec.SeqKey(s.Event)...), nil
}

// tallyMark adds a mark to the tallies, or with -1 removes it. Its state is counted in counts.
func (w *work) tallyMark(m store.Mark, by int) error {
	switch m.State {
	case store.Pending:
		b, err := w.Make(workPending)
		switch {
		case err != nil:
			return err
		case by > 0:
			return w.Tx.Put(b, pendingKey(m), []byte{})
		}
		return w.Tx.Del(b, pendingKey(m))
	case store.Blocked:
		b, err := w.Make(workBlocked)
		if err != nil {
			return err
		}
		key := blockedKey(m)
		if by < 0 {
			err = w.Tx.Del(b, key)
		} else {
			e := codec.NewRecord(len(m.Reason) + 2)
			e.String(m.Reason)
			err = w.Tx.Put(b, key, e.Seal(key))
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

// tallyPerson counts a blocked mark of a user, under its reason and in total.
func (w *work) tallyPerson(person []byte, reason string, by int) error {
	for _, of := range []string{"r" + reason, ""} {
		n, err := w.Adjust(workPeople, append(codec.MakeKey(of), person...), by)
		if err != nil {
			return err
		}
		if by > 0 && n == by || n == 0 {
			if _, err := w.Adjust(workReasons, codec.MakeKey(of), by); err != nil {
				return err
			}
		}
	}
	return nil
}

// moveBlocked moves the blocked marks of a user to the account that the user is now linked to.
func (w *work) moveBlocked(idp, user, before, after string) error {
	if before == after || user == "" || w.Bucket(workBlocked) == nil {
		return nil
	}
	of := func(account string) []byte {
		if account != "" {
			return codec.MakeKey("", "", account)
		}
		return append(codec.MakeKey(idp, user, ""), codec.SeqKey(0)...)
	}
	for k, v := range w.Tx.Scan(w.Bucket(workBlocked), codec.MakeKey(idp, user), 0) {
		d, err := codec.OpenRecord(k, v)
		if err != nil {
			return fmt.Errorf("blocked marks: %w", err)
		}
		reason := d.String()
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
	for k, v := range w.Tx.Scan(w.Bucket(workReasons), nil, 0) {
		n, err := codec.OpenUint(k, v)
		if err != nil {
			return 0, nil, fmt.Errorf("blocked users: %w", err)
		}
		of, _ := codec.PartOf(k)
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
	for k := range w.Tx.Scan(w.Bucket(workPending), nil, 0) {
		if len(k) != 16 {
			return time.Time{}, fmt.Errorf("pending marks: %w", store.ErrDamaged)
		}
		return time.Unix(0, int64(binary.BigEndian.Uint64(k))).UTC(), nil
	}
	return time.Time{}, nil
}

// tallyEntry replaces an entry in the tallies; nil: it did not or does not exist.
func (l *ledger) tallyEntry(before, after *store.Entry) error {
	held := func(e *store.Entry) bool { return e != nil && e.Hold != "" }
	if (before == nil) != (after == nil) {
		by := 1
		if after == nil {
			by = -1
		}
		if _, err := l.Adjust(ledgerCounts, codec.MakeKey("entries"), by); err != nil {
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
	_, err := l.Adjust(ledgerCounts, codec.MakeKey("held"), by)
	return err
}

// tallyHold adds to the size of a hold on a target.
func (l *ledger) tallyHold(id, target, why string, entries, offboardings int) error {
	key := codec.MakeKey(id, target, why)
	h := store.HoldSize{ID: id, Target: target, Why: why}
	if row := l.Get(ledgerHolds, key); row != nil {
		var err error
		if h, err = decodeHold(key, row); err != nil {
			return err
		}
	}
	h.Entries, h.Offboardings = h.Entries+entries, h.Offboardings+offboardings
	if h.Entries < 0 || h.Offboardings < 0 {
		return fmt.Errorf("size of hold %q: too low: %w", id, store.ErrDamaged)
	}
	b, err := l.Make(ledgerHolds)
	if err != nil {
		return err
	}
	if h.Entries+h.Offboardings == 0 {
		return l.Tx.Del(b, key)
	}
	e := codec.NewRecord(64)
	e.String(h.ID)
	e.String(h.Target)
	e.String(h.Why)
	e.Uint(uint64(h.Entries))
	e.Uint(uint64(h.Offboardings))
	return l.Tx.Put(b, key, e.Seal(key))
}

func decodeHold(key, row []byte) (h store.HoldSize, err error) {
	d, err := codec.OpenRecord(key, row)
	if err != nil {
		return h, fmt.Errorf("size of a hold: %w", err)
	}
	h.ID, h.Target, h.Why = d.String(), d.String(), d.String()
	h.Entries, h.Offboardings = int(d.Uint()), int(d.Uint())
	return h, d.End(key)
}

// Holds implements store.Ledger.
func (l *ledger) Holds() ([]store.HoldSize, error) {
	var out []store.HoldSize
	for k, v := range l.Tx.Scan(l.Bucket(ledgerHolds), nil, 0) {
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
	for k, v := range l.Tx.Scan(l.Bucket(ledgerCounts), nil, 0) {
		n, err := codec.OpenUint(k, v)
		if err != nil {
			return 0, 0, fmt.Errorf("size of the ledger: %w", err)
		}
		of, _ := codec.PartOf(k)
		counts[of] = int(n)
	}
	return counts["entries"], counts["held"], nil
}

// tallyHeld counts a held off-boarding, unless it is approved.
func (rs records) tallyHeld(h record.HeldOffboarding, by int) error {
	if h.Approved {
		return nil
	}
	l := &ledger{rs.tx.Namespace(kv.TopLedgers, h.Backend)}
	return l.tallyHold(h.ID, h.Target, h.Why, 0, by)
}
