package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// target is one target of a report, with what is read of it before its ledger.
type target struct {
	*report
	backend    int
	name       string
	byUser     map[int32]mark
	byAccount  map[string]mark
	everyone   mark // of the target itself
	disowned   map[[2]string]bool
	outside    map[[2]string]record.ForeignGrant // account, role
	comparison record.Comparison
	serial     uint32 // see report.visited
}

// open reads marks, foreign grants and the last comparison of a target.
func (r *report) open(ctx context.Context, b int, name string) (*target, error) {
	r.serial++
	t := &target{report: r, backend: b, name: name, serial: r.serial}
	backend := r.src.Backends[b].Name
	err := r.src.Store.View(ctx, func(tx store.Tx) (err error) {
		t.byUser, t.byAccount, t.everyone = map[int32]mark{}, map[string]mark{}, mark{}
		t.disowned, t.outside = map[[2]string]bool{}, map[[2]string]record.ForeignGrant{}
		for m, err := range tx.Work(backend).Marks(name) {
			if err == nil {
				err = t.add(tx, m)
			}
			if err != nil {
				return err
			}
		}
		for d, err := range record.List(tx, record.Disowned{Backend: backend, Target: name}) {
			if err != nil {
				return err
			}
			t.disowned[[2]string{d.Account, d.Role}] = true
		}
		for s, err := range record.List(tx, record.ForeignGrant{Backend: backend, Target: name}) {
			if err != nil {
				return err
			}
			t.outside[[2]string{s.Account, s.Role}] = s
		}
		t.comparison, _, err = record.Get(tx, record.Comparison{Backend: backend, Target: name})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the work on a target: %w", err)
	}
	for id, s := range t.outside { // of before a call of ours took it away
		key, known := r.trail.lookUp(backend, name, s.Account, s.Role)
		if at, ended := r.trail.ended[key]; known && ended && at > t.comparison.Settled.UnixNano() && !t.disowned[id] {
			delete(t.outside, id)
		}
	}
	r.compared(t)
	return t, nil
}

// add takes a mark in.
func (t *target) add(tx store.Tx, m store.Mark) error {
	got := mark{request: m.Origin.Request, by: m.Origin.Initiator}
	if m.State == store.Blocked {
		got.blocked = m.Reason
	}
	switch s := m.Subject; {
	case s.Account != "":
		t.byAccount[s.Account] = got
	case s.User != "":
		t.markUser(userID{s.IdP, s.User}, got)
	case s.Event != 0:
		e, err := tx.Events().Event(s.Event)
		if err != nil {
			return err
		}
		for _, id := range slices.Concat(e.Added, e.Removed) {
			t.markUser(userID{s.IdP, id}, got)
		}
	default:
		t.everyone = got
	}
	return nil
}

func (t *target) markUser(id userID, m mark) {
	if n, known := t.people.index[id]; known {
		t.byUser[n] = m
	}
}

// markOf is the mark of a user, of the account, or of the whole target.
func (t *target) markOf(n int32, account string) mark {
	if m, marked := t.byUser[n]; marked && n >= 0 {
		return m
	}
	if m, marked := t.byAccount[account]; marked && account != "" {
		return m
	}
	return t.everyone
}

// account writes the rows of the entries of one account, and of what its users should have besides.
func (t *target) account(id string, entries []store.Entry) error {
	users := t.people.usersOf(t.backend, id)
	given := make([][]wanted, len(users))
	for i, n := range users {
		if t.people.links[t.backend][n].valid {
			t.visited[n] = t.serial
			given[i] = t.people.desired(n, t.backend, t.name)
		}
	}
	for i := range entries {
		e := &entries[i]
		if err := t.entry(e, users, given); err != nil {
			return err
		}
		delete(t.outside, [2]string{id, e.Role})
		delete(t.disowned, [2]string{id, e.Role})
	}
	for i, n := range users {
		for j := range given[i] {
			w := &given[i][j]
			if slices.ContainsFunc(entries, func(e store.Entry) bool { return e.Role == w.role }) {
				continue
			}
			if err := t.wanted(n, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry writes a row for each user who is given the role, or, if none is, for each user of the
// account.
func (t *target) entry(e *store.Entry, users []int32, given [][]wanted) error {
	some := false
	for i, n := range users {
		for j := range given[i] {
			if w := &given[i][j]; w.role == e.Role && !w.held {
				some = true
				if err := t.write(t.ofUser(e, n, w)); err != nil {
					return err
				}
			}
		}
	}
	if some {
		return nil
	}
	for _, n := range users {
		if err := t.write(t.ofUser(e, n, nil)); err != nil {
			return err
		}
	}
	if len(users) > 0 {
		return nil
	}
	r := t.row(-1, e.Account, e.Role)
	r.User = cmp.Or(e.Key, e.Account)
	t.ofEntry(&r, e, nil, t.markOf(-1, e.Account))
	return t.write(r)
}

func (t *target) ofUser(e *store.Entry, n int32, w *wanted) Row {
	r := t.row(n, e.Account, e.Role)
	if w != nil {
		r.From = w.from
	}
	t.ofEntry(&r, e, w, t.markOf(n, e.Account))
	return r
}

// wanted writes what a user should have and the ledger does not know.
func (t *target) wanted(n int32, w *wanted) error {
	account := ""
	if l := t.people.links[t.backend][n]; l.valid {
		account = t.names.text(l.account)
	}
	r := t.row(n, account, w.role)
	r.From = w.from
	t.withoutEntry(&r, w, t.markOf(n, account))
	if r.State == Unmanaged {
		t.shown[[2]string{account, w.role}] = true
	}
	return t.write(r)
}

// row begins a row. n is -1 for an account without a user.
func (t *target) row(n int32, account, role string) Row {
	r := Row{User: account, Account: account, Backend: t.src.Backends[t.backend].Name, Target: t.name, Role: role, From: []Cause{}}
	if n >= 0 {
		p := &t.people.list[n]
		r.User, r.IdP, r.UserID = p.name, p.idp, p.id
	}
	return r
}

// close writes what is wanted on the target of users without an entry, and what is not managed.
func (t *target) close() error {
	for _, g := range t.people.targets[t.backend][t.name] {
		for _, n := range t.people.groups[g].members {
			if t.visited[n] == t.serial {
				continue
			}
			t.visited[n] = t.serial
			for _, w := range t.people.desired(n, t.backend, t.name) {
				if err := t.wanted(n, &w); err != nil {
					return err
				}
			}
		}
	}
	return t.unmanaged()
}

// unmanaged writes the grants at the vendor that are not the bridge's.
func (t *target) unmanaged() error {
	var rows []Row
	for id, s := range t.outside {
		if !t.shown[id] {
			rows = append(rows, t.foreign(s, true)...)
		}
	}
	for id := range t.disowned {
		if _, seen := t.outside[id]; !seen {
			rows = append(rows, t.foreign(record.ForeignGrant{Account: id[0], Role: id[1]}, false)...)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Role, b.Role), cmp.Compare(a.IdP, b.IdP))
	})
	for _, r := range rows {
		if err := t.write(r); err != nil {
			return err
		}
	}
	return nil
}

// foreign returns a row for each user of the account, or one without a user.
func (t *target) foreign(s record.ForeignGrant, seen bool) (rows []Row) {
	users := t.people.usersOf(t.backend, s.Account)
	if len(users) == 0 {
		users = []int32{-1}
	}
	for _, n := range users {
		r := t.row(n, s.Account, s.Role)
		if n < 0 {
			r.User = cmp.Or(s.Key, s.Account)
		}
		if r.Has = Dark; seen {
			t.seen(&r, s)
		} else {
			t.gaveUp(&r)
		}
		rows = append(rows, r)
	}
	return rows
}
