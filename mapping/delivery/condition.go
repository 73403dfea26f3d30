package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// Condition is how a backend is doing as the replica that delivers left it in the store: for the other replicas, and for the one that delivers
// next.
type Condition struct {
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	Until    time.Time `json:"until,omitzero"`      // the whole backend is not called before
	ByVendor bool      `json:"by_vendor,omitempty"` // the vendor said so: it holds after a restart, too
}

// ConditionOf reads it; the zero value if no replica has delivered.
func ConditionOf(tx store.Tx, backend string) (c Condition, err error) {
	r, _, err := store.Get(tx, store.Condition{Backend: backend})
	if err != nil {
		return c, fmt.Errorf("reading the condition of a backend: %w", err)
	}
	return Condition{State: r.State, Reason: r.Reason, Until: r.Until, ByVendor: r.ByVendor}, nil
}

// condition is what is to be left in the store now.
func (w *Worker) condition() Condition {
	c := Condition{}
	c.State, c.Reason = w.health.get()
	if p := w.pauses[""]; p.until.After(w.now()) {
		c.Until, c.ByVendor = p.until.UTC(), p.byVendor
	}
	return c
}

// tell leaves the condition in the store if it has changed.
func (w *Worker) tell(ctx context.Context) error {
	c := w.condition()
	if c == w.noted {
		return nil
	}
	if err := w.Store.Update(ctx, func(tx store.Tx) error { return w.putCondition(tx, c) }); err != nil {
		return fmt.Errorf("noting how the backend is doing: %w", err)
	}
	w.noted = c
	return nil
}

func (w *Worker) putCondition(tx store.Tx, c Condition) error {
	if c == w.noted {
		return nil
	}
	return store.Put(tx, store.Condition{Backend: w.Name, State: c.State, Reason: c.Reason, Until: c.Until, ByVendor: c.ByVendor})
}

// longestPause is the longest pause that a vendor can ask for.
const longestPause = 24 * time.Hour

// keepPause keeps to the pause that the vendor asked the replica before for: until then nothing is called.
func (w *Worker) keepPause(ctx context.Context) error {
	var c Condition
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		c, err = ConditionOf(tx, w.Name)
		return err
	})
	if err != nil {
		return err
	}
	w.noted = c
	now := w.now()
	if p := w.pauses[""]; c.ByVendor && c.Until.After(now) && c.Until.After(p.until) && !c.Until.After(now.Add(longestPause)) {
		w.pauses[""] = pause{until: c.Until, fails: max(p.fails, 1), byVendor: true}
		w.health.pause("", c.Until)
		w.health.set(c.State, c.Reason)
	}
	return nil
}

// asked reports whether a command waits for the replica that delivers.
func (w *Worker) asked(tx store.Tx) (bool, error) {
	resync, err := w.isAsked(tx, store.CommandResync)
	if err != nil || resync {
		return resync, err
	}
	return w.isAsked(tx, store.CommandRetry)
}

// takeCommands takes the commands of operators out of the store.
func (w *Worker) takeCommands(ctx context.Context) (resync, retry bool, err error) {
	err = w.Store.Update(ctx, func(tx store.Tx) error {
		var err, other error
		resync, err = w.takeCommand(tx, store.CommandResync)
		retry, other = w.takeCommand(tx, store.CommandRetry)
		return errors.Join(err, other)
	})
	if err != nil {
		return false, false, fmt.Errorf("taking commands: %w", err)
	}
	return resync, retry, nil
}
