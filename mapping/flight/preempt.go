package flight

import (
	"context"
	"errors"
)

// ErrUrgent ends a listing, which may take minutes, because of an off-boarding.
var ErrUrgent = errors.New("an off-boarding waits: the listing is postponed")

// maxPutOff is how often in a row listings of a target are postponed before one is read to its end.
const maxPutOff = 3

// Patiently runs a read that may take long. If an off-boarding waits for it, or comes to wait
// meanwhile, it ends with errUrgent; nothing is lost by that, since it is begun again.
func (w *Flights) Patiently(ctx context.Context, read func(context.Context) error) error {
	f := flightOf(ctx)
	if f == nil || f.Urgent {
		return read(ctx)
	}
	if w.putOff[f.Name] >= maxPutOff {
		delete(w.putOff, f.Name)
		return read(ctx)
	}
	if w.WaitsFor(ctx, f) {
		w.putOff[f.Name]++
		return ErrUrgent
	}
	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.preempt = cancel
	err := read(limited)
	f.preempt = nil
	if errors.Is(context.Cause(limited), ErrUrgent) {
		w.putOff[f.Name]++
		return ErrUrgent
	}
	delete(w.putOff, f.Name)
	return err
}

// WaitsFor reports whether an off-boarding waits for a flight to end.
func (w *Flights) WaitsFor(ctx context.Context, f *Flight) bool {
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
func (w *Flights) blocks(f *Flight, t Target) bool {
	if !t.Urgent {
		return false
	}
	if t.Name == f.Name {
		return true
	}
	return w.flights[t.Name] == nil && (w.targets == 1 || w.Traits().OneListing)
}

// PreemptFor ends the reads that are in the way of off-boardings, and lets calls that are pass others.
func (w *Flights) PreemptFor(due []Target) {
	for _, t := range due {
		for _, f := range w.flights {
			if f.Urgent || !w.blocks(f, t) {
				continue
			}
			if f.preempt != nil {
				f.preempt(ErrUrgent)
			}
			if f.Name == t.Name {
				f.place.Set((&Flight{Target: t}).urgency())
			}
		}
	}
}

// UrgentDue reports whether an off-boarding waits.
func (w *Flights) UrgentDue(ctx context.Context) bool {
	due, err := w.gather(ctx)
	return err == nil && len(due) > 0 && due[0].Urgent && w.flights[due[0].Name] == nil
}
