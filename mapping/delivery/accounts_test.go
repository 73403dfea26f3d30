package delivery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// A user without an account is invited once, and not again for seven days.
func TestAnInvitationIsNotRepeated(t *testing.T) {
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Invite = true }
	w.restart()
	w.vendor.people["root@example.com"] = "root"
	w.group("okta", "Admins")
	w.user("okta", "new", "new@example.com", true)
	w.join("okta", "new", "Admins")
	w.pass(24 * time.Hour)
	w.expectCalls("invite acme: new@example.com")
	w.expectCounts("pending 0, blocked 1, held 0")
	w.restart()
	w.leave("okta", "new", "Admins")
	w.join("okta", "new", "Admins")
	w.pass(5 * 24 * time.Hour)
	w.expectCalls()
	w.pass(2 * 24 * time.Hour)
	w.expectCalls("invite acme: new@example.com")
	w.vendor.people["new@example.com"] = "n" // accepted
	w.pass(7 * time.Hour)
	w.expect("acme/n=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestNoInvitationUnlessConfigured(t *testing.T) {
	for _, mode := range []view.Mode{view.Sync, view.Observe} {
		w := newWorld(t, admins)
		w.config = func(d configured) { d.Mode, d.Invite = mode, mode == view.Observe }
		w.restart()
		w.group("okta", "Admins")
		w.user("okta", "new", "new@example.com", true)
		w.join("okta", "new", "Admins")
		w.pass(24 * time.Hour)
		w.expectCalls()
	}
}

// A user who leaves loses the roles first and then the membership, which is tried until it is ended.
func TestWhoLeavesIsOffboarded(t *testing.T) {
	w := full(t, 4)
	w.config = func(d configured) { d.Offboard, d.Protect = true, []string{"u2@example.com"} }
	w.restart()
	w.pass(2 * time.Minute) // the links are no longer young
	w.vendor.ends = []*backend.Error{failure(backend.Transient, 503)}
	w.deactivate("okta", "u0")
	w.pass(time.Minute)
	w.expectCalls("remove acme: a0=ADMIN", "offboard acme: a0", "offboard acme: a0")
	w.leave("okta", "u1", "Admins") // is no off-boarding
	w.deactivate("okta", "u2")      // is protected
	w.pass(time.Minute)
	w.expectCalls("remove acme: a1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 1")
	w.expect("acme/a2=ADMIN acme/a3=ADMIN")
}

// invitedAgain has a user whose membership was ended, and who came back and was invited again: the earlier invitation was for the one
// that is over.
func invitedAgain(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, admins)
	w.config = func(d configured) { d.Invite, d.Offboard = true, true }
	w.restart()
	w.vendor.people["root@example.com"] = "root"
	w.group("okta", "Admins")
	w.user("okta", "new", "new@example.com", true)
	w.join("okta", "new", "Admins")
	w.pass(time.Minute)
	w.vendor.people["new@example.com"] = "n" // accepted
	w.pass(24 * time.Hour)
	w.expect("acme/n=ADMIN")
	w.calls()
	w.deactivate("okta", "new")
	w.pass(time.Minute)
	w.expectCalls("remove acme: n=ADMIN", "offboard acme: n")
	delete(w.vendor.people, "new@example.com")
	w.user("okta", "new", "new@example.com", true)
	w.pass(time.Minute)
	w.expectCalls("invite acme: new@example.com")
	return w
}

func TestWhoComesBackIsInvitedAgain(t *testing.T) {
	w := invitedAgain(t)
	w.vendor.people["new@example.com"] = "n"
	w.pass(24 * time.Hour)
	w.expectCalls("add acme: n=ADMIN")
}

// TestAnOffboardingThatMayBeDone is on record before its call: a user who comes back after one without
// a clean answer gets nothing while it may take effect. Then the user is looked up, and invited again,
// since the earlier invitation was for what may be over.
func TestAnOffboardingThatMayBeDone(t *testing.T) {
	unclear, refused := &backend.Error{Kind: backend.Transient, Doing: "ending a membership"}, &backend.Error{Kind: backend.Rejected, Doing: "ending a membership", Status: 400}
	for name, c := range map[string]struct {
		admin   string
		answers []*backend.Error
		restart bool
	}{
		"no clean answer":                       {answers: []*backend.Error{unclear}},
		"an administrator is looked up at once": {answers: []*backend.Error{unclear}, admin: "ADMIN"},
		"then a refusal":                        {answers: []*backend.Error{unclear, refused}},
		"then a clean answer":                   {answers: []*backend.Error{unclear, nil}},
		"then a restart":                        {answers: []*backend.Error{unclear}, restart: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := invitedAndGranted(t, c.admin)
			w.vendor.ends = c.answers
			w.deactivate("okta", "new")
			w.pass(time.Duration(len(c.answers)-1) * 5 * time.Second)
			want := []string{"remove acme: a9=ADMIN"}
			for range c.answers {
				want = append(want, "offboard acme: a9")
			}
			w.expectCalls(want...)
			delete(w.vendor.people, "new@example.com")
			w.user("okta", "new", "new@example.com", true)
			if c.restart {
				w.clock = w.clock.Add(time.Minute)
				w.restart()
			}
			w.pass(time.Minute)
			w.expectCalls() // it may still take effect
			w.pass(10 * time.Minute)
			w.expectCalls("invite acme: new@example.com")
		})
	}
}

// invitedAndGranted has a user with a role whose account was requested by the bridge.
func invitedAndGranted(t *testing.T, admin string) *world {
	w := newWorld(t, mapping.Rule{Groups: []string{"Admins"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}})
	w.vendor.admin = admin
	w.config = func(d configured) { d.Invite, d.Offboard = true, true }
	w.restart()
	w.user("okta", "new", "new@example.com", true)
	w.user("okta", "u2", "u2@example.com", true)
	w.vendor.people["u2@example.com"] = "a2"
	w.group("okta", "Admins")
	w.join("okta", "u2", "Admins")
	w.join("okta", "new", "Admins")
	w.pass(time.Minute)
	w.vendor.people["new@example.com"] = "a9"
	w.pass(24 * time.Hour)
	w.expect("acme/a2=ADMIN acme/a9=ADMIN")
	w.calls()
	return w
}

// TestAnInterruptedOffboarding is one whose answer was not recorded: it may be done.
func TestAnInterruptedOffboarding(t *testing.T) {
	w := invitedAndGranted(t, "")
	disk, vendor := &fullStore{Store: w.store}, &hooked{vendor: w.vendor}
	w.config = func(d configured) { d.Store, d.Backend, d.Invite, d.Offboard = disk, vendor, true, true }
	w.restart()
	vendor.offboard = func() { disk.refuse.Store(1) }
	w.deactivate("okta", "new")
	var err error
	for range 3 { // the revocation, then the listing and the end
		if err == nil {
			_, err = w.worker.RunOnce(t.Context())
		}
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("the outcome is recorded: %v", err)
	}
	w.expectCalls("remove acme: a9=ADMIN", "offboard acme: a9")
	delete(w.vendor.people, "new@example.com")
	w.user("okta", "new", "new@example.com", true)
	w.restart()
	w.pass(time.Minute)
	w.expectCalls()
	w.pass(10 * time.Minute)
	w.expectCalls("invite acme: new@example.com")
}

// TestOffboardingRevokesFirst sends the revocation before any read that only the end of the membership
// needs: whether the account administers the target, and whose the account is by now.
func TestOffboardingRevokesFirst(t *testing.T) {
	for name, admin := range map[string]string{"an old listing": "", "a target with administrators": "ADMIN"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, mapping.Rule{Groups: []string{"Staff"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}})
			w.vendor.admin = admin
			w.config = func(d configured) { d.Offboard = true }
			w.restart()
			w.group("okta", "Staff")
			for _, name := range []string{"ada", "bob"} {
				w.user("okta", name, name+"@example.com", true)
				w.vendor.people[name+"@example.com"] = "of-" + name
				w.join("okta", name, "Staff")
			}
			w.pass(24 * time.Hour)
			w.vendor.calls = nil
			w.deactivate("okta", "ada")
			w.pass(0)
			if calls := w.vendor.calls; len(calls) < 3 || calls[0] != "remove acme: of-ada=SCAN" || calls[len(calls)-1] != "offboard acme: of-ada" {
				t.Errorf("the calls are %q", calls)
			}
		})
	}
}
