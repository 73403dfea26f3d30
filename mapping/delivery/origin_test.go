package delivery_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// expectAsked wants the trail to tell of the backend, since it was asked last, these events with who asked for them.
func (w *world) expectAsked(want ...string) {
	w.t.Helper()
	var got []string
	err := w.store.View(w.t.Context(), func(tx store.Tx) error {
		got = nil
		for e, err := range tx.Events().Since(w.heard) {
			if err != nil {
				return err
			}
			if w.heard = e.Seq; e.Backend != "" {
				who := []string{e.Type, e.Account, e.Role, "by", e.Initiator, e.Token, e.Request}
				got = append(got, strings.Join(slices.DeleteFunc(who, func(s string) bool { return s == "" }), " "))
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("the trail tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A grant names the newest request that marked the person, whichever way the mark came to the account; what the bridge noticed by
// itself it says.
func TestTheTrailNamesTheRequest(t *testing.T) {
	w := newWorld(t, admins, bosses)
	team(w, 2, "Admins", "Bosses")
	w.asks = "r1"
	w.join("okta", "u0", "Admins")
	w.clock = w.clock.Add(time.Millisecond)
	w.asks = "r2"
	w.join("okta", "u0", "Bosses")
	w.pass(5 * time.Second)
	w.expectAsked("grant a0 ADMIN by okta t1 r2", "grant a0 SCAN by okta t1 r2")

	w.asks = "r3" // the address of another user: what the former account has goes
	w.vendor.people["new@example.com"] = "a9"
	w.user("okta", "u0", "new@example.com", true)
	w.pass(5 * time.Second)
	w.expectAsked("revoke a0 ADMIN by okta t1 r3", "revoke a0 SCAN by okta t1 r3", "grant a9 ADMIN by okta t1 r3", "grant a9 SCAN by okta t1 r3")

	delete(w.vendor.holds["acme/a9"], "SCAN")
	w.vendor.refuse["a9/SCAN"] = true
	w.resync()
	w.pass(20 * time.Second)
	w.expectAsked("drift.missing a9 SCAN by bridge: resync", "grant.refused a9 SCAN by bridge: resync")
	delete(w.vendor.refuse, "a9/SCAN") // the user who is bound to the account has waited in its place
	w.pass(time.Hour)
	w.expectAsked("grant a9 SCAN by bridge: resync")

	w.remap(admins)
	w.worker.RulesChanged()
	w.pass(5 * time.Second)
	w.expectAsked("revoke a9 SCAN by bridge: rules")

	w.asks = "r4"
	w.deactivate("okta", "u0")
	w.pass(5 * time.Second)
	w.expectAsked("revoke a9 ADMIN by okta t1 r4")
}

// A request is remembered over a crash and until doubt has passed, and over the marks that only try again.
func TestTheTrailNamesTheRequestAfterDoubt(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 2, "Admins")
	w.pass(time.Second) // what the first rules mark is older
	for range 20 {
		w.vendor.answers = append(w.vendor.answers, answer{apply: true, err: failure(backend.Transient, 502)})
	}
	w.asks = "r1"
	w.join("okta", "u0", "Admins")
	w.pass(3 * time.Second)
	w.restart()
	w.pass(10 * time.Second)
	w.expectAsked()
	w.pass(30 * time.Minute)
	w.expectAsked("grant a0 ADMIN by okta t1 r1")
	w.vendor.answers = nil
	w.asks = "r2"
	delete(w.vendor.people, "u1@example.com") // has no account yet
	w.join("okta", "u1", "Admins")
	w.pass(time.Minute)
	w.vendor.people["u1@example.com"] = "a1"
	if err := w.desk.Retry(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.expectAsked("grant.refused a1 ADMIN by okta t1 r2", "grant a1 ADMIN by okta t1 r2")
}

// looking is a vendor that is asked for the account of a user, while something happens.
type looking struct {
	*vendor
	during func()
}

func (l *looking) Resolve(ctx context.Context, target string, keys []string) (map[string]backend.Account, error) {
	if f := l.during; f != nil {
		l.during = nil
		f()
	}
	return l.vendor.Resolve(ctx, target, keys)
}

// A request that comes after the marks were read and before the directory is names itself: what it asked for is done with the rest.
func TestTheTrailNamesTheRequestThatCameMeanwhile(t *testing.T) {
	event := func(w *world, people ...string) {
		w.update(func(tx store.Tx) error {
			for _, id := range people {
				if _, err := tx.Directory("okta").AddMembers("Bosses", id); err != nil {
					return err
				}
			}
			seq, err := tx.Events().Append(store.Event{At: w.clock, Type: "group.members", IdP: "okta", Subject: "Bosses", Added: people})
			if err != nil {
				return err
			}
			return tx.Work("vt").Touch("acme", w.clock, w.by("okta"), store.Subject{IdP: "okta", Event: seq})
		})
	}
	for name, test := range map[string]struct {
		during func(w *world)
		want   string
	}{
		"one person":   {func(w *world) { w.join("okta", "u0", "Bosses") }, "r2"},
		"many":         {func(w *world) { event(w, "u1", "u0") }, "r2"},
		"another user": {func(w *world) { event(w, "u1") }, "r1"},
		"everybody": {func(w *world) {
			w.update(func(tx store.Tx) error { return tx.Work("vt").Touch("acme", w.clock, w.by("okta"), store.Subject{}) })
		}, "r2"},
		"another target": {func(w *world) {
			w.update(func(tx store.Tx) error { return tx.Work("vt").Touch("x", w.clock, w.by("okta"), store.Subject{}) })
		}, "r1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, admins, bosses)
			team(w, 2, "Admins", "Bosses")
			w.config = func(d configured) {
				d.Backend = &looking{vendor: w.vendor, during: func() {
					w.asks, w.clock = "r2", w.clock.Add(time.Millisecond)
					test.during(w)
				}}
			}
			w.restart()
			w.asks = "r1"
			w.join("okta", "u0", "Admins")
			w.pass(1500 * time.Millisecond)
			var got []string
			w.update(func(tx store.Tx) error {
				for e, err := range tx.Events().Since(0) {
					if err != nil {
						return err
					}
					if e.Account == "a0" {
						got = append(got, e.Request)
					}
				}
				return nil
			})
			if slices.Sort(got); len(got) == 0 || got[0] != test.want || got[len(got)-1] != test.want {
				t.Errorf("asked for by %q, want %s", got, test.want)
			}
		})
	}
}

// What is done beyond roles names the request as well.
func TestTheTrailNamesTheRequestOfAnInvitation(t *testing.T) {
	w := newWorld(t, admins, mapping.Rule{Groups: []string{"Betas"}, Backend: "vt", Target: "beta", Roles: []string{"SCAN"}})
	w.config = func(d configured) { d.Invite, d.Offboard = true, true }
	w.restart()
	team(w, 2, "Admins")
	w.user("okta", "x", "x@example.com", true)
	w.pass(time.Second)
	w.asks = "r1"
	w.join("okta", "x", "Admins")
	w.pass(5 * time.Second)
	w.expectAsked("invite by okta t1 r1")
	w.vendor.people["x@example.com"] = "ax"
	w.pass(time.Hour)
	w.expectAsked("grant ax ADMIN by okta t1 r1")
	w.asks = "r2"
	w.remove("okta", "x")
	w.pass(time.Hour)
	w.expectAsked("revoke ax ADMIN by okta t1 r2", "offboard ax by okta t1 r2")
}

// A request that was taken by a replica with other rules is named as well.
func TestTheTrailNamesTheRequestFromElsewhere(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 2, "Admins")
	w.pass(time.Second)
	for i, s := range []store.Subject{{IdP: "okta", User: "u0"}, {}} { // of one person, of everybody
		w.asks = []string{"r1", "r2"}[i]
		w.update(func(tx store.Tx) error {
			if _, err := tx.Directory("okta").AddMembers("Admins", []string{"u0", "u1"}[i]); err != nil {
				return err
			}
			return tx.Work("vt").Touch(store.AnyTarget, w.clock, w.by("okta"), s)
		})
		w.pass(10 * time.Second)
		w.expectAsked([]string{"grant a0 ADMIN by okta t1 r1", "grant a1 ADMIN by okta t1 r2"}[i])
	}
}
