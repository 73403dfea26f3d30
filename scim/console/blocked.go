package console

import (
	"slices"

	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// heldSize is how much is held at a backend.
type heldSize struct {
	changes int                 // accounts on targets, off-boardings, and members of groups that wait for a name
	over    map[string][]string // by limit: the targets on which it holds something
}

// readHeld reads how much is held from the tallies of the store: the cost does not depend on how much that is.
func readHeld(tx store.Tx, backend string) (heldSize, error) {
	out := heldSize{over: map[string][]string{}}
	_, accounts, err := tx.Ledger(backend).Size()
	if err != nil {
		return out, err
	}
	holds, err := tx.Ledger(backend).Holds()
	if err != nil {
		return out, err
	}
	out.changes = accounts
	for _, h := range holds {
		out.changes += h.Offboardings
		if slices.Contains(reason.Limits(), h.Why) && !slices.Contains(out.over[h.Why], h.Target) {
			out.over[h.Why] = append(out.over[h.Why], h.Target)
		}
	}
	members, err := pin.HeldMembers(tx, backend)
	out.changes += members
	return out, err
}
