package delivery

import (
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// event tells that the backend has, or has no longer, what an entry of an account says, and how that is known.
func (w *recorder) event(e store.Entry, a *view.Account, want, adopted bool, evidence string, now time.Time) store.Event {
	out := store.Event{At: now, Type: "revoke", Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Evidence: evidence, Causes: a.Causes[e.Role]}
	switch {
	case adopted:
		out.Type = "adopt"
	case want:
		out.Type = "grant"
	case e.Approved:
		out.Detail = "an operator approved it"
	case a.Offboarded:
		out.Detail = "deactivated or deleted"
	default:
		out.Detail = "no group gives it"
	}
	if len(a.Users) == 1 {
		out.IdP, out.Subject = a.Users[0].IdP, a.Users[0].User
	}
	if e.Account == store.TargetSettings {
		out.Type += ".permission_set"
	}
	return memory.Initiated(out, a.Origin)
}

// readBack tells of a grant that no answer confirmed and that is there all the same.
func (w *recorder) readBack(tx store.Tx, e store.Entry, marks []store.Mark) error {
	if !e.Wanted {
		return nil
	}
	a := view.NewAccount(e.Account)
	a.Marks = marks
	if err := w.Load(tx, e.Target, e.Account, a, nil); err != nil {
		return err
	}
	var err error
	if a.Origin, err = w.Origin(tx, e.Target, a, nil); err != nil {
		return err
	}
	_, err = tx.Events().Append(w.event(e, a, true, false, "no clean answer; read back", w.Clock()))
	return err
}
