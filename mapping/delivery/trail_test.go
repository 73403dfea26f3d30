package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// trail returns what the audit trail says of a backend, one line an event.
func (w *world) trail() string {
	w.t.Helper()
	var lines []string
	err := w.store.View(context.Background(), func(tx store.Tx) error {
		lines = nil
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			if e.Backend != "" {
				lines = append(lines, fmt.Sprintf("%s %s/%s %s %s of %s, %s: %s%s (%s)", e.Type, e.IdP, e.Subject, e.Name, e.Role, e.Account, e.Target, strings.Join(e.Causes, " and "), e.Detail, e.Evidence))
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func (w *world) expectTrail(want ...string) {
	w.t.Helper()
	if got := w.trail(); got != strings.Join(want, "\n") {
		w.t.Errorf("the trail tells\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// A grant says from which groups it comes, a revocation why, and both how that is known.
func TestTheTrailTellsFromWhichGroup(t *testing.T) {
	lined := bosses
	lined.Line = 7
	w := newWorld(t, admins, lined)
	team(w, 2, "Admins", "Bosses")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u0", "Bosses")
	w.pass(5 * time.Second)
	w.leave("okta", "u0", "Admins")
	w.leave("okta", "u0", "Bosses")
	w.pass(5 * time.Second)
	w.join("okta", "u1", "Admins")
	w.pass(5 * time.Second)
	w.deactivate("okta", "u1")
	w.pass(5 * time.Second)
	w.expectTrail(
		"grant okta/u0 u0@example.com ADMIN of a0, acme: okta/Admins and okta/Bosses (rule in line 7) (clean answer)",
		"grant okta/u0 u0@example.com SCAN of a0, acme: okta/Bosses (rule in line 7) (clean answer)",
		"revoke okta/u0 u0@example.com ADMIN of a0, acme: okta/Bosses (rule in line 7) and okta/Adminsno group gives it (clean answer)",
		"revoke okta/u0 u0@example.com SCAN of a0, acme: okta/Bosses (rule in line 7)no group gives it (clean answer)",
		"grant okta/u1 u1@example.com ADMIN of a1, acme: okta/Admins (clean answer)",
		"revoke okta/u1 u1@example.com ADMIN of a1, acme: okta/Adminsdeactivated or deleted (clean answer)",
	)
}

// What no answer confirmed and a reading did is in the trail as well, and so is what was taken away by hand.
func TestTheTrailTellsWhatWasRead(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	for range 20 { // until the tries are further apart than the window, and it is read first
		w.vendor.answers = append(w.vendor.answers, answer{apply: true, err: failure(backend.Transient, 502)})
	}
	w.join("okta", "u0", "Admins")
	w.pass(30 * time.Minute)
	w.vendor.answers = nil
	const granted = "grant okta/u0 u0@example.com ADMIN of a0, acme: okta/Admins (no clean answer; read back)"
	w.expectTrail(granted)
	delete(w.vendor.holds["acme/a0"], "ADMIN")
	w.resync()
	w.pass(time.Minute)
	w.expectTrail(granted, "drift.missing / u0@example.com ADMIN of a0, acme:  (read twice)", "grant okta/u0 u0@example.com ADMIN of a0, acme: okta/Admins (clean answer)")
}

// A change that is refused and already so says both.
func TestTheTrailTellsWhatWasRefused(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.vendor.holds["acme/a0"] = map[string]bool{"ADMIN": true}
	w.vendor.refuse["a0/ADMIN"] = true
	w.join("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	w.expectTrail("adopt okta/u0 u0@example.com ADMIN of a0, acme: okta/Admins (refused with 400 InvalidArgumentError; read_back)")
}

// A role that very many groups give names some of them.
func TestTheTrailNamesSoManyGroups(t *testing.T) {
	w := newWorld(t, mapping.Rule{Match: "g.*", Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}})
	team(w, 1)
	for i := range 30 {
		w.group("okta", fmt.Sprint("g", i))
		w.join("okta", "u0", fmt.Sprint("g", i))
	}
	w.pass(5 * time.Second)
	if got := w.trail(); strings.Count(got, " and okta/g") != 19 {
		t.Errorf("%s", got)
	}
}

// TestHoldNamesItsCause: a hold names the group and the rule, as the revocation after it does, also of a rule that is gone.
func TestHoldNamesItsCause(t *testing.T) {
	lined := admins
	lined.Line = 3
	w := newWorld(t, lined)
	w.config = func(d configured) { d.Protect = []string{"u0@example.com"} }
	w.restart()
	team(w, 2, "Admins")
	w.join("okta", "u0", "Admins")
	w.join("okta", "u1", "Admins")
	w.pass(5 * time.Second)
	w.leave("okta", "u0", "Admins")
	w.pass(5 * time.Second)
	const grant = " ADMIN of a0, acme: okta/Admins (rule in line 3)"
	if got := w.trail(); !strings.Contains(got, "hold / u0@example.com"+grant) {
		t.Errorf("the trail tells\n%s", got)
	}
}
