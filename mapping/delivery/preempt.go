package delivery

import (
	"context"
	"errors"
)

// errUrgent ends a listing, which may take minutes, because of an off-boarding.
var errUrgent = errors.New("an off-boarding waits: the listing is postponed")

// maxPutOff is how often in a row listings of a target are postponed before one is read to its end.
const maxPutOff = 3

// patiently runs a read that may take long. If an off-boarding waits for it, or comes to wait
// meanwhile, it ends with errUrgent; nothing is lost by that, since it is begun again.
func (w *Worker) patiently(ctx context.Context, read func(context.Context) error) error {
	f := flightOf(ctx)
	if f == nil || f.urgent {
		return read(ctx)
	}
	if w.putOff[f.name] >= maxPutOff {
		delete(w.putOff, f.name)
		return read(ctx)
	}
	if w.waitsFor(ctx, f) {
		w.putOff[f.name]++
		return errUrgent
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.preempt = cancel
	err := read(limited)
	f.preempt = nil
	if errors.Is(context.Cause(limited), errUrgent) {
		w.putOff[f.name]++
		return errUrgent
	}
	delete(w.putOff, f.name)
	return err
}

// waitsFor reports whether an off-boarding waits for a flight to end.
func (w *Worker) waitsFor(ctx context.Context, f *flight) bool {
	due, err := w.gather(ctx)
	if err != nil {
		return false
	}
	for _, t := range due {
		if w.blocks(f, t) {
			return true
		}
	}
	return false
}

// blocks reports whether a flight is in the way of an off-boarding: it is on the same target, or reads
// what all targets share.
func (w *Worker) blocks(f *flight, t dueTarget) bool {
	if !t.urgent {
		return false
	}
	if t.name == f.name {
		return true
	}
	return w.flights[t.name] == nil && (w.Targets == 1 || w.Backend.Traits().OneListing)
}

// preemptFor ends the reads that are in the way of off-boardings, and lets calls that are pass others.
func (w *Worker) preemptFor(due []dueTarget) {
	for _, t := range due {
		for _, f := range w.flights {
			if f.urgent || !w.blocks(f, t) {
				continue
			}
			if f.preempt != nil {
				f.preempt(errUrgent)
			}
			if f.name == t.name {
				f.place.Set((&flight{dueTarget: t}).urgency())
			}
		}
	}
}

// urgentDue reports whether an off-boarding waits.
func (w *Worker) urgentDue(ctx context.Context) bool {
	due, err := w.gather(ctx)
	return err == nil && len(due) > 0 && due[0].urgent && w.flights[due[0].name] == nil
}
