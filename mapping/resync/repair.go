package resync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/lookup"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// Each resync compares the desired grants of everybody with the ledger. A difference that has no mark is a defect of the bridge:
// it is marked, counted and logged, so that no role stays wrong.

// netPass is the comparison that is under way: users first, then the accounts of the ledger, in bounded parts.
type netPass struct {
	idps     []string // still to be read; nil: not begun
	begun    bool
	after    uint64        // place of the last user that was read
	accounts []memory.Spot // of the ledger, still to be read
	ledger   bool          // accounts is filled
	logged   int
}

const (
	netPart  = 500 // users or accounts in one View
	netParts = 8   // Views in one round: what is due has its turn in between
	netLines = 20  // defects that are logged one by one
)

// defect is a subject whose grants on a target are wrong, and that nothing marks.
type defect struct {
	target  string
	subject store.Subject
}

// Continue goes on with the comparison.
func (w *Repair) Continue(ctx context.Context) error {
	if w.net != nil && w.ModeNow() == view.Observe {
		w.net = nil
	}
	for range netParts {
		if w.net == nil || w.UrgentDue(ctx) {
			return nil
		}
		if err := w.repairPart(ctx); err != nil {
			return fmt.Errorf("comparing directory and ledger: %w", err)
		}
	}
	return nil
}

func (w *Repair) repairPart(ctx context.Context) error {
	var defects []defect
	next := *w.net
	err := w.Store.View(ctx, func(tx store.Tx) (err error) {
		next, defects = *w.net, nil
		if !next.begun {
			next.begun, next.idps = true, tx.IdPs()
		}
		switch {
		case len(next.idps) > 0:
			defects, err = w.wrongUsers(tx, &next)
		case !next.ledger:
			next.ledger = true
			next.accounts, err = w.ledgerAccounts(tx)
		default:
			n := min(netPart, len(next.accounts))
			defects, err = w.wrongAccounts(tx, next.accounts[:n])
			next.accounts = next.accounts[n:]
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := w.markDefects(ctx, defects, &next); err != nil {
		return err
	}
	w.net = &next
	if next.ledger && len(next.accounts) == 0 {
		w.net = nil
	}
	return nil
}

// wrongUsers reads a part of the users and returns those who lack something without a mark.
func (w *Repair) wrongUsers(tx store.Tx, n *netPass) (out []defect, err error) {
	idp, read := n.idps[0], 0
	dir := tx.Directory(idp)
	last := ""
	for u, err := range dir.Users(store.From{AfterPlace: n.after}) {
		if err != nil {
			return nil, err
		}
		last = u.ID
		more, err := w.lacks(tx, store.Subject{IdP: idp, User: u.ID}, u)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
		if read++; read == netPart {
			n.after, err = dir.Place(last)
			return out, err
		}
	}
	n.idps, n.after = n.idps[1:], 0
	return out, nil
}

// lacks lists the targets on which a user should have something that the ledger does not say, and that nothing marks.
func (w *Repair) lacks(tx store.Tx, s store.Subject, u store.User) (out []defect, err error) {
	if !u.Active {
		return nil, nil
	}
	var groups []store.Group
	for g, err := range tx.Directory(s.IdP).GroupsOf(s.User) {
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 {
		return nil, nil
	}
	link, err := tx.Accounts(w.Name).Link(s.IdP, s.User)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	missing := map[string]bool{}
	for _, g := range w.Bound(tx).Desired(s.IdP, u, groups) {
		if g.Target.Backend != w.Name || missing[g.Target.Target] {
			continue
		}
		right := false
		if link.Account != "" && link.Key == w.Key(u) {
			e, err := tx.Ledger(w.Name).Entry(g.Target.Target, link.Account, g.Role)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			right = err == nil && e.State == store.Present
			c, err := tx.Accounts(w.Name).Cached(w.Listing(g.Target.Target), link.Key)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			right = right && (err != nil || c.ID == link.Account) // what the vendor showed is taken in
		}
		if right {
			continue
		}
		missing[g.Target.Target] = true
		marked, err := w.marked(tx, g.Target.Target, store.Subject{Account: link.Account}, s)
		if err != nil {
			return nil, err
		}
		if !marked {
			out = append(out, defect{g.Target.Target, s})
		}
	}
	return out, nil
}

// ledgerAccounts lists what the ledger has entries of.
func (w *Repair) ledgerAccounts(tx store.Tx) (out []memory.Spot, err error) {
	for e, err := range tx.Ledger(w.Name).Entries("", "") {
		if err != nil {
			return nil, err
		}
		if s := (memory.Spot{Target: e.Target, Account: e.Account}); len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	targets, err := w.Named(tx)
	if err != nil {
		return nil, err
	}
	slices.Sort(targets)
	for _, t := range slices.Compact(targets) {
		out = append(out, memory.Spot{Target: t, Account: store.TargetSettings})
	}
	return out, nil
}

// wrongAccounts returns those accounts that have something that is not wanted, or targets without the permission sets that are,
// without a mark.
func (w *Repair) wrongAccounts(tx store.Tx, accounts []memory.Spot) (out []defect, err error) {
	sets := slices.ContainsFunc(w.InForce().Of(w.Name), func(r mapping.Rule) bool { return len(r.PermissionSets) > 0 })
	for _, s := range accounts {
		if s.Account == store.TargetSettings && !sets {
			continue
		}
		a := view.NewAccount(s.Account)
		if err := w.Load(tx, s.Target, s.Account, a, nil); err != nil {
			return nil, err
		}
		differs := plan.Compare(a.Account)
		unheld := func(role string) bool { return a.Ledger[role].Hold == "" }
		wrong := w.ModeNow() == view.Sync && (len(differs.GiveBack) > 0 || slices.ContainsFunc(differs.Remove, unheld))
		if s.Account == store.TargetSettings {
			wrong = len(differs.Add) > 0 || w.ModeNow() == view.Sync && len(differs.Remove) > 0
		}
		if !wrong {
			continue
		}
		marked, err := w.marked(tx, s.Target, store.Subject{Account: s.Account}, a.Subjects()...)
		if err != nil {
			return nil, err
		}
		if !marked {
			out = append(out, defect{s.Target, store.Subject{Account: s.Account}})
		}
	}
	return out, nil
}

// marked says whether a mark will have the grants of an account, or of its users, looked at on a target.
func (w *Repair) marked(tx store.Tx, target string, account store.Subject, users ...store.Subject) (bool, error) {
	work := tx.Work(w.Name)
	subjects := append([]store.Subject{{}}, users...)
	if account.Account != "" {
		subjects = append(subjects, account)
	}
	for _, at := range []string{target, store.AnyTarget} {
		for _, s := range subjects {
			if _, err := work.Mark(at, s); err == nil || !errors.Is(err, store.ErrNotFound) {
				return err == nil, err
			}
		}
		for m, err := range work.Marks(at) { // an event names its users, which have no marks of their own
			if err != nil || m.Subject.Event != 0 {
				return err == nil, err
			}
		}
	}
	return false, nil
}

// markDefects marks what nothing had marked.
func (w *Repair) markDefects(ctx context.Context, defects []defect, n *netPass) error {
	if len(defects) == 0 {
		return nil
	}
	err := w.Store.Update(ctx, func(tx store.Tx) error {
		for _, d := range defects {
			if err := tx.Work(w.Name).Touch(d.target, w.Clock(), w.ByResync(), d.subject); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range defects {
		w.Repaired()
		if n.logged++; n.logged <= netLines {
			w.Log.Warn("defect: grants differ from the directory and nothing had marked that; they are delivered now, please report it", "backend", w.Name,
				"target", d.target, "identity_provider", d.subject.IdP, "user", d.subject.User, "account", memory.Label(d.subject.Account))
		}
	}
	return nil
}

// Repair compares the directory with the ledger, in parts.
type Repair struct {
	*lookup.Finder
	Repaired func() // a difference that nothing had marked

	net *netPass // the comparison that is under way; nil: none
}
