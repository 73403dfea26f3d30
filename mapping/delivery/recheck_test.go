package delivery_test

import (
	"context"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/view"
)

// unreadable is a vendor whose next reads of a target fail.
type unreadable struct {
	*vendor
	fails int
}

func (u *unreadable) Observe(ctx context.Context, target string) (backend.Observation, error) {
	if u.fails--; u.fails >= 0 {
		return backend.Observation{}, failure(backend.Transient, 503)
	}
	return u.vendor.Observe(ctx, target)
}

// lastAdmin is a world in which u0, the only administrator, is off-boarded and held.
func lastAdmin(t *testing.T, resync time.Duration) *world {
	w := full(t, 1)
	w.vendor.admin = "ADMIN"
	w.vendor.people["root@example.com"] = "root"
	w.config = func(d configured) { d.ResyncEvery = resync }
	w.restart()
	w.pass(5 * time.Minute)
	w.deactivate("okta", "u0")
	w.pass(5 * time.Minute)
	w.hold("last_admin", 1)
	w.calls()
	return w
}

func (w *world) root() {
	w.vendor.holds["acme/root"] = map[string]bool{"ADMIN": true}
}

// A hold of the last administrator is over by itself, half a minute after another one is there.
func TestLastAdminHold(t *testing.T) {
	for name, resync := range map[string]time.Duration{"without a resync": 0, "with a resync": 10 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			w := lastAdmin(t, resync)
			w.root()
			w.pass(31 * time.Second)
			w.expect("acme/root=ADMIN")
			w.noHold()
			w.expectCounts("pending 0, blocked 0, held 0")
		})
	}
	t.Run("stays while no other administrator is there", func(t *testing.T) {
		w := lastAdmin(t, 0)
		w.pass(24 * time.Hour)
		w.expectCalls()
		w.expect("acme/a0=ADMIN")
		w.hold("last_admin", 1)
		w.expectCounts("pending 0, blocked 0, held 1")
	})
	t.Run("dissolves after a restart", func(t *testing.T) {
		w := lastAdmin(t, 0)
		w.root()
		w.restart()
		w.pass(2 * time.Minute) // a read after a restart may lag by the straggler window
		w.expect("acme/root=ADMIN")
		w.noHold()
	})
	t.Run("dissolves when the bridge makes another administrator", func(t *testing.T) {
		w := lastAdmin(t, 0)
		w.user("okta", "r", "root@example.com", true)
		w.join("okta", "r", "Admins")
		w.pass(time.Minute)
		w.expect("acme/root=ADMIN")
		w.noHold()
	})
	t.Run("stays where the vendor stops to tell", func(t *testing.T) {
		for name, silence := range map[string]func(*vendor){
			"no roles":   func(v *vendor) { v.hidden = true },
			"no users":   func(v *vendor) { v.empty = true },
			"incomplete": func(v *vendor) { v.cut = true },
		} {
			t.Run(name, func(t *testing.T) {
				w := lastAdmin(t, 0)
				w.root()
				silence(w.vendor)
				w.user("okta", "u0", "u0@example.com", false) // it is looked at again in any case
				w.pass(time.Hour)
				w.expectCalls()
				w.hold("last_admin", 1)
			})
		}
	})
	t.Run("is under the limits after that", func(t *testing.T) {
		w := lastAdmin(t, 0)
		w.config = func(d configured) { d.MaxOffboardings = view.Limit{Window: time.Hour} }
		w.restart()
		w.root()
		w.pass(5 * time.Minute)
		w.expectCalls()
		w.hold("max_offboardings", 1)
	})
	t.Run("a failed read is repeated", func(t *testing.T) {
		w := lastAdmin(t, 0)
		w.root()
		b := &unreadable{vendor: w.vendor, fails: 3}
		w.worker.Finder.Backend = b
		w.pass(5 * time.Minute)
		w.expect("acme/root=ADMIN")
	})
	t.Run("a vendor that is set to observe is not read", func(t *testing.T) {
		w := lastAdmin(t, 0)
		w.root()
		w.config = func(d configured) { d.Mode = view.Observe }
		w.restart()
		w.pass(time.Hour)
		w.expectCalls()
	})
}

// A hold of a protected user is over when the protection is.
func TestProtectHold(t *testing.T) {
	for name, protect := range map[string]func(configured){
		"protect":     func(d configured) { d.Protect = []string{"u0@example.com"} },
		"own account": func(d configured) { d.OwnAccount = "a0" },
	} {
		t.Run(name, func(t *testing.T) {
			w := full(t, 3)
			w.config = protect
			w.restart()
			w.deactivate("okta", "u0")
			w.pass(5 * time.Minute)
			if holds := w.show(); len(holds) != 1 {
				t.Fatalf("%+v", holds)
			}
			w.config = nil
			w.restart()
			w.pass(30 * time.Second)
			w.expect("acme/a1=ADMIN acme/a2=ADMIN")
			w.noHold()
			w.expectCounts("pending 0, blocked 0, held 0")
		})
	}
}
