package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// limited is a world of n administrators in which so many may be off-boarded within an hour.
func limited(t *testing.T, n, allowed int) *world {
	w := full(t, n)
	w.config = func(d configured) {
		d.MaxOffboardings = view.Limit{Count: allowed, Window: time.Hour}
	}
	w.restart()
	w.calls()
	return w
}

// offboard has the identity provider end users, one after the other, as often as one says.
func (w *world) offboard(from, to int, every time.Duration, how func(*world, string)) {
	w.t.Helper()
	for i := from; i < to; i++ {
		how(w, fmt.Sprint("u", i))
		w.pass(every)
	}
}

func byFlag(w *world, id string) { w.deactivate("okta", id) }

func byDelete(w *world, id string) { w.remove("okta", id) }

func TestOffboardingLimit(t *testing.T) {
	for name, how := range map[string]func(*world, string){"deactivated": byFlag, "deleted": byDelete} {
		for pace, every := range map[string]time.Duration{"at once": 0, "one after the other": 50 * time.Millisecond, "slowly": 30 * time.Second} {
			t.Run(name+" "+pace, func(t *testing.T) {
				w := limited(t, 24, 5)
				w.offboard(0, 18, every, how)
				w.pass(time.Minute)
				if n := w.heldBy("ADMIN"); n != 19 {
					t.Errorf("%d administrators are left, want 19", n)
				}
				for i := range 5 {
					if w.vendor.holds[fmt.Sprint("acme/a", i)]["ADMIN"] {
						t.Errorf("u%d, one of the first, was held", i)
					}
				}
				held := 0
				for _, h := range w.show() {
					if held += len(h.Grants); h.Why != "max_offboardings" {
						t.Errorf("%+v", h)
					}
				}
				if held != 13 {
					t.Errorf("%d held, want 13", held)
				}
			})
		}
	}
	t.Run("a single one over the limit", func(t *testing.T) {
		w := limited(t, 20, 2)
		w.offboard(0, 2, time.Second, byFlag)
		w.noHold()
		w.pass(10 * time.Minute)
		w.offboard(2, 3, time.Minute, byFlag)
		w.hold("max_offboardings", 1)
		w.restart() // the count survives
		w.offboard(3, 4, time.Minute, byFlag)
		if n := w.heldBy("ADMIN"); n != 18 {
			t.Errorf("%d administrators are left, want 18", n)
		}
		w.pass(time.Hour) // the window has passed
		w.offboard(4, 6, time.Minute, byFlag)
		if n := w.heldBy("ADMIN"); n != 16 {
			t.Errorf("%d administrators are left, want 16", n)
		}
	})
	t.Run("what is approved does not count", func(t *testing.T) {
		w := limited(t, 20, 1)
		w.offboard(0, 4, time.Second, byFlag)
		if err := w.desk.Approve(t.Context(), w.hold("max_offboardings", 3).ID, "operator", "req"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour - time.Minute)
		w.offboard(4, 5, 2*time.Minute, byFlag)
		if n := w.heldBy("ADMIN"); n != 16 {
			t.Errorf("%d administrators are left, want 16: one before the limit, three approved", n)
		}
		w.offboard(5, 6, time.Minute, byFlag) // the first one left the window
		if n := w.heldBy("ADMIN"); n != 15 {
			t.Errorf("%d administrators are left, want 15", n)
		}
	})
	t.Run("percent of those who were there", func(t *testing.T) {
		w := full(t, 30)
		w.config = func(d configured) { d.MaxOffboardings = view.Limit{Percent: 20, Window: time.Hour} }
		w.restart()
		w.offboard(0, 15, time.Second, byFlag)
		if n := w.heldBy("ADMIN"); n != 24 {
			t.Errorf("%d administrators are left, want 24", n)
		}
	})
	t.Run("a failing vendor uses the limit once", func(t *testing.T) {
		w := limited(t, 20, 3)
		for range 6 {
			w.vendor.answers = append(w.vendor.answers, answer{err: failure(backend.Transient, 503)})
		}
		w.offboard(0, 3, time.Second, byFlag)
		w.pass(30 * time.Minute)
		w.noHold()
		if n := w.heldBy("ADMIN"); n != 17 {
			t.Errorf("%d administrators are left, want 17", n)
		}
	})
	t.Run("is logged when it begins", func(t *testing.T) {
		var log bytes.Buffer
		w := full(t, 20)
		w.config = func(d configured) {
			d.MaxOffboardings, d.Log = view.Limit{Count: 2, Window: time.Hour}, slog.New(slog.NewTextHandler(&log, nil))
		}
		w.restart()
		w.offboard(0, 2, time.Second, byFlag)
		if strings.Contains(log.String(), "over the limit") {
			t.Errorf("up to the limit:\n%s", &log)
		}
		w.offboard(2, 9, 20*time.Second, byFlag)
		if n := strings.Count(log.String(), "over the limit"); n != 1 || !strings.Contains(log.String(), "limit=max_offboardings") {
			t.Errorf("said %d times:\n%s", n, &log)
		}
	})
}

// counting is a vendor that counts the users of a role without naming them.
type counting struct {
	*vendor
	count int
}

func (c *counting) Observe(ctx context.Context, target string) (backend.Observation, error) {
	o, err := c.vendor.Observe(ctx, target)
	o.Roles, o.Holders, o.Count = false, map[string][]string{}, c.count
	return o, err
}

// Taking a permission set off a role is a revocation from every user of the role.
func TestPermissionSetLimit(t *testing.T) {
	sets := mapping.Rule{Match: "extra-(?P<t>[a-z]+)", Backend: "vt", Target: "${t}", Roles: []string{"ADMIN"}, PermissionSets: []string{"ps1"}}
	begin := func(t *testing.T, users, allowed int) *world {
		w := newWorld(t, admins, sets)
		w.vendor.mixed = true
		w.config = func(d configured) { d.MaxRemovals = view.Limit{Count: allowed, Window: time.Hour} }
		w.restart()
		team(w, users, "Admins")
		w.names("okta", "extra", "extra-acme")
		for i := range users {
			w.join("okta", fmt.Sprint("u", i), "Admins")
		}
		w.pass(5 * time.Minute)
		if !w.vendor.holds["acme/*"]["ps1"] || w.heldBy("ADMIN") != users {
			t.Fatalf("the vendor holds %q", w.roles())
		}
		w.calls()
		return w
	}
	on := func(w *world) bool { return w.vendor.holds["acme/*"]["ps1"] }
	for name, away := range map[string]func(*world){
		"renamed": func(w *world) { w.names("okta", "extra", "Extra") }, "deleted": func(w *world) { w.deletes("okta", "extra") },
		"rules": func(w *world) { w.reloads(admins) },
	} {
		t.Run(name, func(t *testing.T) {
			w := begin(t, 10, 9)
			away(w)
			w.pass(time.Hour)
			if h := w.hold("max_removals", 1); !on(w) || !h.Grants[0].PermissionSet || h.Grants[0].Users != 10 || h.Grants[0].Role != "ps1" {
				t.Fatalf("%+v, the vendor holds %q", h, w.roles())
			}
			w.expectCounts("pending 0, blocked 0, held 1")
			w.restart()
			w.pass(2 * time.Hour)
			if err := w.desk.Approve(t.Context(), w.hold("max_removals", 1).ID, "operator", "req"); err != nil {
				t.Fatal(err)
			}
			w.pass(time.Minute)
			if on(w) {
				t.Error("approved, and it is still there")
			}
			w.noHold()
			w.expectCounts("pending 0, blocked 0, held 0")
		})
		t.Run(name+" up to the limit", func(t *testing.T) {
			w := begin(t, 10, 10)
			away(w)
			w.pass(time.Minute)
			if on(w) {
				t.Error("it is still there")
			}
			w.noHold()
			w.leaveAll(0, 3) // the users counted already
			w.pass(time.Minute)
			w.noHold()
			w.vendor.people["new@example.com"] = "n"
			w.user("okta", "new", "new@example.com", true)
			w.join("okta", "new", "Admins")
			w.pass(time.Minute)
			w.leave("okta", "new", "Admins")
			w.pass(time.Minute)
			w.hold("max_removals", 1)
		})
	}
	t.Run("rejected it stays until a group gives it", func(t *testing.T) {
		w := begin(t, 3, 0)
		w.names("okta", "extra", "Extra")
		w.pass(time.Minute)
		if err := w.desk.Reject(t.Context(), w.hold("max_removals", 1).ID, "operator", "req"); err != nil {
			t.Fatal(err)
		}
		w.resync()
		w.pass(24 * time.Hour)
		w.noHold()
		w.expectCounts("pending 0, blocked 0, held 0")
		if !on(w) {
			t.Error("it is gone")
		}
		w.names("okta", "extra", "extra-acme")
		w.pass(time.Minute)
		w.names("okta", "extra", "Extra")
		w.pass(time.Minute)
		w.hold("max_removals", 1)
	})
	t.Run("the hold is over when the group is back", func(t *testing.T) {
		w := begin(t, 3, 0)
		w.names("okta", "extra", "Extra")
		w.pass(time.Minute)
		w.hold("max_removals", 1)
		w.names("okta", "extra", "extra-acme")
		w.pass(time.Minute)
		w.noHold()
		w.expectCounts("pending 0, blocked 0, held 0")
		w.expectCalls()
	})
	t.Run("users who join meanwhile make another list", func(t *testing.T) {
		w := begin(t, 3, 0)
		w.names("okta", "extra", "Extra")
		w.pass(time.Minute)
		old := w.show()[0].ID
		w.vendor.people["new@example.com"] = "n"
		w.user("okta", "new", "new@example.com", true)
		w.join("okta", "new", "Admins")
		w.pass(time.Minute)
		if err := w.desk.Approve(t.Context(), old, "operator", "req"); err == nil {
			t.Error("approved for three, and four lose it")
		}
	})
	t.Run("users by hand count", func(t *testing.T) {
		w := begin(t, 1, 3)
		for i := range 3 {
			id := fmt.Sprint("x", i)
			w.vendor.people[id+"@example.com"] = id
			w.vendor.holds["acme/"+id] = map[string]bool{"ADMIN": true}
		}
		w.names("okta", "extra", "Extra")
		w.pass(time.Minute)
		w.hold("max_removals", 1)
	})
	t.Run("users that the vendor only counts", func(t *testing.T) {
		w := begin(t, 1, 3)
		w.config = func(d configured) {
			d.Backend, d.MaxRemovals = &counting{w.vendor, 4}, view.Limit{Count: 3, Window: time.Hour}
		}
		w.restart()
		w.names("okta", "extra", "Extra")
		w.pass(5 * time.Minute)
		w.hold("max_removals", 1)
	})
	t.Run("a group that leaves with its users goes", func(t *testing.T) {
		w := newWorld(t, sets)
		w.vendor.mixed = true
		w.config = func(d configured) { d.MaxRemovals = view.Limit{Count: 3, Window: time.Hour} }
		w.restart()
		team(w, 3)
		w.names("okta", "extra", "extra-acme")
		for i := range 3 {
			w.join("okta", fmt.Sprint("u", i), "extra")
		}
		w.update(func(tx store.Tx) error { return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{}) })
		w.pass(5 * time.Minute)
		w.expect("acme/*=ps1 acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN")
		w.deletes("okta", "extra")
		w.pass(time.Minute)
		w.expect("")
		w.noHold()
	})
	t.Run("a plan says it", func(t *testing.T) {
		w := begin(t, 3, 2)
		rules, err := mapping.Compile([]mapping.Rule{admins})
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.desk.Preview(t.Context(), rules)
		if err != nil || len(p.Calls) > 0 || len(p.Held) != 1 || !p.Held[0].PermissionSet || p.Held[0].Role != "ps1" {
			t.Errorf("%+v %v", p, err)
		}
	})
}
