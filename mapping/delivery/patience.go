package delivery

import (
	"context"
	"errors"
)

// errUrgent ends a listing, which may take minutes, because somebody leaves.
var errUrgent = errors.New("somebody leaves: the listing is put off")

// maxPutOff is how often in a row listings are put off before one is read to its end all the same.
const maxPutOff = 3

// patiently runs a read that may take long. If somebody who leaves waits, or comes to wait meanwhile, it ends with errUrgent;
// nothing is lost by that, since it is begun again.
func (w *Worker) patiently(ctx context.Context, read func(context.Context) error) error {
	if w.putOff >= maxPutOff {
		w.putOff = 0
		return read(ctx)
	}
	if w.somebodyLeaves(ctx) {
		w.putOff++
		return errUrgent
	}
	limited, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.watch(limited, cancel)
	}()
	err := read(limited)
	cancel(nil)
	<-watched
	if errors.Is(context.Cause(limited), errUrgent) {
		w.putOff++
		return errUrgent
	}
	w.putOff = 0
	return err
}

// watch cancels when somebody leaves. The nudges that it takes are given back: there may be other work behind them.
func (w *Worker) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	taken := false
	defer func() {
		if taken {
			w.Nudge()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.nudge:
			taken = true
			if w.somebodyLeaves(ctx) {
				cancel(errUrgent)
				return
			}
		}
	}
}

// somebodyLeaves says whether there is a target to visit now for somebody who leaves.
func (w *Worker) somebodyLeaves(ctx context.Context) bool {
	due, _, err := w.gather(ctx)
	return err == nil && len(due) > 0 && due[0].urgent
}
