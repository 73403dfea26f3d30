package delivery

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// pause keeps a target, or the whole backend, from being called after a failure.
type pause struct {
	until    time.Time
	fails    int
	byVendor bool // the vendor asked for it, of any replica
}

func isBackend(err error) bool {
	var e *backend.Error
	return errors.As(err, &e)
}

// failed takes note of a failure of the backend and reports whether it was one: an error of the store or of
// the context is not, and ends the round.
func (w *Worker) failed(target string, err error) bool {
	var e *backend.Error
	if !errors.As(err, &e) {
		return false
	}
	where := target
	if e.Kind == backend.Throttled || e.Kind == backend.Unauthorized && e.Status != http.StatusForbidden {
		where = "" // the credential's or the tenant's, not the target's
	}
	p := w.pauses[where]
	p.fails++
	p.byVendor = e.Kind == backend.Throttled
	p.until = w.now().Add(w.backoff(p.fails))
	if e.Until.After(p.until) {
		p.until = e.Until
	}
	w.pauses[where] = p
	w.health.pause(where, p.until)
	if where == "" {
		w.health.set(e.Kind.String(), e.Error())
	} else {
		w.health.at(where, e.Kind.String(), e.Error())
	}
	w.Log.Warn("backend call failed, will be tried again", "backend", w.Name, "target", target,
		"kind", e.Kind.String(), "status", e.Status, "code", e.Code, "doing", e.Doing, "again_at", p.until, "fails", p.fails)
	return true
}

// succeeded ends the pauses that a clean answer disproves.
func (w *Worker) succeeded(target string) {
	delete(w.pauses, target)
	delete(w.pauses, "")
	delete(w.forbidden, target)
	w.health.set("ok", "")
	w.health.at(target, "ok", "")
	w.health.pause("", time.Time{})
}

// pausedUntil returns when the target may be called again; zero: now.
func (w *Worker) pausedUntil(target string) time.Time {
	t := w.pauses[target].until
	if b := w.pauses[""].until; b.After(t) {
		t = b
	}
	if t.After(w.now()) {
		return t
	}
	return time.Time{}
}

// longestRetry is how far apart removals are tried at most (design, invariant 4); what else waits with them is not worth a
// clock of its own.
const longestRetry = 5 * time.Minute

// backoff doubles from RetryInitial to RetryMax, less up to a fifth at random so that replicas and targets do
// not march in step.
func (w *Worker) backoff(fails int) time.Duration {
	d := w.RetryInitial
	for i := 1; i < fails && d < w.RetryMax; i++ {
		d *= 2
	}
	d = min(d, w.RetryMax, longestRetry)
	return d - time.Duration(w.Jitter()*float64(d)/5)
}

// condition is a state in one word, and why if it is not "ok".
type condition struct{ state, reason string }

// health is what operators are shown: the backend's condition, and those of its targets that are not as they should be.
type health struct {
	mu      sync.Mutex
	whole   condition
	targets map[string]condition
	until   time.Time // the whole backend is paused
}

func (h *health) pause(where string, until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if where == "" {
		h.until = until
	}
}

// PausedUntil is until when the whole backend is not called; zero: it is. It may be called from any goroutine.
func (w *Worker) PausedUntil() time.Time {
	w.health.mu.Lock()
	defer w.health.mu.Unlock()
	if w.health.until.After(w.now()) {
		return w.health.until.UTC()
	}
	return time.Time{}
}

func (h *health) set(state, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.whole = condition{state, reason}
}

// at notes the condition of a target.
func (h *health) at(target, state, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if state == "ok" {
		delete(h.targets, target)
		return
	}
	if h.targets == nil {
		h.targets = map[string]condition{}
	}
	h.targets[target] = condition{state, reason}
}

// only forgets what was said of other targets.
func (h *health) only(targets []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.targets, func(t string, _ condition) bool { return !slices.Contains(targets, t) })
}

// tells says whether there is something to say of a target.
func (h *health) tells(target string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, there := h.targets[target]
	return there
}

// get tells the backend's condition; if only some of its targets are not as they should be, theirs.
func (h *health) get() (state, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.whole.state != "ok" || len(h.targets) == 0 {
		return h.whole.state, h.whole.reason
	}
	var reasons []string
	for _, t := range slices.Sorted(maps.Keys(h.targets)) {
		c := h.targets[t]
		if state == "" {
			state = c.state
		}
		if reasons = append(reasons, "target "+t+": "+c.reason); len(reasons) == maxReasons {
			break
		}
	}
	if more := len(h.targets) - len(reasons); more > 0 {
		reasons = append(reasons, strconv.Itoa(more)+" more")
	}
	return state, strings.Join(reasons, "; ")
}

// maxReasons bounds how many targets are named.
const maxReasons = 5
