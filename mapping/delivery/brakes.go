package delivery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Why a removal is held (design, invariant 4).
const (
	whyProtected    = "protected"
	whyOwnAccount   = "own_account"
	whyLastAdmin    = "last_admin"
	whyEmptiesRole  = "empties_role"
	whyRemovals     = "max_removals"
	whyOffboardings = "max_offboardings"
)

// holdGrows is for how long a hold takes in what is caught after it: an operator decides about what was shown.
const holdGrows = time.Minute

// wholeTeam is from how many holders on taking a role from all of them is held.
const wholeTeam = 5

// brake decides about every removal of a visit before anything is cut into calls: what the mode does not allow is
// dropped, what a brake catches is held and stays so until an operator decides, or until it is wanted again.
func (w *Worker) brake(ctx context.Context, target string, v *visitWork) error {
	if err := w.disownSilenced(ctx, target, v); err != nil {
		return err
	}
	b := w.brakes(target, v)
	if err := w.Store.View(ctx, b.measure); err != nil {
		return fmt.Errorf("reading the ledger for the brakes: %w", err)
	}
	if err := b.keepAnAdmin(ctx); err != nil {
		return err
	}
	if err := b.countUsers(ctx); err != nil {
		return err
	}
	b.limits(v)
	if err := b.commit(ctx, v); err != nil {
		return err
	}
	if err := w.keepSets(ctx, target, v); err != nil {
		return err
	}
	w.wait(target, v)
	return nil
}

// brakes begins the decision with what needs neither the ledger nor the vendor.
func (w *Worker) brakes(target string, v *visitWork) *brakes {
	w.obeyMode(v)
	b := &brakes{worker: w, target: target, held: map[*account]map[string]string{}}
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		b.sort(v.accounts[id])
	}
	return b
}

// obeyMode drops what the mode does not allow.
func (w *Worker) obeyMode(v *visitWork) {
	for id, a := range v.accounts {
		if w.mode() == Observe && len(a.add)+len(a.remove) > 0 {
			w.Log.Info("observe: would change roles", "backend", w.Name, "account", label(id), "add", a.add, "remove", a.remove)
			a.add, a.remove, a.replace = nil, nil, false
		}
		if w.mode() == AddOnly {
			a.remove, a.replace = nil, false
		}
	}
}

// brakes is the decision about one visit.
type brakes struct {
	worker *Worker
	target string

	ordinary []*account                     // lose something by a change of groups or rules
	leaving  []*account                     // lose something by leaving: deactivated or deleted
	replaced []*account                     // are to have exactly some roles, and may lose what the ledger does not know of
	held     map[*account]map[string]string // role -> why

	sets    *account                   // the target itself, if it is to lose permission sets
	users   map[string]bool            // accounts that have something on the target, by the ledger
	seen    map[string]bool            // accounts that have a role there, by the vendor: read only for sets
	counted int                        // how many they are, by the vendor's own count; 0: it does not say
	holders map[string]map[string]bool // role -> accounts
	lately  map[string]map[string]bool // role -> accounts to which it was given a moment ago: reads may not show it yet
	begun   map[string]map[string]bool // role -> accounts whose removal was sent and not answered cleanly
	sent    []sentRemoval
	open    map[string]openHold // why -> a hold on this target that may take in more
	since   map[string]bool     // why -> there was a hold on this target before
	broken  bool                // a hold was being recorded when the last process ended: see writeParts
}

// openHold is a hold that is less than a minute old and was not listed yet.
type openHold struct {
	id    string
	since time.Time
}

// sort takes out what is held whoever else there is, and what is no new removal: what was approved, what is held
// already, and what was begun before.
func (b *brakes) sort(a *account) {
	fresh, why := false, b.worker.untouchable(a)
	if why != "" {
		a.replace = false // it would clear what the ledger does not know of
	}
	for _, role := range a.remove {
		e := a.mine[role]
		switch {
		case why != "":
			b.hold(a, role, why)
		case e.Approved, e.Hold == "" && !removable(e):
		case e.Hold != "" && !dissolves(e.Why) && !(a.offboarded && ordinary(e.Why)):
			b.hold(a, role, e.Why)
		default:
			fresh = true
		}
	}
	if a.replace {
		b.replaced = append(b.replaced, a)
	}
	switch {
	case !fresh:
	case a.ID == store.TargetSettings:
		b.sets = a
	case a.offboarded:
		b.leaving = append(b.leaving, a)
	default:
		b.ordinary = append(b.ordinary, a)
	}
}

// dissolves reports whether a hold is over when its reason is: any other waits for an operator.
func dissolves(why string) bool {
	return why == whyProtected || why == whyOwnAccount || why == whyLastAdmin
}

// ordinary are the reasons that hold nobody who leaves: they have a limit of their own.
func ordinary(why string) bool { return why == whyRemovals || why == whyEmptiesRole }

func (w *Worker) untouchable(a *account) string {
	switch {
	case slices.Contains(w.Protect, a.Key):
		return whyProtected
	case w.OwnAccount != "" && (w.OwnAccount == a.ID || backend.Fold(w.OwnAccount) == a.Key):
		return whyOwnAccount
	}
	return ""
}

func (b *brakes) hold(a *account, role, why string) {
	if b.held[a] == nil {
		b.held[a] = map[string]string{}
	}
	b.held[a][role] = why
}

// removable says whether taking the grant away would be something new: it may be there, and no removal of it was begun.
func removable(e store.Entry) bool { return e.State != store.Absent && e.Wanted }

// fresh lists the roles of an account whose removal is new and not held yet.
func (b *brakes) fresh(a *account) []string {
	var out []string
	for _, role := range a.remove {
		if e := a.mine[role]; b.held[a][role] == "" && !e.Approved && removable(e) || e.Hold != "" && b.held[a][role] == "" {
			out = append(out, role)
		}
	}
	return out
}

// measure reads what the limits are measured by, if anything is to be measured.
func (b *brakes) measure(tx store.Tx) error {
	b.users, b.open, b.since, b.sent = map[string]bool{}, map[string]openHold{}, map[string]bool{}, nil
	b.holders, b.begun, b.lately = map[string]map[string]bool{}, map[string]map[string]bool{}, map[string]map[string]bool{}
	if len(b.ordinary)+len(b.leaving)+len(b.held)+len(b.replaced) == 0 && b.sets == nil {
		return nil
	}
	if err := b.keepDisowned(tx); err != nil {
		return err
	}
	var err error
	if _, b.broken, err = store.Get(tx, store.PartialHold{Backend: b.worker.Name, Target: b.target}); err != nil {
		return err
	}
	shown, err := b.worker.shown(tx)
	if err != nil {
		return err
	}
	now := b.worker.now()
	for e, err := range tx.Ledger(b.worker.Name).Entries(b.target, "") {
		if err != nil {
			return err
		}
		if e.Hold != "" {
			b.since[e.Why] = true
			if within(now, e.HeldSince, holdGrows) && !slices.Contains(shown, e.Hold) {
				b.open[e.Why] = openHold{e.Hold, e.HeldSince}
			}
		}
		if e.Account == store.TargetSettings || e.State == store.Absent {
			continue
		}
		if e.State == store.Unknown && !e.Wanted {
			note(b.begun, e)
			continue
		}
		b.users[e.Account] = true
		note(b.holders, e)
		if e.State == store.Present && e.Doubt.IsZero() && within(now, e.Sent, b.worker.Straggler) {
			note(b.lately, e)
		}
	}
	b.sent, err = sentRemovals(tx, b.worker.Name, b.target, now)
	return err
}

// keepDisowned leaves what an operator refused to take away to those who are to have exactly some roles.
func (b *brakes) keepDisowned(tx store.Tx) error {
	if len(b.replaced) == 0 {
		return nil
	}
	disowned, err := b.worker.disowned(tx, b.target)
	b.replaced = slices.DeleteFunc(b.replaced, func(a *account) bool {
		a.replace = a.replace && len(disowned[a.ID]) == 0
		return !a.replace
	})
	return err
}

func note(byRole map[string]map[string]bool, e store.Entry) {
	if byRole[e.Role] == nil {
		byRole[e.Role] = map[string]bool{}
	}
	byRole[e.Role][e.Account] = true
}

// keepTeams holds what would take a role of five or more from all of them. That others are to get it at the same time does
// not count: the vendor may refuse them.
func (b *brakes) keepTeams(v *visitWork) {
	losing := map[string]map[string]bool{}
	for id, a := range v.accounts {
		for _, role := range a.remove {
			if losing[role] == nil {
				losing[role] = map[string]bool{}
			}
			losing[role][id] = true
		}
	}
	for role, holders := range b.holders {
		if len(holders)+len(b.begun[role]) < wholeTeam || len(losing[role]) < len(holders) || !contains(losing[role], holders) {
			continue
		}
		for _, a := range b.ordinary {
			if slices.Contains(b.fresh(a), role) {
				b.hold(a, role, whyEmptiesRole)
			}
		}
	}
}

func contains(all, some map[string]bool) bool {
	for k := range some {
		if !all[k] {
			return false
		}
	}
	return true
}
