package memory

import (
	"maps"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
)

// Spot is an account on a target.
type Spot struct{ Target, Account string }

// Grant is a role of an account on a target.
type Grant struct{ Target, Account, Role string }

// Recent is what was called within the straggler window: what a read shows of it may be old.
type Recent struct {
	Lag     time.Time           // until then no read is trusted: calls of a former process, or before the clock was set
	Touched map[Spot]time.Time  // that a call changed
	Taken   map[Grant]time.Time // that was taken over from users who leave
	Revoked map[Grant]time.Time // a moment ago
	Unread  map[Grant]time.Time // removals that were refused, and until when no read can say whether they are done
}

// NewRecent returns a Recent that knows of no call.
func NewRecent() *Recent {
	return &Recent{Touched: map[Spot]time.Time{}, Taken: map[Grant]time.Time{}, Revoked: map[Grant]time.Time{},
		Unread: map[Grant]time.Time{}}
}

// Forget drops what is longer ago than a window.
func (r *Recent) Forget(now time.Time, window time.Duration) {
	over := func(at time.Time) bool { return !Within(now, at, window) }
	maps.DeleteFunc(r.Touched, func(_ Spot, at time.Time) bool { return over(at) })
	maps.DeleteFunc(r.Taken, func(_ Grant, at time.Time) bool { return over(at) })
	maps.DeleteFunc(r.Revoked, func(_ Grant, at time.Time) bool { return over(at) })
	maps.DeleteFunc(r.Unread, func(_ Grant, until time.Time) bool { return !until.After(now) })
}

// RevokedOn lists what was revoked on a target.
func (r *Recent) RevokedOn(target string) map[plan.Grant]bool {
	out := map[plan.Grant]bool{}
	for g := range r.Revoked {
		if g.Target == target {
			out[plan.Grant{Account: g.Account, Role: g.Role}] = true
		}
	}
	return out
}
