package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// maxLooked bounds how many marks are looked at for the oldest removal, and maxLoaded of how many of them the grants are.
const (
	maxLooked = 10_000
	maxLoaded = 500
)

// OldestRemoval is since when the oldest removal waits that is neither delivered nor held; zero: none does. It may be called from
// any goroutine.
func (w *Desk) OldestRemoval(ctx context.Context) (oldest time.Time, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		looked, loaded := 0, 0
		if pending, blocked, _ := tx.Work(w.Name).Counts(); pending+blocked == 0 {
			oldest = time.Time{}
			return nil
		}
		oldest = time.Time{}
		for m, err := range tx.Work(w.Name).Marks("") {
			if err != nil {
				return err
			}
			if looked++; looked > maxLooked || loaded > maxLoaded {
				return nil
			}
			if m.State == store.Held || !oldest.IsZero() && !m.Since.Before(oldest) {
				continue
			}
			if m.State == store.Blocked && !m.Urgent && reason.Block(m.Reason).Unfound {
				continue // without an account there is nothing to remove
			}
			loaded++
			removes, err := w.removes(tx, m)
			if err != nil {
				return err
			}
			if removes {
				oldest = m.Since
			}
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for the oldest removal: %w", err)
	}
	return oldest, nil
}

// removes says whether a mark is about a user who is to lose something.
func (w *Desk) removes(tx store.Tx, m store.Mark) (bool, error) {
	id := m.Subject.Account
	if m.Subject.User != "" {
		link, err := tx.Accounts(w.Name).Link(m.Subject.IdP, m.Subject.User)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		id = link.Account
	}
	if m.Target == store.AnyTarget || id == "" {
		return m.Urgent, nil
	}
	a := view.NewAccount(id)
	if err := w.Load(tx, m.Target, id, a, nil); err != nil {
		return false, err
	}
	return len(plan.Compare(a.Account).Remove) > 0, nil
}
