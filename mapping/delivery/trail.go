package delivery

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// maxCauses is how many groups an event names: no reader needs more to see why.
const maxCauses = 20

// because remembers which groups give a role, for the audit trail.
func (a *account) because(idp string, g mapping.Grant) {
	if a.causes == nil {
		a.causes = map[string][]string{}
	}
	for _, r := range g.From {
		if len(a.causes[g.Role]) == maxCauses {
			return
		}
		cause := idp + "/" + r.Group.DisplayName
		if r.Rule.Line > 0 {
			cause += fmt.Sprintf(" (rule in line %d)", r.Rule.Line)
		}
		a.causes[g.Role] = append(a.causes[g.Role], cause)
	}
}

// event tells that the backend has, or has no longer, what an entry of an account says, and how that is known.
func (w *Worker) event(e store.Entry, a *account, want, adopted bool, evidence string, now time.Time) store.Event {
	out := store.Event{At: now, Type: "revoke", Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Evidence: evidence}
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
	if want {
		out.Causes = a.causes[e.Role]
	}
	if len(a.Users) == 1 {
		out.IdP, out.Subject = a.Users[0].IdP, a.Users[0].User
	}
	if e.Account == store.TargetSettings {
		out.Type += ".permission_set"
	}
	return initiated(out, a.origin)
}

// What the bridge notices by itself is an initiator as well: that something is not as it should be, or that other rules are in force.
// A retry is none: the mark keeps its origin.
const (
	resynced = "bridge: resync"
	byRules  = "bridge: rules"
)

func (w *Worker) byResync() store.Origin { return store.Origin{Initiator: resynced, At: w.now()} }

// initiated adds to an event who asked for what led to it.
func initiated(e store.Event, by store.Origin) store.Event {
	e.Initiator, e.Token, e.Request = by.Initiator, by.Token, by.Request
	return e
}

// askedSince lists, by subject, the origins of marks that a target has got since a visit read those it had: what it is about to compute
// comes from a directory that their requests have changed as well.
func (w *Worker) askedSince(tx store.Tx, target string, v *visitWork) (map[store.Subject]store.Origin, error) {
	out := map[store.Subject]store.Origin{}
	if len(v.accounts) == 0 {
		return out, nil
	}
	for m, err := range tx.Work(w.Name).Ready(target, time.Time{}, v.urgent) { // a new mark waits for no moment
		if err != nil {
			return nil, fmt.Errorf("reading who asked: %w", err)
		}
		if v.marks[m.Seq] || m.Origin.At.IsZero() {
			continue
		}
		if m.Subject.Event == 0 {
			out[m.Subject] = m.Origin.OrElse(out[m.Subject])
			continue
		}
		e, err := tx.Events().Event(m.Subject.Event)
		if err != nil {
			return nil, fmt.Errorf("reading which users an event names: %w", err)
		}
		for _, id := range slices.Concat(e.Added, e.Removed) {
			s := store.Subject{IdP: m.Subject.IdP, User: id}
			out[s] = m.Origin.OrElse(out[s])
		}
	}
	return out, nil
}

// loadOrigins notes who asked for what is done for the accounts of a visit.
func (w *Worker) loadOrigins(tx store.Tx, target string, v *visitWork, since map[store.Subject]store.Origin) (err error) {
	for _, a := range v.accounts {
		if a.origin, err = w.origin(tx, target, a, since); err != nil {
			return err
		}
	}
	return nil
}

// origin is who asked for what is done for an account. If its marks do not say, as after a crash, those of its people do, which wait.
func (w *Worker) origin(tx store.Tx, target string, a *account, since map[store.Subject]store.Origin) (store.Origin, error) {
	by := a.newestOrigin(since)
	if !by.At.IsZero() {
		return by, nil
	}
	for _, s := range a.subjects() {
		m, err := tx.Work(w.Name).Mark(target, s)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return by, err
		}
		by = by.OrElse(m.Origin)
	}
	return by, nil
}

// newestOrigin is that of the account's marks, and of what concerns it among those of others.
func (a *account) newestOrigin(others map[store.Subject]store.Origin) store.Origin {
	by := others[store.Subject{}].OrElse(others[store.Subject{Account: a.ID}])
	for _, m := range a.marks {
		by = by.OrElse(m.Origin)
	}
	for _, s := range a.subjects() {
		by = by.OrElse(others[s])
	}
	return by
}

// readBack tells of a grant that no answer confirmed and that is there all the same.
func (w *Worker) readBack(tx store.Tx, e store.Entry, marks []store.Mark) error {
	if !e.Wanted {
		return nil
	}
	a := newAccount(e.Account)
	a.marks = marks
	if err := w.load(tx, e.Target, e.Account, a, nil); err != nil {
		return err
	}
	var err error
	if a.origin, err = w.origin(tx, e.Target, a, nil); err != nil {
		return err
	}
	_, err = tx.Events().Append(w.event(e, a, true, false, "no clean answer; read back", w.now()))
	return err
}

// noticed reports a grant of ours that was taken away, or one that was not given through the bridge and that it takes over to
// remove it.
func (w *Worker) noticed(tx store.Tx, kind, evidence string, e store.Entry, by store.Origin) error {
	_, err := tx.Events().Append(initiated(store.Event{At: w.now(), Type: kind, Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Evidence: evidence}, by))
	return err
}
