package backend

import (
	"errors"
	"sync"
	"time"
)

// A list whose answer was unusable pauses for firstPause. Each further one doubles the pause, up to longestPause.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// Unusable remembers lists whose answers could not be used, for instance because they exceed the limits.
// Reading one is expensive, and every target may want it: during its pause all get the same failure. The
// zero value is ready.
type Unusable struct {
	mu    sync.Mutex
	lists map[string]pausedList
}

type pausedList struct {
	until time.Time
	tries int
	err   Error
}

// Read reads a list, unless it is paused.
func (u *Unusable) Read(name string, now func() time.Time, read func() error) error {
	u.mu.Lock()
	was := u.lists[name]
	u.mu.Unlock()
	if was.tries > 0 && now().Before(was.until) {
		again := was.err // a copy: the caller may add to what it gets
		again.Unsent = true
		return &again
	}
	err := read()
	u.mu.Lock()
	defer u.mu.Unlock()
	var e *Error
	if !errors.As(err, &e) || e.Kind != Transient || e.Status < 200 || e.Status > 299 {
		delete(u.lists, name)
		return err
	}
	pause := firstPause
	for range min(was.tries, 10) {
		pause *= 2
	}
	if u.lists == nil {
		u.lists = map[string]pausedList{}
	}
	u.lists[name] = pausedList{now().Add(min(pause, longestPause)), was.tries + 1, *e}
	return err
}
