package delivery

import (
	"context"
	"fmt"
	"time"
)

// maxSlew is how far the two clocks may drift apart between two rounds before somebody is said to have set one.
const maxSlew = 2 * time.Second

// now is the time by which the worker decides: that of Now, but nobody sets it in the middle of a round. It may be called
// from any goroutine.
func (w *Worker) now() time.Time {
	return time.Unix(0, w.ahead.Load()+int64(w.Steady())).UTC()
}

// jumped treats a clock that was set like a restart: no moment that was noted before says how long ago it is.
func (w *Worker) jumped(ctx context.Context) error {
	ahead := w.Now().UnixNano() - int64(w.Steady())
	by := time.Duration(ahead - w.ahead.Load())
	if by.Abs() < maxSlew {
		return nil
	}
	w.Log.Warn("the clock was set; windows that were open begin anew", "backend", w.Name, "by", by)
	w.ahead.Store(ahead)
	clear(w.pauses)
	clear(w.looks)
	w.planResync(w.now(), w.ResyncEvery)
	if err := w.recover(ctx); err != nil {
		w.ahead.Store(ahead - int64(by)) // once more
		return fmt.Errorf("after the clock was set: %w", err)
	}
	return nil
}
