package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// Limit is how many people may lose something on a target within a window: the larger of Count and Percent of those
// who have something there. The zero value holds everything.
type Limit struct {
	Count, Percent int
	Window         time.Duration
}

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
	b := w.brakes(target, v)
	if err := w.Store.View(ctx, b.measure); err != nil {
		return fmt.Errorf("reading the ledger for the brakes: %w", err)
	}
	if err := b.keepAnAdmin(ctx); err != nil {
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

// keepSets holds the removal of a target's permission sets for as long as somebody's removal from it is held: without them the
// role would be theirs in name only.
func (w *Worker) keepSets(ctx context.Context, target string, v *visitWork) error {
	a := v.accounts[store.TargetItself]
	if a == nil || len(a.remove) == 0 {
		return nil
	}
	hold := ""
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		hold, err = heldOn(tx, w.Name, target)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking whether somebody is held: %w", err)
	}
	if hold != "" {
		a.remove, a.park, a.reason = nil, store.Held, hold
	}
	return nil
}

// heldOn is a hold of people on a target, "" if there is none.
func heldOn(tx store.Tx, name, target string) (string, error) {
	for e, err := range tx.Ledger(name).Entries(target, "") {
		if err != nil || e.Hold != "" {
			return e.Hold, err
		}
	}
	return "", nil
}

// brakes begins the decision with what needs neither the ledger nor the vendor.
func (w *Worker) brakes(target string, v *visitWork) *brakes {
	w.obeyMode(v)
	b := &brakes{worker: w, target: target, held: map[*account]map[string]string{}}
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		if id != store.TargetItself {
			b.sort(v.accounts[id])
		}
	}
	return b
}

// limits decides by what was measured.
func (b *brakes) limits(v *visitWork) {
	b.keepTeams(v)
	b.limit(b.ordinary, whyRemovals, b.worker.MaxRemovals, false)
	b.limit(b.leaving, whyOffboardings, b.worker.MaxOffboardings, true)
	for _, a := range slices.Concat(b.ordinary, b.leaving) {
		a.counts = len(b.fresh(a)) > 0 // neither what is held, nor what was approved of the same person
	}
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

	people  int                        // have something on the target, by the ledger
	holders map[string]map[string]bool // role -> accounts
	lately  map[string]map[string]bool // role -> accounts to which it was given a moment ago: reads may not show it yet
	begun   map[string]map[string]bool // role -> accounts whose removal was sent and not answered cleanly
	sent    []sentRemoval
	open    map[string]string // why -> id of a hold on this target
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
		case e.Hold != "" && e.Why != whyProtected && e.Why != whyOwnAccount && !(a.offboarded && ordinary(e.Why)):
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
	case a.offboarded:
		b.leaving = append(b.leaving, a)
	default:
		b.ordinary = append(b.ordinary, a)
	}
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
	b.people, b.open, b.sent = 0, map[string]string{}, nil
	b.holders, b.begun, b.lately = map[string]map[string]bool{}, map[string]map[string]bool{}, map[string]map[string]bool{}
	if len(b.ordinary)+len(b.leaving)+len(b.held)+len(b.replaced) == 0 {
		return nil
	}
	if err := b.keepDisowned(tx); err != nil {
		return err
	}
	last, now, there := "", b.worker.now(), map[string]bool{}
	for e, err := range tx.Ledger(b.worker.Name).Entries(b.target, "") {
		if err != nil {
			return err
		}
		if e.Hold != "" && within(now, e.HeldSince, holdGrows) {
			b.open[e.Why] = e.Hold
		}
		if e.Account == store.TargetItself || e.State == store.Absent {
			continue
		}
		if e.State == store.Unknown && !e.Wanted {
			note(b.begun, e)
			continue
		}
		if e.Account != last { // entries of an account stand together
			b.people++
			last = e.Account
			there[last] = true
		}
		note(b.holders, e)
		if e.State == store.Present && e.Doubt.IsZero() && within(now, e.Sent, b.worker.Straggler) {
			note(b.lately, e)
		}
	}
	var err error
	b.sent, err = sentRemovals(tx, b.worker.Name, b.target)
	for _, s := range b.sent { // whom something was taken from within the window is counted as one of the people, too
		if !there[s.Account] && now.Sub(time.UnixMilli(s.At)) < b.worker.MaxRemovals.Window {
			there[s.Account] = true
			b.people++
		}
	}
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

// limit holds the whole set if it, with what was sent within the window, is more than the limit. The removal of a
// single person who leaves is never held for the number of others.
func (b *brakes) limit(set []*account, why string, l Limit, leaving bool) {
	planned := map[string]bool{}
	for _, a := range set {
		if len(b.fresh(a)) > 0 {
			planned[a.ID] = true
		}
	}
	now := b.worker.now()
	all := maps.Clone(planned)
	for _, s := range b.sent {
		if s.Leaving == leaving && now.Sub(time.UnixMilli(s.At)) < l.Window {
			all[s.Account] = true
		}
	}
	if len(planned) == 0 || leaving && len(planned) == 1 || len(all) <= max(l.Count, l.Percent*b.people/100) {
		return
	}
	for _, a := range set {
		for _, role := range b.fresh(a) {
			b.hold(a, role, why)
		}
	}
}

// commit takes what is held out of the visit and writes holds that are new, and those that are over because their
// grant is wanted again or their reason is gone.
func (b *brakes) commit(ctx context.Context, v *visitWork) error {
	w := b.worker
	changed := false
	for _, a := range v.accounts {
		for role, e := range a.mine {
			changed = changed || e.Hold != "" && b.held[a][role] != e.Why || a.keeps(role, e)
		}
		for role, why := range b.held[a] {
			changed = changed || a.mine[role].Why != why
		}
	}
	ids := map[string]string{}
	if changed {
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			ids = maps.Clone(b.open)
			return b.write(tx, v, ids)
		})
		if err != nil {
			return fmt.Errorf("recording what is held: %w", err)
		}
	}
	for a, roles := range b.held {
		a.remove = slices.DeleteFunc(a.remove, func(role string) bool { return roles[role] != "" })
		a.replace = false
		for role, why := range roles {
			a.park, a.reason = store.Held, a.mine[role].Hold
			if a.reason == "" {
				a.reason = ids[why]
			}
		}
	}
	return nil
}

// keeps says whether a grant that was to be removed, or was let go, is wanted again: the next removal is a new one.
func (a *account) keeps(role string, e store.Entry) bool {
	_, want := a.want[role]
	return want && e.State == store.Present && (!e.Wanted || e.Approved || e.Hold != "")
}

func (b *brakes) write(tx store.Tx, v *visitWork, ids map[string]string) error {
	w, now, released := b.worker, b.worker.now(), map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(v.accounts)) {
		a := v.accounts[id]
		for _, role := range slices.Sorted(maps.Keys(a.mine)) {
			e, why, held := a.mine[role], b.held[a][role], false
			switch {
			case why != "" && e.Why != why:
				if ids[why] == "" {
					n, err := tx.Ledger(w.Name).NextAttempt()
					if err != nil {
						return err
					}
					ids[why] = w.Name + "-" + strconv.FormatUint(n, 10)
				}
				e.Hold, e.Why, e.HeldSince, e.Approved, held = ids[why], why, now, false, true
			case why == "" && a.keeps(role, e):
				released[e.Hold] = true
				e.Hold, e.Why, e.HeldSince, e.Approved, e.Wanted = "", "", time.Time{}, false, true
			case why == "" && e.Hold != "":
				released[e.Hold] = true
				e.Hold, e.Why, e.HeldSince = "", "", time.Time{}
			default:
				continue
			}
			current, err := tx.Ledger(w.Name).Entry(e.Target, e.Account, e.Role)
			if errors.Is(err, store.ErrNotFound) || current.Attempt != e.Attempt || current.Hold != a.mine[role].Hold || current.Approved != a.mine[role].Approved {
				continue // another decision was quicker
			}
			if err != nil {
				return err
			}
			if err := tx.Ledger(w.Name).PutEntry(e); err != nil {
				return err
			}
			if !held {
				continue
			}
			if _, err := tx.Events().Append(initiated(w.holdEvent("hold", e, now), a.origin)); err != nil {
				return err
			}
		}
	}
	if delete(released, ""); len(released) == 0 {
		return nil
	}
	return w.wake(tx, now, func(m store.Mark) bool { return m.State == store.Held && released[m.Reason] }) // they may be about others
}

func (w *Worker) holdEvent(kind string, e store.Entry, now time.Time) store.Event {
	return store.Event{At: now, Type: kind, Actor: "bridge", Backend: w.Name, Target: e.Target, Account: e.Account, Role: e.Role, Name: e.Key, Detail: e.Hold + " " + e.Why}
}

// sentRemoval is a removal that a limit counts for as long as its window lasts.
type sentRemoval struct {
	Account string `json:"a"`
	At      int64  `json:"t"` // milliseconds of the epoch
	Leaving bool   `json:"l,omitempty"`
}

func sentKey(name, target string) string { return "removals/" + name + "/" + target }

func sentRemovals(tx store.Tx, name, target string) (out []sentRemoval, err error) {
	raw := tx.Setting(sentKey(name, target))
	if raw == nil {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("reading what was removed lately: %w", err)
	}
	return out, nil
}

// countRemovals remembers, in the transaction that records the attempt, whom a call takes something from.
func (w *Worker) countRemovals(tx store.Tx, s step, now time.Time) error {
	var more []sentRemoval
	for _, c := range s.delta.Changes {
		if a := s.accounts[c.Account.ID]; a.counts && len(a.remove) > 0 && c.Op != backend.Add {
			more = append(more, sentRemoval{a.ID, now.UnixMilli(), a.offboarded})
		}
	}
	if len(more) == 0 {
		return nil
	}
	old, err := sentRemovals(tx, w.Name, s.delta.Target)
	if err != nil {
		return err
	}
	window := max(w.MaxRemovals.Window, w.MaxOffboardings.Window)
	old = slices.DeleteFunc(old, func(r sentRemoval) bool {
		return now.Sub(time.UnixMilli(r.At)) >= window || slices.ContainsFunc(more, func(m sentRemoval) bool { return m.Account == r.Account && m.Leaving == r.Leaving })
	})
	raw, err := json.Marshal(append(old, more...))
	if err != nil {
		return fmt.Errorf("remembering what was removed: %w", err)
	}
	return tx.SetSetting(sentKey(w.Name, s.delta.Target), raw)
}
