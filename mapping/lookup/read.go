package lookup

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// missing lists users who should have something and have no account by a complete listing with accounts
// in it.
func missing(people []*view.Person, found map[string]backend.Account, whole bool) (out []*view.Person) {
	if !whole || len(found) == 0 {
		return nil
	}
	for _, p := range people {
		if p.Desired && !p.Blocked && !p.Stale && p.Account(found) == "" {
			out = append(out, p)
		}
	}
	return out
}

// Read turns the marks of a target into accounts to look at. A user who should have something and is not yet known
// at the backend is looked up there, in one listing for all; who is not found is parked.
func (w *Finder) Read(ctx context.Context, t flight.Target) (*view.Visit, error) {
	target := t.Name
	v := &view.Visit{Urgent: t.Urgent, Known: map[string]string{}}
	var people []*view.Person
	var sweeps []store.Mark
	var unknown []string
	err := w.Store.View(ctx, func(tx store.Tx) error {
		v.Accounts = map[string]*view.Account{}
		v.Idle, v.Planned, people, sweeps, unknown = nil, nil, nil, nil, nil
		marks, err := w.ReadyMarks(tx, target, t.Urgent)
		if err != nil {
			return err
		}
		v.Marks = make(map[uint64]bool, len(marks))
		for _, m := range marks {
			v.Marks[m.Seq] = true
			switch {
			case m.Target == store.AnyTarget:
				sweeps = append(sweeps, m)
			case m.Subject.Account != "":
				a := v.Account(m.Subject.Account)
				a.Marks = append(a.Marks, m)
			case m.Subject.User == "":
				sweeps = append(sweeps, m)
			default:
				p, err := w.person(tx, target, m)
				if err != nil {
					return err
				}
				if p.Desired && p.Found == "" && p.Key != "" {
					unknown = append(unknown, p.Key)
				}
				people = append(people, p)
			}
		}
		if len(sweeps)+len(unknown) > 0 || slices.ContainsFunc(people, func(p *view.Person) bool { return !p.Bound() }) {
			return nil
		}
		ids := slices.Collect(maps.Keys(v.Accounts))
		for _, p := range people {
			ids = append(ids, p.Account(nil))
		}
		if doubtful, err := w.Doubtful(tx, target, ids); err != nil || len(doubtful) > 0 { // it must be settled first
			return err
		}
		return w.planAtOnce(tx, target, v, people)
	})
	if err != nil || v.Planned != nil {
		return v, err
	}
	for _, m := range sweeps {
		if err := w.sweep(ctx, m); err != nil {
			return nil, err
		}
	}
	found, whole := map[string]backend.Account{}, true
	if len(unknown) > 0 {
		how, visited := w.Patiently, map[store.Subject]bool{}
		if t.Urgent {
			how = AtOnce
		}
		for _, p := range people { // of the others nothing is looked up here
			visited[p.Mark.Subject] = p.Desired
		}
		if found, whole, err = w.List(ctx, target, unknown, how, visited); err != nil {
			return nil, err
		}
		w.Breaker.Succeeded(target)
		findAgain(people, found, whole && len(found) > 0)
	}
	if err := w.bind(ctx, target, v, people, found); err != nil {
		return v, err
	}
	v.Missing = missing(people, found, whole)
	return v, nil
}

// findAgain puts what a listing shows in the place of what the cache said before. Of the users that a complete one does not show it
// notes whether their account is shown under another value.
func findAgain(people []*view.Person, found map[string]backend.Account, whole bool) {
	shown := map[string]bool{}
	for _, a := range found {
		shown[a.ID] = true
	}
	for _, p := range people {
		if !p.Desired {
			continue
		}
		if a, listed := found[p.Key]; listed {
			p.Found = a.ID
		} else if whole {
			p.Found, p.Renamed = "", shown[p.Link.Account]
		}
	}
}

// person reads what the directory, the links and the cache say about the subject of a mark.
func (w *Finder) person(tx store.Tx, target string, m store.Mark) (*view.Person, error) {
	p := &view.Person{Mark: m}
	accounts := tx.Accounts(w.Name)
	var err error
	if p.Link, err = accounts.Link(m.Subject.IdP, m.Subject.User); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	user, groups, err := view.UserAndGroups(tx, m.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.Exists, p.Leaves, p.Key = true, !user.Active, w.Key(user)
	p.Changed = user.Original != nil && w.Key(view.Original(user)) != p.Key
	for _, g := range w.Bound(tx).Desired(m.Subject.IdP, user, groups) {
		if g.Target == (mapping.Target{Backend: w.Name, Target: target}) {
			p.Desired, p.Roles = true, append(p.Roles, g.Role)
		}
	}
	if !p.Desired {
		if p.Link.Key == p.Key || p.Leaves { // who leaves under another name is still who they were
			p.Found = p.Link.Account
		}
		return p, nil
	}
	if m.State == store.Blocked {
		return p, nil // what we knew did not do: ask the backend again
	}
	p.Found, err = w.known(tx, target, p)
	return p, err
}

// StillWanted reports whether a user that was read before wants something on the target now, by the same value.
func (w *Finder) StillWanted(tx store.Tx, target string, p *view.Person) (bool, error) {
	now, err := w.person(tx, target, p.Mark)
	if err != nil {
		return false, err
	}
	return now.Desired && now.Key == p.Key, nil
}

// add adds the mark of a user to those of the account that the user is; "" is none.
func add(v *view.Visit, p *view.Person, id string) {
	if id == "" {
		return
	}
	a := v.Account(id)
	if a.Marks = append(a.Marks, p.Mark); p.Desired {
		v.Known[p.Key] = id
	}
}

// planAtOnce plans a visit in the View that reads its marks: who is which account is known.
func (w *Finder) planAtOnce(tx store.Tx, target string, v *view.Visit, people []*view.Person) error {
	for _, p := range people {
		if id := p.Account(nil); id == "" {
			v.Idle = append(v.Idle, p.Mark)
		} else {
			add(v, p, id)
		}
	}
	p, err := w.Plan(tx, target, v, nil, nil)
	if err != nil {
		return err
	}
	v.Planned = &p
	return nil
}
