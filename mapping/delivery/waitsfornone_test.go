package delivery_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/where"
)

// unseen is a vendor that cannot be read, or whose list of accounts is missing.
type unseen struct {
	*vendor
	fails, gone bool
}

func (u *unseen) Observe(ctx context.Context, target string) (backend.Observation, error) {
	if u.fails {
		return backend.Observation{}, &backend.Error{Kind: backend.Transient, Doing: "reading", Status: 500}
	}
	return u.vendor.Observe(ctx, target)
}

func (u *unseen) Resolve(ctx context.Context, target string, keys []string) (map[string]backend.Account, error) {
	if u.gone {
		return nil, &backend.Error{Kind: backend.Missing, Doing: "listing", Status: 404}
	}
	return u.vendor.Resolve(ctx, target, keys)
}

// TestNoRevocationWaitsForTheReadOfAnEnd: a membership that ends only after a read keeps no other user waiting.
func TestNoRevocationWaitsForTheReadOfAnEnd(t *testing.T) {
	for name, leaves := range map[string]func(*world){
		"leaves the group": func(w *world) { w.leave("okta", "u1", "Admins") },
		"is deactivated":   func(w *world) { w.deactivate("okta", "u1") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, second)
			v := &unseen{vendor: w.vendor}
			w.vendor.admin = "ADMIN"
			w.config = func(d configured) { d.Backend, d.Offboard = v, true }
			w.restart()
			team(w, 3, "Admins")
			for _, u := range []string{"u0", "u1", "u2"} {
				w.join("okta", u, "Admins")
			}
			w.pass(10 * time.Minute)
			v.fails = true
			w.deactivate("okta", "u0")
			w.pass(10 * time.Minute)
			leaves(w)
			w.pass(10 * time.Minute)
			w.expect("acme/a2=REVIEWER")
			w.calls()
			v.fails = false
			w.pass(time.Hour)
			if calls := w.calls(); !slices.Contains(calls, "offboard acme: a0") {
				t.Errorf("the membership never ended: %v", calls)
			}
		})
	}
}

// TestChangedRulesOfAMissingTarget: a target that is missing for a while takes nothing away afterwards, either.
func TestChangedRulesOfAMissingTarget(t *testing.T) {
	w := newWorld(t, admins, second)
	v := &unseen{vendor: w.vendor}
	w.config = func(d configured) { d.Where, d.Backend = where.Compile, v }
	w.restart()
	team(w, 2, "Admins")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Admins")
	w.user("okta", "u2", "unknown@example.com", true)
	w.join("okta", "u2", "Admins")
	w.pass(10 * time.Minute)
	v.gone = true
	w.reloads(admins)
	w.pass(time.Minute)
	v.gone = false
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN,REVIEWER acme/a1=ADMIN,REVIEWER")
	w.hold("changed_rules", 2)
}

// TestAllowedRevocationsOfOtherRules: what an operator let go of one file is not for another, nor for the same file later.
func TestAllowedRevocationsOfOtherRules(t *testing.T) {
	third := second
	third.Roles = []string{"THIRD"}
	w := ruled(t, 2, admins, second)
	w.allow() // of a file that changes nothing
	w.pass(time.Hour)
	w.reloads(admins, third)
	w.pass(time.Hour)
	w.calls()
	w.reloads(admins, second)
	w.pass(time.Hour)
	w.expectCalls()
	w.hold("changed_rules", 2)
}

// TestNoRoundsForAPausedTarget: a vendor that is away after a reload costs a round now and then.
func TestNoRoundsForAPausedTarget(t *testing.T) {
	w := ruled(t, 1, admins, second)
	for range 100 {
		w.vendor.answers = append(w.vendor.answers, answer{err: &backend.Error{Kind: backend.Throttled, Doing: "changing roles", Status: 429}})
	}
	third := second
	third.Roles = []string{"THIRD"}
	w.reloads(admins, second, third)
	rounds := 0
	for end := w.clock.Add(10 * time.Minute); w.clock.Before(end); rounds++ {
		next, err := w.worker.RunOnce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if next.IsZero() {
			break
		}
		w.clock = next
	}
	if rounds > 200 {
		t.Errorf("%d rounds in ten minutes", rounds)
	}
}

// TestNoInvitationForWhoLeftMeanwhile: the visit that asks for accounts may take long.
func TestNoInvitationForWhoLeftMeanwhile(t *testing.T) {
	w := newWorld(t, admins)
	first := true
	v := &interruptedInvite{vendor: w.vendor}
	w.config = func(d configured) { d.Invite, d.Backend = true, v }
	v.before = func() {
		if first {
			first = false
			w.leave("okta", "u1", "Admins")
		}
	}
	w.restart()
	w.vendor.people["other@example.com"] = "o"
	w.group("okta", "Admins")
	w.user("okta", "u0", "a@example.com", true)
	w.user("okta", "u1", "b@example.com", true)
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Admins")
	w.pass(time.Minute)
	w.expectCalls("invite acme: a@example.com")
}

// interruptedInvite does something before an invitation.
type interruptedInvite struct {
	*vendor
	before func()
}

func (i *interruptedInvite) Invite(ctx context.Context, target, email string) error {
	i.before()
	return i.vendor.Invite(ctx, target, email)
}
