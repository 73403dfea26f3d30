package memory

import (
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// SentRemovals lists the removals that a limit counts at a moment.
func SentRemovals(tx store.Tx, name, target string, now time.Time) (out []store.Removal, err error) {
	for r, err := range store.List(tx, store.Removal{Backend: name, Target: target}) {
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
func ByOffboarding(r store.Removal) bool { return r.Kind == store.RemovalByOffboarding }
