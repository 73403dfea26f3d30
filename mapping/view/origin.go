package view

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// AskedSince lists, by subject, the origins of marks that a target has got since a visit read those it had: what it is about to compute
// comes from a directory that their requests have changed as well.
func (w *View) AskedSince(tx store.Tx, target string, v *Visit) (map[store.Subject]store.Origin, error) {
	out := map[store.Subject]store.Origin{}
	if len(v.Accounts) == 0 {
		return out, nil
	}
	for m, err := range tx.Work(w.Name).Ready(target, time.Time{}, v.Urgent) { // a new mark waits for no moment
		if err != nil {
			return nil, fmt.Errorf("reading who asked: %w", err)
		}
		if v.Marks[m.Seq] || m.Origin.At.IsZero() {
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
func (w *View) loadOrigins(tx store.Tx, target string, v *Visit, since map[store.Subject]store.Origin) (err error) {
	for _, a := range v.Accounts {
		if a.Origin, err = w.Origin(tx, target, a, since); err != nil {
			return err
		}
		if err := becauseEnded(w, tx, target, a); err != nil {
			return err
		}
	}
	return nil
}

// Origin is who asked for what is done for an account. If its marks do not say, as after a crash, those of its people do, which wait.
func (w *View) Origin(tx store.Tx, target string, a *Account, since map[store.Subject]store.Origin) (store.Origin, error) {
	by := a.newestOrigin(since)
	if !by.At.IsZero() {
		return by, nil
	}
	for _, s := range a.Subjects() {
		m, err := tx.Work(w.Name).Mark(target, s)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return by, err
		}
		by = by.OrElse(m.Origin)
	}
	return by, nil
}

// newestOrigin is that of the account's marks, and of what concerns it among those of others.
func (a *Account) newestOrigin(others map[store.Subject]store.Origin) store.Origin {
	by := others[store.Subject{}].OrElse(others[store.Subject{Account: a.ID}])
	for _, m := range a.Marks {
		by = by.OrElse(m.Origin)
	}
	for _, s := range a.Subjects() {
		by = by.OrElse(others[s])
	}
	return by
}
