package delivery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// account is what one visit knows and does about one account of the target.
type account struct {
	plan.Account  // what the plan is made of
	plan.Decision // what it decides

	marks      []store.Mark        // settled together when nothing is left to do for the account
	links      []store.Link        // of its users
	causes     map[string][]string // by role: see because
	origin     store.Origin        // of the newest mark that concerns it
	steps      int                 // calls that still concern the account
	unfinished bool                // something was not done cleanly: the marks stay
	park       store.MarkState     // Blocked or Held: the marks are parked, for this reason
	reason     string
	left       bool // the membership or account is ended, or nothing must be ended
	later      bool // it cannot be ended yet
}

func newAccount(id string) *account {
	return &account{Account: plan.Account{Account: backend.Account{ID: id}}}
}

// subjects are the users of the account.
func (a *account) subjects() (out []store.Subject) {
	for _, u := range a.Users {
		out = append(out, u.Subject)
	}
	return out
}

// visitWork is one visit to one target.
type visitWork struct {
	accounts map[string]*account
	idle     []store.Mark        // marks that concern no account: settled as they are
	known    map[string]string   // value -> account, as this visit found out
	urgent   bool                // it is for off-boardings only
	marks    map[uint64]bool     // the numbers of the marks that it read
	open     map[string]openHold // holds that may take in more, by reason
	missing  []*person           // users without an account, by a complete listing
	planned  *plan.Plan          // the plan, if nothing had to be read or written before it

	relisted bool                       // the listing was read again for this plan, to its end
	partly   map[string]backend.Account // what it showed otherwise
	unlisted bool                       // it cannot be read now
}

// atOnce reports whether the visit was planned in the View that read its marks, with no read of the
// vendor in between.
func (v *visitWork) atOnce() bool { return v.planned != nil && !v.planned.Needs.Any() }

func (v *visitWork) account(id string) *account {
	a := v.accounts[id]
	if a == nil {
		a = newAccount(id)
		v.accounts[id] = a
	}
	return a
}

// person is the user of a mark, as the directory has them now.
type person struct {
	mark    store.Mark
	link    store.Link // zero if there is none
	exists  bool
	leaves  bool     // deactivated
	changed bool     // the value that finds people is another than the user had first
	key     string   // "" if the user lacks the value that finds people
	desired bool     // rules give something on the target
	roles   []string // what they give there
	found   string   // account id
	renamed bool     // a complete listing shows the account of the link under another value
	blocked bool     // another account of theirs has the roles: see disputed
	stale   bool     // their link has changed since it was read: the mark stays for the next visit
}

// read turns the marks of a target into accounts to look at. A user who should have something and is not yet known
// at the backend is looked up there, in one listing for all; who is not found is parked.
func (w *Worker) read(ctx context.Context, t dueTarget) (*visitWork, error) {
	target := t.name
	v := &visitWork{urgent: t.urgent, accounts: map[string]*account{}, known: map[string]string{}}
	var people []*person
	var sweeps []store.Mark
	var unknown []string
	err := w.Store.View(ctx, func(tx store.Tx) error {
		v.accounts, v.idle, v.planned, people, sweeps, unknown = map[string]*account{}, nil, nil, nil, nil, nil
		marks, err := w.marksOf(tx, t)
		if err != nil {
			return err
		}
		v.marks = make(map[uint64]bool, len(marks))
		for _, m := range marks {
			v.marks[m.Seq] = true
			switch {
			case m.Target == store.AnyTarget:
				sweeps = append(sweeps, m)
			case m.Subject.Account != "":
				a := v.account(m.Subject.Account)
				a.marks = append(a.marks, m)
			case m.Subject.User == "":
				sweeps = append(sweeps, m)
			default:
				p, err := w.person(tx, target, m)
				if err != nil {
					return err
				}
				if p.desired && p.found == "" && p.key != "" {
					unknown = append(unknown, p.key)
				}
				people = append(people, p)
			}
		}
		if len(sweeps)+len(unknown) > 0 || slices.ContainsFunc(people, func(p *person) bool { return !p.bound() }) {
			return nil
		}
		ids := slices.Collect(maps.Keys(v.accounts))
		for _, p := range people {
			ids = append(ids, p.account(nil))
		}
		if doubtful, err := w.doubtful(tx, target, ids); err != nil || len(doubtful) > 0 { // it must be settled first
			return err
		}
		return w.planAtOnce(tx, target, v, people)
	})
	if err != nil || v.planned != nil {
		return v, err
	}
	for _, m := range sweeps {
		if err := w.sweep(ctx, m); err != nil {
			return nil, err
		}
	}
	found, whole := map[string]backend.Account{}, true
	if len(unknown) > 0 {
		how, visited := w.patiently, map[store.Subject]bool{}
		if t.urgent {
			how = atOnce
		}
		for _, p := range people { // of the others nothing is looked up here
			visited[p.mark.Subject] = p.desired
		}
		if found, whole, err = w.list(ctx, target, unknown, how, visited); err != nil {
			return nil, err
		}
		w.succeeded(target)
		findAgain(people, found, whole && len(found) > 0)
	}
	if err := w.bind(ctx, target, v, people, found); err != nil {
		return v, err
	}
	v.missing = missing(people, found, whole)
	return v, nil
}

// findAgain puts what a listing shows in the place of what the cache said before. Of the users that a complete one does not show it
// notes whether their account is shown under another value.
func findAgain(people []*person, found map[string]backend.Account, whole bool) {
	shown := map[string]bool{}
	for _, a := range found {
		shown[a.ID] = true
	}
	for _, p := range people {
		if !p.desired {
			continue
		}
		if a, listed := found[p.key]; listed {
			p.found = a.ID
		} else if whole {
			p.found, p.renamed = "", shown[p.link.Account]
		}
	}
}

// person reads what the directory, the links and the cache say about the subject of a mark.
func (w *Worker) person(tx store.Tx, target string, m store.Mark) (*person, error) {
	p := &person{mark: m}
	accounts := tx.Accounts(w.Name)
	var err error
	if p.link, err = accounts.Link(m.Subject.IdP, m.Subject.User); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	user, groups, err := userAndGroups(tx, m.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.exists, p.leaves, p.key = true, !user.Active, w.key(user)
	p.changed = user.Original != nil && w.key(original(user)) != p.key
	for _, g := range w.rules(tx).Desired(m.Subject.IdP, user, groups) {
		if g.Target == (mapping.Target{Backend: w.Name, Target: target}) {
			p.desired, p.roles = true, append(p.roles, g.Role)
		}
	}
	if !p.desired {
		if p.link.Key == p.key || p.leaves { // who leaves under another name is still who they were
			p.found = p.link.Account
		}
		return p, nil
	}
	if m.State == store.Blocked {
		return p, nil // what we knew did not do: ask the backend again
	}
	p.found, err = w.known(tx, target, p)
	return p, err
}

// listing names the list of people in which the users of the target are found.
func (w *Worker) listing(target string) string {
	if w.Backend.Traits().OneListing {
		return ""
	}
	return target
}

func userAndGroups(tx store.Tx, s store.Subject) (store.User, []store.Group, error) {
	dir := tx.Directory(s.IdP)
	user, err := dir.User(s.User)
	if err != nil {
		return user, nil, err
	}
	var groups []store.Group
	for g, err := range dir.GroupsOf(s.User) {
		if err != nil {
			return user, nil, err
		}
		groups = append(groups, g)
	}
	return user, groups, nil
}

// key is the folded value that finds the user at this backend, by `match`.
func (w *Worker) key(u store.User) string {
	v := u.UserName
	switch {
	case w.Match == "externalId":
		v = u.ExternalID
	case w.Match != "userName" && len(u.Emails) > 0 && u.Emails[0] != "":
		v = u.Emails[0]
	}
	return backend.Fold(v)
}

// original is the user as far as the values are concerned that find people, as they were first.
func original(u store.User) store.User {
	if len(u.Original) == 3 {
		u.UserName, u.Emails, u.ExternalID = u.Original[0], []string{u.Original[1]}, u.Original[2]
	}
	return u
}

// add adds the mark of a user to those of the account that the user is; "" is none.
func (v *visitWork) add(p *person, id string) {
	if id == "" {
		return
	}
	a := v.account(id)
	if a.marks = append(a.marks, p.mark); p.desired {
		v.known[p.key] = id
	}
}

// bound reports whether nothing must be looked up, learnt or written to know which account a user is.
func (p *person) bound() bool {
	id := p.account(nil)
	if id == "" {
		return !p.desired && p.link.Account == ""
	}
	return id == p.link.Account && (p.key == p.link.Key || p.leaves)
}

// planAtOnce plans a visit in the View that reads its marks: who is which account is known.
func (w *Worker) planAtOnce(tx store.Tx, target string, v *visitWork, people []*person) error {
	for _, p := range people {
		if id := p.account(nil); id == "" {
			v.idle = append(v.idle, p.mark)
		} else {
			v.add(p, id)
		}
	}
	p, err := w.planIn(tx, target, v, nil, nil)
	if err != nil {
		return err
	}
	v.planned = &p
	return nil
}

// account is the account of the person at the backend, "" if there is none or it is not known.
func (p *person) account(found map[string]backend.Account) string {
	if p.blocked {
		return ""
	}
	if p.found != "" || !p.exists || p.key == "" {
		return p.found
	}
	return found[p.key].ID
}

// noAccount is why a user waits that the vendor does not show; noAddress, why no account is asked for, either.
const (
	noAccount = "no_account"
	noAddress = "no_address"
)

// noTarget is why everything waits on a target that the vendor does not have.
const noTarget = "no_target"

// longestBlock is how far apart additions that cannot be made are tried.
const longestBlock = 6 * time.Hour

// block parks a mark that cannot go on by itself; a Touch ends that at once, else it is tried again on a clock
// that slows down from RetryMax to the longest.
func (w *Worker) block(tx store.Tx, m store.Mark, reason string, longest time.Duration) error {
	m.State, m.Reason, m.Tries = store.Blocked, reason, m.Tries+1
	wait := w.RetryMax
	for i := 1; i < m.Tries && wait < 6*time.Hour; i++ {
		wait *= 2
	}
	m.NotBefore = w.now().Add(min(wait, longest))
	_, err := tx.Work(w.Name).Park(m)
	return err
}
