package delivery_test

import (
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// mallory is a world of a partner with roles by hand, and of a user who sets their address to the partner's.
func mallory(t *testing.T, offboard bool) *world {
	t.Helper()
	w := full(t, 3, betas)
	w.config = func(d configured) { d.Offboard, d.ResyncEvery = offboard, time.Hour }
	w.restart()
	w.group("okta", "Betas")
	w.user("okta", "m", "mallory@example.com", true)
	w.vendor.people["mallory@example.com"], w.vendor.people["partner@example.com"] = "m", "p"
	w.vendor.holds["acme/p"], w.vendor.holds["beta/p"] = map[string]bool{"ADMIN": true}, map[string]bool{"ADMIN": true}
	for _, g := range []string{"Admins", "Others", "Betas"} {
		w.join("okta", "m", g)
	}
	w.pass(5 * time.Minute)
	w.calls()
	return w
}

const withPartner = "acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN acme/m=ADMIN,SCAN acme/p=ADMIN beta/m=ADMIN beta/p=ADMIN"

func TestChangedValue(t *testing.T) {
	t.Run("what was adopted is given back", func(t *testing.T) {
		w := mallory(t, false)
		for range 3 { // at any pace
			w.user("okta", "m", "partner@example.com", true)
			w.pass(5 * time.Second)
			if m := w.vendor.holds["acme/m"]; len(m) > 0 {
				t.Errorf("the account of before has %v", m)
			}
			w.user("okta", "m", "mallory@example.com", true)
			w.pass(5 * time.Second)
			w.expect(withPartner)
		}
		w.user("okta", "m", "partner@example.com", true)
		w.pass(2 * time.Hour)
		for _, g := range []string{"Admins", "Others", "Betas"} {
			w.leave("okta", "m", g)
		}
		w.pass(5 * time.Minute)
		w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN acme/p=ADMIN beta/p=ADMIN")
		w.expectCounts("pending 0, blocked 0, held 0")
	})
	t.Run("one without an account comes by a changed value, too", func(t *testing.T) {
		w := mallory(t, false)
		w.user("okta", "n", "none@example.com", true)
		w.join("okta", "n", "Betas")
		w.pass(5 * time.Minute)
		w.user("okta", "n", "partner@example.com", true)
		w.pass(5 * time.Minute)
		w.user("okta", "n", "none@example.com", true)
		w.pass(5 * time.Minute)
		w.expect(withPartner)
	})
	t.Run("so does one who changed it before any group gave anything", func(t *testing.T) {
		w := mallory(t, false)
		w.user("okta", "n", "none@example.com", true)
		w.user("okta", "n", "partner@example.com", true)
		w.join("okta", "n", "Betas")
		w.pass(5 * time.Minute)
		w.user("okta", "n", "none@example.com", true)
		w.pass(5 * time.Minute)
		w.expect(withPartner)
	})
	t.Run("a partner loses what their own group gave with the group", func(t *testing.T) {
		w := mallory(t, false)
		w.user("okta", "m", "partner@example.com", true)
		w.pass(5 * time.Minute)
		w.group("entra", "Betas")
		w.user("entra", "p", "partner@example.com", true)
		w.join("entra", "p", "Betas")
		w.pass(5 * time.Minute)
		w.user("okta", "m", "mallory@example.com", true)
		w.leave("entra", "p", "Betas")
		w.pass(5 * time.Minute)
		w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN acme/m=ADMIN,SCAN acme/p=ADMIN beta/m=ADMIN")
	})
	t.Run("off-boarding is held", func(t *testing.T) {
		for _, how := range []string{"deactivated", "deleted"} {
			for _, one := range []bool{false, true} {
				w := mallory(t, true)
				w.vendor.one = one
				w.user("okta", "m", "partner@example.com", true)
				w.pass(5 * time.Minute)
				w.calls()
				if how == "deleted" {
					w.remove("okta", "m")
				} else {
					w.deactivate("okta", "m")
					w.everywhere("okta", "m")
				}
				w.pass(2 * time.Hour)
				w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN acme/p=ADMIN beta/p=ADMIN")
				w.expectCalls("remove acme: p=SCAN")
				holds, err := w.desk.Holds(t.Context())
				if want := map[bool]int{false: 2, true: 1}[one]; err != nil || len(holds) != want {
					t.Fatalf("%d holds, want %d: %+v %v", len(holds), want, holds, err)
				}
				for _, h := range holds {
					if h.Why != "changed_value" || len(h.Grants) != 1 || h.Grants[0].Account != "p" {
						t.Errorf("%+v", h)
					}
				}
				approve := holds[0]
				if err := w.desk.Approve(t.Context(), approve.ID, "operator", "r"); err != nil {
					t.Fatal(err)
				}
				for _, h := range holds[1:] {
					if err := w.desk.Reject(t.Context(), h.ID, "operator", "r"); err != nil {
						t.Fatal(err)
					}
				}
				w.pass(10 * time.Minute)
				got := w.calls()
				if !one && !slices.Contains(got, "offboard "+approve.Target+": p") || len(slices.DeleteFunc(got, func(c string) bool { return c[:3] != "off" })) != 1 {
					t.Errorf("%s, one list %v: %q", how, one, got)
				}
				w.expectCounts("pending 0, blocked 0, held 0")
			}
		}
	})
	t.Run("who sets it back in time is not held", func(t *testing.T) {
		w := mallory(t, true)
		w.user("okta", "m", "partner@example.com", true)
		w.pass(5 * time.Minute)
		w.deactivate("okta", "m")
		w.pass(5 * time.Minute)
		w.user("okta", "m", "mallory@example.com", true)
		w.pass(5 * time.Minute)
		w.expect(withPartner)
		w.expectCounts("pending 0, blocked 0, held 0")
		if holds, err := w.desk.Holds(t.Context()); err != nil || len(holds) > 0 {
			t.Errorf("%+v %v", holds, err)
		}
	})
	t.Run("an account that the bridge made is off-boarded", func(t *testing.T) {
		w := mallory(t, true)
		w.config = func(d configured) { d.Offboard, d.Invite = true, true }
		w.restart()
		w.user("okta", "m", "married@example.com", true)
		w.pass(5 * time.Minute)
		w.vendor.people["married@example.com"] = "m2"
		w.pass(12 * time.Hour)
		w.deactivate("okta", "m")
		w.pass(5 * time.Minute)
		if got := w.calls(); !slices.Contains(got, "offboard acme: m2") || !slices.Contains(got, "offboard beta: m2") {
			t.Errorf("%q", got)
		}
		w.expectCounts("pending 0, blocked 0, held 0")
	})
	t.Run("a young link waits", func(t *testing.T) {
		w := full(t, 3)
		w.config = func(d configured) { d.Offboard = true }
		w.restart()
		w.deactivate("okta", "u0")
		w.pass(30 * time.Second)
		w.expectCalls("remove acme: a0=ADMIN")
		w.pass(time.Minute)
		w.expectCalls("offboard acme: a0")
	})
	t.Run("an account that is another user's by now is not ended", func(t *testing.T) {
		for _, one := range []bool{false, true} {
			w := leavers(t, 3, view.Sync)
			w.vendor.one = one
			w.pass(5 * time.Hour)
			w.renamed(0)
			w.deactivate("okta", "u0")
			w.pass(10 * time.Minute)
			w.expectSomehow("remove acme: a0=ADMIN", "remove beta: a0=ADMIN")
			w.expectCounts("pending 0, blocked 0, held 0")
		}
	})
}

// Accounts are asked for by e-mail address only.
func TestNoAddress(t *testing.T) {
	for _, value := range []string{"ann", "Ann <ann@example.com>", "ann@example.com, bob@example.com", "<ann@example.com>", `"ann b"@example.com`, "ann@", "ann @example.com"} {
		w := newWorld(t, admins)
		w.config = func(d configured) { d.Invite, d.ResyncEvery = true, time.Hour }
		w.restart()
		w.vendor.people["root@example.com"] = "root"
		w.group("okta", "Admins")
		w.user("okta", "u", value, true)
		w.join("okta", "u", "Admins")
		w.pass(3 * time.Hour)
		w.expectCalls()
		w.expectCounts("pending 0, blocked 1, held 0")
		w.update(func(tx store.Tx) error {
			m, err := tx.Work("vt").Mark("acme", store.Subject{IdP: "okta", User: "u"})
			if m.Reason != "no_address" {
				t.Errorf("%q is blocked as %q", value, m.Reason)
			}
			return err
		})
		w.user("okta", "u", "ann@example.com", true)
		w.pass(5 * time.Minute)
		w.expectCalls("invite acme: ann@example.com")
	}
}
