package delivery_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// What must be so when a user leaves and is to lose more than roles. Each of these was wrong once.

var betas = mapping.Rule{Groups: []string{"Betas"}, Backend: "vt", Target: "beta", Roles: []string{"ADMIN"}}

// leavers is a world of n admins of two targets who lose more than roles when they leave.
func leavers(t *testing.T, n int, mode view.Mode) *world {
	t.Helper()
	w := full(t, n, betas)
	w.config = func(d configured) { d.Offboard, d.Mode = true, mode }
	w.restart()
	w.group("okta", "Betas")
	for i := range n {
		w.join("okta", fmt.Sprint("u", i), "Betas")
	}
	w.pass(3 * time.Minute)
	w.calls()
	return w
}

// everywhere marks a user as package scim does when they leave.
func (w *world) everywhere(idp, id string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		return tx.Work("vt").TouchUrgent(store.AnyTarget, w.clock, w.by(idp), store.Subject{IdP: idp, User: id})
	})
}

// remove deletes a user, as package scim does.
func (w *world) remove(idp, id string) {
	w.t.Helper()
	w.update(func(tx store.Tx) error {
		for g, err := range tx.Directory(idp).GroupsOf(id) {
			if err != nil {
				return err
			}
			for _, t := range w.rules.Targets(idp, g) {
				if err := tx.Work(t.Backend).TouchUrgent(t.Target, w.clock, w.by(idp), store.Subject{IdP: idp, User: id}); err != nil {
					return err
				}
			}
		}
		return tx.Directory(idp).DeleteUser(id)
	})
	w.everywhere(idp, id)
}

// expectSomehow is expectCalls in any order: targets have none.
func (w *world) expectSomehow(want ...string) {
	w.t.Helper()
	got := w.calls()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.t.Errorf("calls %q, want %q", got, want)
	}
}

func TestALeaverWhoMustWaitKeepsNobodyWaiting(t *testing.T) {
	for _, one := range []bool{false, true} { // one list of people for all targets: an account is ended once
		w := leavers(t, 4, view.Sync)
		w.vendor.one = one
		w.vendor.gone["beta"] = true
		w.deactivate("okta", "u0")
		for range 100 { // no time passes: it comes to rest
			next, err := w.worker.RunOnce(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if next.IsZero() || next.After(w.clock) {
				break
			}
		}
		if n := len(w.vendor.calls); n > 12 {
			t.Errorf("%d calls while no time passed: %q", n, w.vendor.calls[:12])
		}
		w.leave("okta", "u1", "Admins")
		w.pass(time.Minute)
		w.expect("acme/a2=ADMIN acme/a3=ADMIN beta/a0=ADMIN beta/a1=ADMIN beta/a2=ADMIN beta/a3=ADMIN")
		w.vendor.gone["beta"] = false
		w.calls()
		w.pass(time.Hour)
		w.expectCalls("remove beta: a0=ADMIN", "offboard beta: a0")
		w.expectCounts("pending 0, blocked 0, held 0")
	}
}

func TestObservingEndsNobodyAndRests(t *testing.T) {
	for _, mode := range []view.Mode{view.Observe, view.AddOnly} {
		w := leavers(t, 2, view.Sync)
		w.config = func(d configured) { d.Offboard, d.Mode = true, mode }
		w.restart()
		w.pass(time.Minute)
		w.deactivate("okta", "u0")
		w.pass(time.Minute)
		w.expectCalls()
		w.expectCounts("pending 0, blocked 0, held 0")
	}
}

func TestARefusedEndKeepsNobodyWaiting(t *testing.T) {
	for _, kind := range []*backend.Error{failure(backend.Rejected, 400), failure(backend.Unauthorized, 403), failure(backend.Transient, 503)} {
		w := leavers(t, 4, view.Sync)
		for range 100 {
			w.vendor.ends = append(w.vendor.ends, kind)
		}
		w.deactivate("okta", "u0")
		w.pass(10 * time.Second)
		w.leave("okta", "u1", "Admins")
		w.deactivate("okta", "u2")
		w.pass(10 * time.Second)
		w.expect("acme/a3=ADMIN beta/a1=ADMIN beta/a3=ADMIN")
		w.vendor.ends = nil
		w.calls()
		w.pass(time.Hour)
		w.expectCounts("pending 0, blocked 0, held 0")
		if got := w.calls(); len(got) != 4 {
			t.Errorf("calls %q, want each of two to be ended on two targets", got)
		}
	}
}

func TestTheDeletedAreEnded(t *testing.T) {
	w := leavers(t, 4, view.Sync)
	w.leave("okta", "u3", "Admins")
	w.leave("okta", "u3", "Betas")
	w.pass(time.Minute)
	w.calls()
	w.remove("okta", "u3") // who has no roles any more
	w.pass(time.Minute)
	w.expectSomehow("offboard acme: a3", "offboard beta: a3")
	w.remove("okta", "u0")
	w.pass(time.Minute)
	w.expectSomehow("remove acme: a0=ADMIN", "offboard acme: a0", "remove beta: a0=ADMIN", "offboard beta: a0")
	w.leave("okta", "u1", "Admins")
	w.leave("okta", "u1", "Betas")
	w.pass(time.Minute)
	w.expectSomehow("remove acme: a1=ADMIN", "remove beta: a1=ADMIN")
	w.deactivate("okta", "u1")
	w.everywhere("okta", "u1")
	w.pass(time.Minute)
	w.expectSomehow("offboard acme: a1", "offboard beta: a1")
	w.expectCounts("pending 0, blocked 0, held 0")
	w.user("okta", "u1", "u1@example.com", true) // and back
	w.vendor.people["u1@example.com"] = "b1"
	w.join("okta", "u1", "Admins")
	w.pass(time.Minute)
	w.expect("acme/a2=ADMIN acme/b1=ADMIN beta/a2=ADMIN")
	w.deactivate("okta", "u1")
	w.calls()
	w.pass(time.Minute)
	w.expectCalls("remove acme: b1=ADMIN", "offboard acme: b1")
}

func TestWhoLeavesWhileHeldGoes(t *testing.T) {
	w := full(t, 50)
	w.leaveAll(0, 50)
	w.pass(time.Minute)
	w.hold("empties_role", 50)
	w.update(func(tx store.Tx) error {
		u, err := tx.Directory("okta").User("u0")
		if err != nil {
			return err
		}
		u.Active = false
		return tx.Directory("okta").PutUser(u)
	})
	w.everywhere("okta", "u0")
	w.pass(time.Minute)
	w.expectCalls("remove acme: a0=ADMIN")
	w.remove("okta", "u1")
	w.pass(time.Minute)
	w.expectCalls("remove acme: a1=ADMIN")
	w.hold("empties_role", 48)
}

func TestAnUnansweredInvitationIsMadeAgainInAnHour(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Invite = true }
	w.restart()
	w.vendor.people["root@example.com"] = "root"
	w.vendor.ends = []*backend.Error{failure(backend.Transient, 503)}
	w.group("okta", "Admins")
	w.user("okta", "new", "new@example.com", true)
	w.join("okta", "new", "Admins")
	w.pass(30 * time.Minute)
	w.expectCalls("invite acme: new@example.com")
	w.pass(24 * time.Hour)
	w.expectCalls("invite acme: new@example.com")
}

func TestARefusedInvitationDelaysNobody(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Invite = true }
	w.restart()
	w.vendor.people["root@example.com"] = "root"
	for range 6 {
		w.vendor.ends = append(w.vendor.ends, failure(backend.Rejected, 400))
	}
	w.group("okta", "Admins")
	for i := range 7 {
		w.user("okta", fmt.Sprint("n", i), fmt.Sprintf("n%d@example.com", i), true)
		w.join("okta", fmt.Sprint("n", i), "Admins")
	}
	w.pass(time.Minute)
	if n := len(w.calls()); n != 7 {
		t.Errorf("%d invitations within a minute, want 7", n)
	}
}
