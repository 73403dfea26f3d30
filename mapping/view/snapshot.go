package view

import (
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// Snapshot reads what a plan for the accounts of a visit is made of.
func (w *View) Snapshot(tx store.Tx, target string, v *Visit) (plan.Snapshot, error) {
	now := w.Clock()
	w.Recent.Forget(now, w.Straggler)
	s := plan.Snapshot{Target: target, Accounts: map[string]plan.Account{}, DistrustReadsUntil: w.Recent.Lag,
		Revoked: w.Recent.RevokedOn(target), UnverifiableUntil: map[plan.Grant]time.Time{}}
	for g, until := range w.Recent.Unread {
		if g.Target == target {
			s.UnverifiableUntil[plan.Grant{Account: g.Account, Role: g.Role}] = until
		}
	}
	var speaks func(role string) bool
	for id, a := range v.Accounts {
		if err := w.Load(tx, target, id, a, v.Known); err != nil {
			return s, err
		}
		if err := w.loadSilenced(tx, target, a, &speaks); err != nil {
			return s, err
		}
		a.Asked = a.asked()
		_, a.JustCalled = w.Recent.Touched[memory.Spot{Target: target, Account: id}] // a revocation leaves no entry that would tell
	}
	if err := w.loadMemberships(tx, target, v); err != nil {
		return s, err
	}
	for id, a := range v.Accounts {
		s.Accounts[id] = a.Account
	}
	var err error
	s.Missing, err = w.loadMissing(tx, target, v.Missing)
	return s, err
}

// Summary reads what the brakes measure on the target of a snapshot, and the holds there that may take in more, by
// reason.
func (w *View) Summary(tx store.Tx, s plan.Snapshot) (*plan.Ledger, map[string]memory.OpenHold, error) {
	target, l, open, now := s.Target, plan.NewLedger(), map[string]memory.OpenHold{}, w.Clock()
	shown, err := w.Shown(tx)
	if err != nil {
		return nil, nil, err
	}
	for e, err := range tx.Ledger(w.Name).Entries(target, "") {
		if err != nil {
			return nil, nil, err
		}
		l.Take(e, now, w.Straggler)
		if e.Hold != "" && memory.Within(now, e.HeldSince, memory.HoldGrows) && !slices.Contains(shown, e.Hold) {
			open[e.Why] = memory.OpenHold{ID: e.Hold, Since: e.HeldSince}
		}
	}
	if _, l.Unwritten, err = store.Get(tx, store.PartialHold{Backend: w.Name, Target: target}); err != nil {
		return nil, nil, err
	}
	if s.Replaces() {
		if l.Disowned, err = w.Disowned(tx, target); err != nil {
			return nil, nil, err
		}
	}
	sent, err := memory.SentRemovals(tx, w.Name, target, now)
	for _, r := range sent {
		l.Sent = append(l.Sent, plan.SentRemoval{Account: r.Account, At: r.At, Leaving: memory.ByOffboarding(r), Approved: r.Approved})
	}
	return l, open, err
}
