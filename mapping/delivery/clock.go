package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// maxSlew is how far the two clocks may drift apart between two rounds before one of them counts as set.
const maxSlew = 2 * time.Second

// now is the time by which the worker decides: that of Now, it does not change in the middle of a round. It may be called
// from any goroutine.
func (w *Worker) now() time.Time {
	return time.Unix(0, w.ahead.Load()+int64(w.Steady())).UTC()
}

// within says whether a moment that was noted is less than a while ago. One that is yet to come is of a clock that was set since:
// the window that began with that covers what was under way then.
func within(now, at time.Time, while time.Duration) bool {
	ago := now.Sub(at)
	return ago < while && ago > -maxSlew
}

// jumped treats a clock that was set like a restart: no moment that was noted before says how long ago it is.
func (w *Worker) jumped(ctx context.Context) error {
	ahead := w.Now().UnixNano() - int64(w.Steady())
	by := time.Duration(ahead - w.ahead.Load())
	if by.Abs() < maxSlew {
		return nil
	}
	w.Log.Warn("the clock was set; windows that were open begin again", "backend", w.Name, "by", by)
	w.ahead.Store(ahead)
	clear(w.pauses)
	clear(w.visits)
	w.rest = time.Time{}
	for target := range w.looks { // what is to be compared still is
		w.looks[target] = w.now().Add(secondLook)
	}
	w.planResync(w.now(), w.ResyncEvery)
	clear(w.unread)
	err := w.recover(ctx)
	if err == nil && by < 0 {
		err = w.Store.Update(ctx, func(tx store.Tx) error {
			return w.wake(tx, w.now(), func(m store.Mark) bool { return m.State != store.Held && m.NotBefore.After(w.now()) })
		})
	}
	if err != nil {
		w.ahead.Store(ahead - int64(by)) // once more
		return fmt.Errorf("after the clock was set: %w", err)
	}
	return nil
}
