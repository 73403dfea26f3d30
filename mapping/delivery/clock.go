package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
)

// now is the time by which the worker decides: that of Now, it does not change in the middle of a round. It may be called
// from any goroutine.
func (w *Worker) now() time.Time {
	return time.Unix(0, w.ahead.Load()+int64(w.Steady())).UTC()
}

// jumped treats a clock that was set like a restart: no moment that was noted before says how long ago it is.
func (w *Worker) jumped(ctx context.Context) error {
	ahead := w.Now().UnixNano() - int64(w.Steady())
	by := time.Duration(ahead - w.ahead.Load())
	if by.Abs() < memory.MaxSlew {
		return nil
	}
	w.Log.Warn("the clock was set; windows that were open begin again", "backend", w.Name, "by", by)
	w.ahead.Store(ahead)
	w.Breaker.Resume()
	w.ForgetVisits()
	w.rest = time.Time{}
	w.Again()
	clear(w.Recent.Unread)
	err := w.recover(ctx)
	if err == nil && by < 0 {
		err = w.Store.Update(ctx, func(tx store.Tx) error {
			return w.Wake(tx, w.Clock(), func(m store.Mark) bool { return m.State != store.Held && m.NotBefore.After(w.Clock()) })
		})
	}
	if err != nil {
		w.ahead.Store(ahead - int64(by)) // once more
		return fmt.Errorf("after the clock was set: %w", err)
	}
	return nil
}
