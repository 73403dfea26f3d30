package memory

import (
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Condition is how a backend is doing as the replica that delivers left it in the store: for the other replicas, and for the one that delivers
// next.
type Condition struct {
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	Until    time.Time `json:"until,omitzero"`      // the whole backend is not called before
	ByVendor bool      `json:"by_vendor,omitempty"` // the vendor said so: it holds after a restart, too
}

// ConditionOf reads it; the zero value if no replica has delivered.
func ConditionOf(tx store.Tx, backend string) (c Condition, err error) {
	r, _, err := store.Get(tx, store.Condition{Backend: backend})
	if err != nil {
		return c, fmt.Errorf("reading the condition of a backend: %w", err)
	}
	return Condition{State: r.State, Reason: r.Reason, Until: r.Until, ByVendor: r.ByVendor}, nil
}
