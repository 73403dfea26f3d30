package memory

import (
	"errors"
	"time"

	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// HoldEvent returns the event of a hold that begins, or of a decision about it.
func (w *Memory) HoldEvent(kind string, e store.Entry, now time.Time) store.Event {
	return store.Event{At: now, Type: kind, Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Detail: e.Hold + " " + e.Why}
}

// Decided adds to the event of a decision whose it is.
func Decided(e store.Event, by store.Origin) store.Event {
	e.Actor, e.Token, e.Request = by.Initiator, by.Token, by.Request
	return e
}

// What the bridge notices by itself is an initiator as well: that something is not as it should be, or that other rules are in force.
// A retry is none: the mark keeps its origin.
const (
	resynced = "bridge: resync"
	ByRules  = "bridge: rules"
)

// ByResync is the origin of what the bridge notices by itself.
func (w *Memory) ByResync() store.Origin { return store.Origin{Initiator: resynced, At: w.Clock()} }

// Initiated adds to an event who asked for what led to it.
func Initiated(e store.Event, by store.Origin) store.Event {
	e.Initiator, e.Token, e.Request = by.Initiator, by.Token, by.Request
	return e
}

// Noticed reports a grant of ours that was taken away, or one that was not given through the bridge and that it takes over to
// remove it.
func (w *Memory) Noticed(tx store.Tx, kind, evidence string, e store.Entry, by store.Origin) error {
	_, err := tx.Events().Append(Initiated(store.Event{At: w.Clock(), Type: kind, Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Evidence: evidence}, by))
	return err
}

// TakeOver makes a grant that was found the bridge's, to be removed under the brakes.
func (w *Memory) TakeOver(tx store.Tx, g Grant, key string, by store.Origin) error {
	now := w.Clock()
	e := plan.Taken(g.Target, g.Account, g.Role, key, now)
	if err := errors.Join(tx.Ledger(w.Name).PutEntry(e), w.Noticed(tx, "takeover", "read", e, by)); err != nil {
		return err
	}
	return tx.Work(w.Name).Touch(g.Target, now, by, store.Subject{Account: g.Account})
}
