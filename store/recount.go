package store

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store/record"
)

// Tallies is everything that a store counts of a backend without reading it all.
type Tallies struct {
	BlockedUsers          int
	BlockedBy             map[string]int
	OldestPending         time.Time
	Entries, HeldAccounts int
	Holds                 []HoldSize // by id, target and reason
}

// TalliesOf reads what the store has counted of a backend.
func TalliesOf(tx Tx, backend string) (t Tallies, err error) {
	if t.BlockedUsers, t.BlockedBy, err = tx.Work(backend).BlockedUsers(); err != nil {
		return t, err
	}
	if t.OldestPending, err = tx.Work(backend).OldestPending(); err != nil {
		return t, err
	}
	if t.Entries, t.HeldAccounts, err = tx.Ledger(backend).Size(); err != nil {
		return t, err
	}
	t.Holds, err = tx.Ledger(backend).Holds()
	sortHolds(t.Holds)
	return t, err
}

func sortHolds(holds []HoldSize) {
	slices.SortFunc(holds, func(a, b HoldSize) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Why, b.Why))
	})
}

// Recount reads everything of a backend and counts it: it must equal TalliesOf.
func Recount(tx Tx, backend string) (t Tallies, err error) {
	if err := t.recountMarks(tx, backend); err != nil {
		return t, err
	}
	holds := map[HoldSize]*HoldSize{}
	add := func(id, target, why string) *HoldSize {
		k := HoldSize{ID: id, Target: target, Why: why}
		if holds[k] == nil {
			holds[k] = &HoldSize{ID: id, Target: target, Why: why}
		}
		return holds[k]
	}
	held := map[[2]string]bool{}
	for e, err := range tx.Ledger(backend).Entries("", "") {
		if err != nil {
			return t, err
		}
		if t.Entries++; e.Hold != "" {
			held[[2]string{e.Target, e.Account}] = true
			add(e.Hold, e.Target, e.Why).Entries++
		}
	}
	for h, err := range record.List(tx, record.HeldOffboarding{Backend: backend}) {
		if err != nil {
			return t, err
		}
		if !h.Approved {
			add(h.ID, h.Target, h.Why).Offboardings++
		}
	}
	t.HeldAccounts = len(held)
	for _, h := range slices.Collect(maps.Values(holds)) {
		t.Holds = append(t.Holds, *h)
	}
	sortHolds(t.Holds)
	return t, nil
}

func (t *Tallies) recountMarks(tx Tx, backend string) error {
	all, by := map[Subject]bool{}, map[string]map[Subject]bool{}
	for m, err := range tx.Work(backend).Marks("") {
		if err != nil {
			return err
		}
		switch m.State {
		case Pending:
			if t.OldestPending.IsZero() || m.Since.Before(t.OldestPending) {
				t.OldestPending = m.Since
			}
		case Blocked:
			who, err := blockedUser(tx, backend, m)
			if err != nil {
				return err
			}
			if by[m.Reason] == nil {
				by[m.Reason] = map[Subject]bool{}
			}
			all[who], by[m.Reason][who] = true, true
		}
	}
	t.BlockedUsers, t.BlockedBy = len(all), map[string]int{}
	for reason, users := range by {
		t.BlockedBy[reason] = len(users)
	}
	return nil
}

// blockedUser returns the subject that a mark blocks: the account, if it is known.
func blockedUser(tx Tx, backend string, m Mark) (Subject, error) {
	who := m.Subject
	switch {
	case who.Account == TargetSettings:
		who.IdP = m.Target // a mark of the target itself
	case who.User != "":
		l, err := tx.Accounts(backend).Link(who.IdP, who.User)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return who, err
		}
		if l.Account != "" {
			who = Subject{Account: l.Account}
		}
	}
	return who, nil
}
