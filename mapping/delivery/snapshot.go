package delivery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// planner is what the configuration of the worker says about plans.
func (w *Worker) planner() plan.Planner {
	return plan.Planner{Mode: w.mode(), BatchSize: w.BatchSize, Straggler: w.Straggler, Protect: w.Protect, OwnAccount: w.OwnAccount,
		MaxRemovals: w.MaxRemovals, MaxOffboardings: w.MaxOffboardings, Traits: w.Backend.Traits(), Invite: w.Invite}
}

// plan decides what must happen on a target. What the plan needs of the vendor is read between two
// Views; then everything is read again, since the directory may have changed meanwhile.
func (w *Worker) plan(ctx context.Context, target string, v *visitWork) (p plan.Plan, err error) {
	var seen *backend.Observation
	if v.planned != nil {
		p = *v.planned
	}
	for again := v.planned == nil; again || p.Needs.Any(); {
		if again = false; !p.Needs.Any() {
			err = w.Store.View(ctx, func(tx store.Tx) error {
				since, err := w.askedSince(tx, target, v)
				if err == nil {
					p, err = w.planIn(tx, target, v, seen, since)
				}
				return err
			})
			if err != nil {
				return p, err
			}
			continue
		}
		if p.Needs.Observation {
			if seen, err = w.readTarget(ctx, target); err != nil {
				return p, fmt.Errorf("reading what a target has: %w", err)
			}
		}
		if len(p.Needs.Listing) > 0 {
			if err := w.listAgain(ctx, target, v, p.Needs.Listing); err != nil {
				return p, err
			}
		}
		p.Needs, again = plan.Needs{}, true
	}
	for id, d := range p.Decisions {
		v.accounts[id].Decision = d
	}
	return p, nil
}

// planIn plans in a transaction what the store alone can tell. since has the origins of marks that came
// after those of the visit.
func (w *Worker) planIn(tx store.Tx, target string, v *visitWork, seen *backend.Observation, since map[store.Subject]store.Origin) (p plan.Plan, err error) {
	s, err := w.snapshot(tx, target, v)
	if err == nil {
		err = w.loadOrigins(tx, target, v, since)
	}
	if err != nil {
		return p, fmt.Errorf("computing what is wanted: %w", err)
	}
	s.Seen = seen
	for p = w.planner().Plan(s, w.now()); p.Needs.Ledger || p.Needs.Leavers; p = w.planner().Plan(s, w.now()) {
		if err := w.measure(tx, &s, v, p.Needs); err != nil {
			return p, fmt.Errorf("computing what is wanted: %w", err)
		}
	}
	return p, nil
}

// measure reads what the limits of a plan are measured by.
func (w *Worker) measure(tx store.Tx, s *plan.Snapshot, v *visitWork, needs plan.Needs) (err error) {
	if needs.Ledger {
		if s.Ledger, v.open, err = w.summary(tx, *s); err != nil {
			return err
		}
	}
	if needs.Leavers {
		s.Leavers, err = w.leavers(tx, s.Target)
	}
	return err
}

// readTarget reads a target. An off-boarding that comes to wait for it ends the read.
func (w *Worker) readTarget(ctx context.Context, target string) (*backend.Observation, error) {
	var seen backend.Observation
	err := w.patiently(ctx, func(ctx context.Context) (err error) {
		seen, err = w.Backend.Observe(ctx, target)
		return err
	})
	return &seen, err
}

// snapshot reads what a plan for the accounts of a visit is made of.
func (w *Worker) snapshot(tx store.Tx, target string, v *visitWork) (plan.Snapshot, error) {
	now := w.now()
	maps.DeleteFunc(w.touched, func(_ spot, at time.Time) bool { return !within(now, at, w.Straggler) })
	maps.DeleteFunc(w.taken, func(_ foreignGrant, at time.Time) bool { return !within(now, at, w.Straggler) })
	maps.DeleteFunc(w.revoked, func(_ foreignGrant, at time.Time) bool { return !within(now, at, w.Straggler) })
	maps.DeleteFunc(w.unread, func(_ foreignGrant, until time.Time) bool { return !until.After(now) })
	s := plan.Snapshot{Target: target, Accounts: map[string]plan.Account{}, DistrustReadsUntil: w.lag,
		Revoked: w.revokedOn(target), UnverifiableUntil: map[plan.Grant]time.Time{}}
	for g, until := range w.unread {
		if g.target == target {
			s.UnverifiableUntil[plan.Grant{Account: g.account, Role: g.role}] = until
		}
	}
	var speaks func(role string) bool
	for id, a := range v.accounts {
		if err := w.load(tx, target, id, a, v.known); err != nil {
			return s, err
		}
		if err := w.loadSilenced(tx, target, a, &speaks); err != nil {
			return s, err
		}
		a.Asked = a.asked()
		_, a.JustCalled = w.touched[spot{target, id}] // a revocation leaves no entry that would tell
	}
	if err := w.loadMemberships(tx, target, v); err != nil {
		return s, err
	}
	for id, a := range v.accounts {
		s.Accounts[id] = a.Account
	}
	var err error
	s.Missing, err = w.loadMissing(tx, target, v.missing)
	return s, err
}

// revokedOn lists what was revoked on a target a moment ago.
func (w *Worker) revokedOn(target string) map[plan.Grant]bool {
	out := map[plan.Grant]bool{}
	for g := range w.revoked {
		if g.target == target {
			out[plan.Grant{Account: g.account, Role: g.role}] = true
		}
	}
	return out
}

// summary reads what the brakes measure on the target of a snapshot, and the holds there that may take in more, by
// reason.
func (w *Worker) summary(tx store.Tx, s plan.Snapshot) (*plan.Ledger, map[string]openHold, error) {
	target, l, open, now := s.Target, plan.NewLedger(), map[string]openHold{}, w.now()
	shown, err := w.shown(tx)
	if err != nil {
		return nil, nil, err
	}
	for e, err := range tx.Ledger(w.Name).Entries(target, "") {
		if err != nil {
			return nil, nil, err
		}
		l.Take(e, now, w.Straggler)
		if e.Hold != "" && within(now, e.HeldSince, holdGrows) && !slices.Contains(shown, e.Hold) {
			open[e.Why] = openHold{e.Hold, e.HeldSince}
		}
	}
	if _, l.Unwritten, err = store.Get(tx, store.PartialHold{Backend: w.Name, Target: target}); err != nil {
		return nil, nil, err
	}
	if s.Replaces() {
		if l.Disowned, err = w.disowned(tx, target); err != nil {
			return nil, nil, err
		}
	}
	sent, err := sentRemovals(tx, w.Name, target, now)
	for _, r := range sent {
		l.Sent = append(l.Sent, plan.SentRemoval{Account: r.Account, At: time.UnixMilli(r.At), Leaving: r.Leaving, Approved: r.Approved})
	}
	return l, open, err
}

// load reads one account: the union over all users of all identity providers that are bound to it.
// known has values whose account a listing has just shown.
func (w *Worker) load(tx store.Tx, target, id string, a *account, known map[string]string) error {
	a.Want, a.Ledger, a.Users, a.Frozen, a.Silenced = map[string]plan.Wish{}, map[string]store.Entry{}, nil, nil, nil
	a.causes, a.links = nil, nil
	for e, err := range tx.Ledger(w.Name).Entries(target, id) {
		if err != nil {
			return err
		}
		a.Ledger[e.Role] = e
		a.Key = e.Key
		if w.inForce().Frozen(mapping.Target{Backend: w.Name, Target: target}, e.Role) {
			a.Frozen = append(a.Frozen, e.Role)
		}
	}
	if id == store.TargetSettings {
		return w.loadSettings(tx, target, a)
	}
	links, err := tx.Accounts(w.Name).Linked(id)
	if err != nil {
		return err
	}
	a.Offboarded = len(links) > 0
	for _, l := range links {
		if err := w.loadUser(tx, target, a, l, known); err != nil {
			return err
		}
	}
	if c, err := tx.Accounts(w.Name).Cached(w.listing(target), a.Key); err == nil && c.ID == id {
		a.Status = c.Status
	}
	return w.loadMarked(tx, target, a)
}

// loadUser adds what a user wants who is bound to the account.
func (w *Worker) loadUser(tx store.Tx, target string, a *account, l store.Link, known map[string]string) error {
	a.Key = l.Key
	u := plan.User{Subject: store.Subject{IdP: l.IdP, User: l.User}}
	a.links = append(a.links, l)
	user, groups, err := userAndGroups(tx, u.Subject)
	a.Offboarded = a.Offboarded && (err != nil || !user.Active)
	if err != nil || w.key(user) != l.Key { // gone, or about to be bound again: nothing is wanted through this link
		a.Users = append(a.Users, u)
		return nil
	}
	var sure func(role string) bool
	for _, g := range w.rules(tx).Desired(l.IdP, user, groups) {
		if g.Target != (mapping.Target{Backend: w.Name, Target: target}) {
			continue
		}
		if sure == nil {
			if sure, err = w.sure(tx, target, a.ID, l, known); err != nil {
				return err
			}
		}
		wish := a.Want[g.Role]
		a.Want[g.Role] = plan.Wish{Replace: wish.Replace || g.Replace, Firm: wish.Firm || !l.Changed, Sure: wish.Sure || sure(g.Role)}
		u.Roles = append(u.Roles, g.Role)
		a.because(l.IdP, g)
	}
	a.Users = append(a.Users, u)
	return nil
}

// loadMarked notes which users wait to be looked up, if a wish of the account is not sure.
func (w *Worker) loadMarked(tx store.Tx, target string, a *account) error {
	for i, u := range a.Users {
		if !slices.ContainsFunc(u.Roles, func(role string) bool { return !a.Want[role].Sure }) {
			continue
		}
		_, err := tx.Work(w.Name).Mark(target, u.Subject)
		if a.Users[i].Marked = err == nil; err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// allGroups reads the groups of all identity providers.
func allGroups(tx store.Tx) (all []mapping.Named, err error) {
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return nil, err
			}
			all = append(all, mapping.Named{IdP: idp, Group: g})
		}
	}
	return all, nil
}

func (w *Worker) loadSettings(tx store.Tx, target string, a *account) error {
	all, err := allGroups(tx)
	if err != nil {
		return err
	}
	t := mapping.Target{Backend: w.Name, Target: target}
	for _, set := range w.rules(tx).PermissionSets(t, all) {
		a.Want[set] = plan.Wish{Firm: true, Sure: true}
	}
	return nil
}
