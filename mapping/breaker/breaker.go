package breaker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// LongestRetry is how far apart removals are tried at most (design, invariant 4); what else waits with them is not
// worth a clock of its own.
const LongestRetry = 5 * time.Minute

// LongestBlock is how far apart additions are tried at most that cannot be made.
const LongestBlock = 6 * time.Hour

const (
	longestPause = 24 * time.Hour // that a vendor can ask for
	maxReasons   = 5              // targets that State names
)

// Breaker is the breaker of one backend. Its fields are set before it is used. State and Until may be called from any
// goroutine, everything else from one at a time.
type Breaker struct {
	Name    string
	Clock   func() time.Time
	Initial time.Duration  // the first pause
	Max     time.Duration  // the longest
	Jitter  func() float64 // in [0,1)
	Log     *slog.Logger

	mu     sync.Mutex
	states map[string]state // by target; "" is the whole backend
	noted  memory.Condition // what the store knows
}

// state is how a target, or the whole backend, is doing; the zero value is well.
type state struct {
	until    time.Time // it is not called before
	fails    int       // failures in a row
	byVendor bool      // the vendor asked for the pause, of any replica
	refusals int       // changes in a row that the credential may not make
	word     string    // "": nothing to say
	reason   string
}

// change changes the state of a target.
func (b *Breaker) change(target string, do func(*state)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.states == nil {
		b.states = map[string]state{}
	}
	s := b.states[target]
	if do(&s); s == (state{}) {
		delete(b.states, target)
	} else {
		b.states[target] = s
	}
}

func (b *Breaker) of(target string) state {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.states[target]
}

// Failed takes note of a failure of the backend and reports whether it was one: an error of the store or of a context
// is none.
func (b *Breaker) Failed(target string, err error) bool {
	var e *backend.Error
	if !errors.As(err, &e) {
		return false
	}
	where := target
	if OfBackend(e) {
		where = ""
	}
	var now state
	b.change(where, func(s *state) {
		s.fails++
		s.byVendor = e.Kind == backend.Throttled
		s.until = b.Clock().Add(b.Backoff(s.fails))
		if e.Until.After(s.until) {
			s.until = e.Until
		}
		s.word, s.reason = e.Kind.String(), e.Error()
		now = *s
	})
	b.Log.Warn("backend call failed, will be tried again", "backend", b.Name, "target", target,
		"kind", e.Kind.String(), "status", e.Status, "code", e.Code, "doing", e.Doing, "again_at", now.until, "fails", now.fails)
	return true
}

// OfBackend reports whether a failure concerns the credential or the tenant, not one target.
func OfBackend(e *backend.Error) bool {
	return e.Kind == backend.Throttled || e.Kind == backend.Unauthorized && e.Status != http.StatusForbidden
}

// Succeeded ends what a clean answer about a target disproves.
func (b *Breaker) Succeeded(target string) {
	b.change(target, func(s *state) { *s = state{} })
	b.change("", func(s *state) { *s = state{word: "ok"} })
}

// Refused counts a change that the credential may not make, and returns how many there were in a row on the target.
func (b *Breaker) Refused(target string) (n int) {
	b.change(target, func(s *state) { s.refusals++; n = s.refusals })
	return n
}

// Pause keeps a target from being called for as long as after a first failure.
func (b *Breaker) Pause(target string) {
	b.change(target, func(s *state) { s.until, s.fails, s.byVendor = b.Clock().Add(b.Initial), 0, false })
}

// Resume ends all pauses.
func (b *Breaker) Resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for target, s := range b.states {
		s.until, s.fails, s.byVendor = time.Time{}, 0, false
		b.states[target] = s
	}
}

// PausedUntil returns when a target may be called again; zero: now.
func (b *Breaker) PausedUntil(target string) time.Time {
	t := memory.Later(b.of(target).until, b.of("").until)
	if t.After(b.Clock()) {
		return t
	}
	return time.Time{}
}

// Failing reports whether the last call to a target failed.
func (b *Breaker) Failing(target string) bool { return b.of(target).fails > 0 }

// Until is until when the whole backend is not called; zero: it is.
func (b *Breaker) Until() time.Time {
	if until := b.of("").until; until.After(b.Clock()) {
		return until.UTC()
	}
	return time.Time{}
}

// Backoff doubles from Initial to Max, less up to a fifth at random so that replicas and targets do not march in step.
func (b *Breaker) Backoff(fails int) time.Duration {
	d := b.Initial
	for i := 1; i < fails && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max, LongestRetry)
	return d - time.Duration(b.Jitter()*float64(d)/5)
}

// Park parks a mark that cannot go on by itself; a Touch ends that at once, else it is tried again on a clock that slows
// down from Max to the longest.
func (b *Breaker) Park(tx store.Tx, m store.Mark, reason string, longest time.Duration) error {
	m.State, m.Reason, m.Tries = store.Blocked, reason, m.Tries+1
	m.NotBefore = b.Clock().Add(min(b.Slow(m.Tries), longest))
	_, err := tx.Work(b.Name).Park(m)
	return err
}

// Slow is how long what is blocked waits at a try: it doubles from Max to LongestBlock.
func (b *Breaker) Slow(tries int) time.Duration {
	wait := b.Max
	for i := 1; i < tries && wait < LongestBlock; i++ {
		wait *= 2
	}
	return wait
}

// Say notes how a target is doing, or with "" the whole backend.
func (b *Breaker) Say(target, word, reason string) {
	if target != "" && word == "ok" {
		word = ""
	}
	b.change(target, func(s *state) { s.word, s.reason = word, reason })
}

// Only forgets what was said of targets other than these.
func (b *Breaker) Only(targets []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for target, s := range b.states {
		if target != "" && !slices.Contains(targets, target) {
			s.word, s.reason = "", ""
			b.states[target] = s
		}
	}
}

// Tells reports whether there is something to say of a target.
func (b *Breaker) Tells(target string) bool { return b.of(target).word != "" }

// State returns the backend's state in one word, and why if it is not "ok"; if only some of its targets are not as they
// should be, theirs.
func (b *Breaker) State() (word, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if whole := b.states[""]; whole.word != "ok" {
		return whole.word, whole.reason
	}
	var reasons []string
	more := 0
	for _, t := range slices.Sorted(maps.Keys(b.states)) {
		s := b.states[t]
		switch {
		case t == "" || s.word == "":
			continue
		case len(reasons) == maxReasons:
			more++
			continue
		case word == "":
			word = s.word
		}
		reasons = append(reasons, "target "+t+": "+s.reason)
	}
	if word == "" {
		return "ok", ""
	}
	if more > 0 {
		reasons = append(reasons, strconv.Itoa(more)+" more")
	}
	return word, strings.Join(reasons, "; ")
}

// Condition is what is to be left in the store now.
func (b *Breaker) Condition() memory.Condition {
	c := memory.Condition{Until: b.Until()}
	c.State, c.Reason = b.State()
	c.ByVendor = !c.Until.IsZero() && b.of("").byVendor
	return c
}

// Put leaves a condition in the store if it is another than the store knows. Noted is called after the commit.
func (b *Breaker) Put(tx store.Tx, c memory.Condition) error {
	if c == b.noted {
		return nil
	}
	return store.Put(tx, store.Condition{Backend: b.Name, State: c.State, Reason: c.Reason, Until: c.Until, ByVendor: c.ByVendor})
}

// Noted says that the store knows a condition.
func (b *Breaker) Noted(c memory.Condition) { b.noted = c }

// Tell leaves the condition in the store if it has changed.
func (b *Breaker) Tell(ctx context.Context, s store.Store) error {
	c := b.Condition()
	if c == b.noted {
		return nil
	}
	if err := s.Update(ctx, func(tx store.Tx) error { return b.Put(tx, c) }); err != nil {
		return fmt.Errorf("noting how the backend is doing: %w", err)
	}
	b.noted = c
	return nil
}

// Keep keeps to the pause that the vendor asked the replica before for: until then nothing is called.
func (b *Breaker) Keep(ctx context.Context, s store.Store) error {
	var c memory.Condition
	err := s.View(ctx, func(tx store.Tx) (err error) {
		c, err = memory.ConditionOf(tx, b.Name)
		return err
	})
	if err != nil {
		return err
	}
	b.noted = c
	now := b.Clock()
	if c.ByVendor && c.Until.After(now) && c.Until.After(b.of("").until) && !c.Until.After(now.Add(longestPause)) {
		b.change("", func(s *state) {
			*s = state{until: c.Until, fails: max(s.fails, 1), byVendor: true, word: c.State, reason: c.Reason}
		})
	}
	return nil
}
