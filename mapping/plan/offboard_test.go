package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// TestPlanEnds decides about what an account has beyond roles.
func TestPlanEnds(t *testing.T) {
	long := now.Add(-time.Hour)
	ended := func(change func(*plan.Account)) plan.Account {
		a := plan.Account{Account: backend.Account{ID: "a1", Key: "ada"}, Want: map[string]plan.Wish{}, Ledger: map[string]store.Entry{}, Offboarded: true,
			Users:      []plan.User{{Subject: store.Subject{IdP: "okta", User: "u1"}}},
			Membership: &plan.Membership{Theirs: true, Verified: true, Counted: true, Found: []plan.Finding{{Since: long}}}}
		change(&a)
		return a
	}
	role := func(a *plan.Account) {
		a.Ledger["SCAN"] = store.Entry{Target: "acme", Account: "a1", Role: "SCAN", State: store.Present, Wanted: true, Sent: long}
	}
	back := func(a *plan.Account) {
		a.Offboarded, a.Want["SCAN"] = false, plan.Wish{Firm: true, Sure: true}
	}
	for name, c := range map[string]struct {
		account plan.Account
		admin   bool
		blind   bool
		needs   plan.Needs
		calls   string
		end     plan.End
		wait    time.Time
	}{
		"no role is left":            {account: ended(func(*plan.Account) {}), calls: "end", end: plan.End{Call: true}},
		"roles go first":             {account: ended(role), calls: "remove end", end: plan.End{Call: true}},
		"an old listing":             {account: ended(func(a *plan.Account) { a.Membership.Verified = false }), needs: plan.Needs{Listing: []string{"ada"}}},
		"no role waits for it":       {account: ended(func(a *plan.Account) { role(a); a.Membership.Verified = false }), calls: "remove"},
		"who administers":            {account: ended(func(*plan.Account) {}), admin: true, needs: plan.Needs{Observation: true}},
		"nor for that":               {account: ended(role), admin: true, calls: "remove"},
		"blind":                      {account: ended(func(a *plan.Account) { role(a); a.Membership.Verified = false }), admin: true, blind: true, calls: "remove end", end: plan.End{Call: true}},
		"another user's by now":      {account: ended(func(a *plan.Account) { a.Membership.Theirs = false }), end: plan.End{Left: true}},
		"ended before":               {account: ended(func(a *plan.Account) { a.Membership.Over = true }), end: plan.End{Left: true}},
		"roles elsewhere":            {account: ended(func(a *plan.Account) { a.Membership.Elsewhere = true }), end: plan.End{Later: true}},
		"no listing":                 {account: ended(func(a *plan.Account) { a.Membership.Unlisted = true }), end: plan.End{Later: true}},
		"protected":                  {account: ended(func(a *plan.Account) { a.Key = "bob" }), end: plan.End{Left: true}},
		"held":                       {account: ended(func(a *plan.Account) { a.Membership.Hold = "h1" }), end: plan.End{Held: true}},
		"approved":                   {account: ended(func(a *plan.Account) { a.Membership.Hold, a.Membership.Approved = "h1", true }), calls: "end", end: plan.End{Call: true}},
		"found by a changed value":   {account: ended(func(a *plan.Account) { a.Membership.Found[0].Changed = true }), end: plan.End{Held: true, Hold: plan.ChangedValue}},
		"found a moment ago":         {account: ended(func(a *plan.Account) { a.Membership.Found[0].Since = now }), wait: now.Add(time.Minute)},
		"uncounted needs the limit":  {account: ended(func(a *plan.Account) { a.Membership.Counted = false }), needs: plan.Needs{Leavers: true}},
		"back":                       {account: ended(func(a *plan.Account) { back(a); a.Membership.Hold = "h1" }), calls: "add", end: plan.End{Release: true}},
		"back, and may yet be ended": {account: ended(func(a *plan.Account) { back(a); a.Membership.Attempted = now }), wait: now.Add(time.Minute)},
		"back, and may be ended":     {account: ended(func(a *plan.Account) { back(a); a.Membership.Attempted = long }), end: plan.End{Forget: true}},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan.Planner{Mode: plan.Sync, BatchSize: 25, Straggler: time.Minute, Protect: []string{"bob"},
				MaxRemovals: plan.Limit{Count: 10}, MaxOffboardings: plan.Limit{Count: 10}}
			if c.admin {
				p.Traits.AdminRole = "ADMIN"
			}
			s := plan.Snapshot{Target: "acme", Accounts: map[string]plan.Account{"a1": c.account}, Ledger: plan.NewLedger(), Blind: c.blind}
			got := p.Plan(s, now)
			if fmt.Sprint(got.Needs) != fmt.Sprint(c.needs) {
				t.Fatalf("needs %+v, want %+v", got.Needs, c.needs)
			}
			if c.needs.Any() {
				return
			}
			var calls []string
			for _, call := range got.Calls {
				if call.Offboard.ID != "" {
					calls = append(calls, "end")
				}
				for _, change := range call.Delta.Changes {
					calls = append(calls, change.Op.String())
				}
			}
			d := got.Decisions["a1"]
			if strings.Join(calls, " ") != c.calls || d.End != c.end || !d.Wait.Equal(c.wait) {
				t.Errorf("calls %q, end %+v, wait %v; want %q, %+v, %v", calls, d.End, d.Wait, c.calls, c.end, c.wait)
			}
		})
	}
}
