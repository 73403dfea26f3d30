package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// HoldSize is a hold and how many changes it holds: roles, off-boardings, or members of a group.
type HoldSize struct {
	ID      string // without the digest of `hold list`
	Why     string
	Changes int
}

// HoldSizes lists what Holds lists, by id, without reading what is in the holds. It may be called
// from any goroutine.
func (w *Desk) HoldSizes(ctx context.Context) (out []HoldSize, err error) {
	err = w.Store.View(ctx, func(tx store.Tx) error {
		out, err = holdSizes(w, tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting holds: %w", err)
	}
	return out, nil
}

func holdSizes(w *Desk, tx store.Tx) (out []HoldSize, err error) {
	add := func(id, why string, changes int) {
		if i := slices.IndexFunc(out, func(h HoldSize) bool { return h.ID == id }); i >= 0 {
			out[i].Changes += changes
			return
		}
		out = append(out, HoldSize{id, why, changes})
	}
	sizes, err := tx.Ledger(w.Name).Holds()
	if err != nil {
		return nil, err
	}
	for _, h := range sizes {
		add(h.ID, h.Why, h.Entries+h.Offboardings)
	}
	groups, err := pin.Waits(tx, w.Name)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		add(g.Held.ID, reason.Pin, max(g.Members, 1))
	}
	vanished, err := w.vanishedHolds(tx)
	for _, h := range vanished {
		add(h.ID, h.Why, len(h.Grants))
	}
	slices.SortFunc(out, func(a, b HoldSize) int { return strings.Compare(a.ID, b.ID) })
	return out, err
}

// CountHolds counts what Holds lists. It may be called from any goroutine.
func (w *Desk) CountHolds(ctx context.Context) (int, error) {
	all, err := w.HoldSizes(ctx)
	return len(all), err
}
