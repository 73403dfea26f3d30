package plan_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

var now = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// target is a vendor's target and what the bridge knows of it: what a plan is applied to.
type target struct {
	t        *testing.T
	planner  plan.Planner
	accounts map[string]plan.Account
	there    map[plan.Grant]bool // at the vendor
	foreign  map[plan.Grant]bool // of those, what the bridge did not give
	sent     []plan.SentRemoval
}

// snapshot is what a worker would read.
func (x *target) snapshot() plan.Snapshot {
	s := plan.Snapshot{Target: "acme", Accounts: map[string]plan.Account{}, Ledger: plan.NewLedger()}
	seen := backend.Observation{Complete: true, Roles: true, Members: map[string]backend.Account{}, Holders: map[string][]string{}}
	for id, a := range x.accounts {
		s.Accounts[id] = a
		seen.Members[id] = a.Account
		for _, e := range a.Ledger {
			s.Ledger.Take(e, now, x.planner.Straggler)
		}
	}
	for g, there := range x.there {
		if there {
			seen.Holders[g.Account] = append(seen.Holders[g.Account], g.Role)
		}
	}
	s.Seen, s.Ledger.Sent = &seen, x.sent
	return s
}

// apply does what a worker and a vendor do with a plan, every call answered cleanly.
func (x *target) apply(p plan.Plan) {
	for id, d := range p.Decisions {
		ledger := maps.Clone(d.Owned)
		for _, h := range d.Holds {
			e := ledger[h.Role]
			e.Hold, e.Why = "", h.Why
			if h.Why != "" {
				e.Hold = "h-" + h.Why
			}
			e.Wanted = e.Wanted || h.Wanted
			ledger[h.Role] = e
		}
		a := x.accounts[id]
		a.Ledger = ledger
		x.accounts[id] = a
	}
	for _, c := range p.Calls {
		for _, change := range c.Delta.Changes {
			if d := p.Decisions[change.Account.ID]; change.Op == backend.Remove && d.Counts {
				x.sent = append(x.sent, plan.SentRemoval{Account: change.Account.ID, At: now, Leaving: x.accounts[change.Account.ID].Offboarded})
			}
			x.change(change)
		}
		x.change(backend.Change{Account: backend.Account{ID: store.TargetSettings}, Op: backend.Add, Roles: c.Delta.PermissionSetsToAdd})
		x.change(backend.Change{Account: backend.Account{ID: store.TargetSettings}, Op: backend.Remove, Roles: c.Delta.PermissionSetsToRemove})
	}
}

func (x *target) change(c backend.Change) {
	if len(c.Roles) == 0 && c.Op != backend.Replace {
		return
	}
	ledger := x.accounts[c.Account.ID].Ledger
	if c.Op == backend.Replace {
		maps.DeleteFunc(x.there, func(g plan.Grant, _ bool) bool { return g.Account == c.Account.ID })
		clear(ledger)
	}
	for _, role := range c.Roles {
		g := plan.Grant{Account: c.Account.ID, Role: role}
		if c.Op == backend.Remove {
			if x.foreign[g] {
				x.t.Errorf("%+v is foreign and is revoked", g)
			}
			delete(x.there, g)
			delete(ledger, role)
			continue
		}
		x.there[g] = true
		ledger[role] = store.Entry{Target: "acme", Account: g.Account, Role: role, State: store.Present, Wanted: true, Since: now.Add(-time.Hour)}
	}
}

// random makes a target with every kind of account.
func random(t *testing.T, rnd *rand.Rand) *target {
	roles := []string{"ADMIN", "SCAN", "READ"}
	x := &target{t: t, accounts: map[string]plan.Account{}, there: map[plan.Grant]bool{}, foreign: map[plan.Grant]bool{}}
	x.planner = plan.Planner{Mode: plan.Sync, BatchSize: 1 + rnd.IntN(5), Straggler: time.Minute, Traits: backend.Traits{Mixed: rnd.IntN(2) == 0, Replace: true},
		MaxRemovals: plan.Limit{Count: rnd.IntN(8), Percent: rnd.IntN(60), Window: time.Hour}, MaxOffboardings: plan.Limit{Count: rnd.IntN(8), Percent: rnd.IntN(60), Window: time.Hour}}
	if rnd.IntN(2) == 0 {
		x.planner.Traits.AdminRole = "ADMIN"
	}
	if rnd.IntN(3) == 0 {
		x.planner.Protect = []string{"k1", "k2"}
	}
	for i := range 1 + rnd.IntN(14) {
		id := fmt.Sprint("a", i)
		a := plan.Account{Account: backend.Account{ID: id, Key: fmt.Sprint("k", i)}, Want: map[string]plan.Wish{}, Ledger: map[string]store.Entry{},
			Offboarded: rnd.IntN(5) == 0, Asked: now.Add(-time.Duration(rnd.IntN(100)) * time.Second)}
		a.Users = []plan.User{{Subject: store.Subject{IdP: "okta", User: id}}}
		for _, role := range roles {
			g := plan.Grant{Account: id, Role: role}
			if !a.Offboarded && rnd.IntN(2) == 0 {
				a.Want[role] = plan.Wish{Firm: true, Sure: true}
				a.Users[0].Roles = append(a.Users[0].Roles, role)
			}
			switch rnd.IntN(5) {
			case 0, 1:
				x.there[g] = true
				a.Ledger[role] = store.Entry{Target: "acme", Account: id, Role: role, State: store.Present, Wanted: true, Sent: now.Add(-time.Hour)}
			case 2:
				x.there[g] = rnd.IntN(2) == 0
				a.Ledger[role] = store.Entry{Target: "acme", Account: id, Role: role, State: store.Unknown, Wanted: rnd.IntN(2) == 0, Sent: now.Add(-time.Hour)}
			case 3:
				if _, want := a.Want[role]; !want && rnd.IntN(2) == 0 {
					x.there[g], x.foreign[g] = true, true
				}
			}
		}
		x.accounts[id] = a
	}
	return x
}

// TestPlan applies random plans: planning again must give no call, and what is there must be what is
// desired, but for what is held. A hold of the last administrator ends when a plan has made another
// one: then a second plan does the rest.
func TestPlan(t *testing.T) {
	for seed := range uint64(3000) {
		x := random(t, rand.New(rand.NewPCG(seed, 3)))
		first := x.planner.Plan(x.snapshot(), now)
		x.apply(first)
		x.limits(first)
		if x.planner.Traits.AdminRole != "" && slices.ContainsFunc(slices.Collect(maps.Values(first.Decisions)), heldAdmin) {
			first = x.planner.Plan(x.snapshot(), now)
			x.apply(first)
			x.limits(first)
		}
		second := x.planner.Plan(x.snapshot(), now)
		if len(second.Calls) > 0 {
			t.Errorf("not idempotent: the second plan has %+v", second.Calls)
		}
		for id, d := range second.Decisions {
			if len(d.Holds) > 0 {
				t.Errorf("not idempotent: the second plan changes holds of %s: %+v", id, d.Holds)
			}
			if !maps.Equal(d.Held, first.Decisions[id].Held) {
				t.Errorf("what is held of %s changes: %v, then %v", id, first.Decisions[id].Held, d.Held)
			}
		}
		x.compare(second)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func heldAdmin(d plan.Decision) bool { return d.Held["ADMIN"] == plan.LastAdmin }

// compare holds what is there to what is desired.
func (x *target) compare(p plan.Plan) {
	for id, a := range x.accounts {
		for _, role := range []string{"ADMIN", "SCAN", "READ"} {
			g := plan.Grant{Account: id, Role: role}
			_, want := a.Want[role]
			switch there, held := x.there[g], p.Decisions[id].Held[role] != ""; {
			case want && !there:
				x.t.Errorf("not complete: %+v is missing", g)
			case !want && there && !held && !x.foreign[g]:
				x.t.Errorf("not complete: %+v is there", g)
			case held && want:
				x.t.Errorf("%+v is wanted and held", g)
			}
		}
	}
}

// limits holds calls to the brakes: they never revoke from a protected account, and no more accounts
// than the limits allow.
func (x *target) limits(p plan.Plan) {
	ordinary, leaving := map[string]bool{}, map[string]bool{}
	for _, c := range p.Calls {
		if len(c.Delta.Changes) > x.planner.BatchSize {
			x.t.Errorf("a call has %d accounts", len(c.Delta.Changes))
		}
		for _, change := range c.Delta.Changes {
			if change.Op != backend.Remove {
				continue
			}
			if slices.Contains(x.planner.Protect, change.Account.Key) {
				x.t.Errorf("a role is revoked from protected %s", change.Account.Key)
			}
			if !p.Decisions[change.Account.ID].Counts {
				continue
			}
			if x.accounts[change.Account.ID].Offboarded {
				leaving[change.Account.ID] = true
			} else {
				ordinary[change.Account.ID] = true
			}
		}
	}
	n := len(x.accounts) // no fewer than the ledger has
	if len(ordinary) > x.planner.MaxRemovals.Allows(n) || len(leaving) > x.planner.MaxOffboardings.Allows(n) {
		x.t.Errorf("%d revocations and %d off-boardings are sent", len(ordinary), len(leaving))
	}
}

// TestPlanLeavesTheSnapshot alone: two plans of one snapshot are equal.
func TestPlanLeavesTheSnapshot(t *testing.T) {
	for seed := range uint64(500) {
		x := random(t, rand.New(rand.NewPCG(seed, 4)))
		s := x.snapshot()
		if a, b := fmt.Sprintf("%+v", x.planner.Plan(s, now)), fmt.Sprintf("%+v", x.planner.Plan(s, now)); a != b {
			t.Fatalf("seed %d: %s, then %s", seed, a, b)
		}
	}
}

// TestPlanNeeds has plans that cannot be decided yet.
func TestPlanNeeds(t *testing.T) {
	present := store.Entry{Target: "acme", Account: "a1", Role: "ADMIN", State: store.Present, Wanted: true}
	account := func(want bool, e ...store.Entry) map[string]plan.Account {
		a := plan.Account{Account: backend.Account{ID: "a1", Key: "ada"}, Want: map[string]plan.Wish{}, Ledger: map[string]store.Entry{}}
		if want {
			a.Want["ADMIN"] = plan.Wish{Firm: true, Sure: true}
		}
		for _, e := range e {
			a.Ledger[e.Role] = e
		}
		return map[string]plan.Account{"a1": a}
	}
	full := plan.NewLedger()
	full.Take(present, now, time.Minute)
	p := plan.Planner{Mode: plan.Sync, BatchSize: 25, MaxRemovals: plan.Limit{Count: 10}, Traits: backend.Traits{AdminRole: "ADMIN"}}
	for name, c := range map[string]struct {
		s     plan.Snapshot
		needs plan.Needs
		calls string
	}{
		"nothing": {s: plan.Snapshot{Accounts: account(true, present)}},
		"an addition needs no read of the target":        {s: plan.Snapshot{Accounts: account(true)}, calls: "add"},
		"a revocation needs the ledger":                  {s: plan.Snapshot{Accounts: account(false, present)}, needs: plan.Needs{Ledger: true}},
		"that of an admin needs to know who else is one": {s: plan.Snapshot{Accounts: account(false, present), Ledger: full}, needs: plan.Needs{Observation: true}},
		"blind, the ledger must do":                      {s: plan.Snapshot{Accounts: account(false, present), Ledger: full, Blind: true}, calls: "remove"},
	} {
		t.Run(name, func(t *testing.T) {
			got := p.Plan(c.s, now)
			var calls []string
			for _, call := range got.Calls {
				for _, change := range call.Delta.Changes {
					calls = append(calls, change.Op.String())
				}
			}
			if fmt.Sprint(got.Needs) != fmt.Sprint(c.needs) || strings.Join(calls, " ") != c.calls {
				t.Errorf("needs %+v, calls %q; want %+v, %q", got.Needs, calls, c.needs, c.calls)
			}
		})
	}
}
