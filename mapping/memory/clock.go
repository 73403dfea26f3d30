package memory

import "time"

// MaxSlew is how far the two clocks may drift apart between two rounds before one of them counts as set.
const MaxSlew = 2 * time.Second

// Within says whether a moment that was noted is less than a while ago. One that is yet to come is of a clock that was set since:
// the window that began with that covers what was under way then.
func Within(now, at time.Time, while time.Duration) bool {
	ago := now.Sub(at)
	return ago < while && ago > -MaxSlew
}

// Later is the later of two moments.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Earlier is the earlier of two moments; zero is never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
