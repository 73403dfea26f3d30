package memory

import (
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// SentRemovals lists the removals that a limit counts at a moment.
func SentRemovals(tx store.Tx, name, target string, now time.Time) (out []record.Removal, err error) {
	for r, err := range record.List(tx, record.Removal{Backend: name, Target: target}) {
		if err != nil {
			return nil, fmt.Errorf("reading what was removed lately: %w", err)
		}
		if !r.Expires.After(now) {
			continue // not swept yet
		}
		out = append(out, r)
	}
	return out, nil
}

// ByOffboarding reports whether a removal was part of an off-boarding.
func ByOffboarding(r record.Removal) bool { return r.Kind == record.RemovalByOffboarding }
