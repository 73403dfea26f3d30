package delivery_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
)

// kinds are the two ways in which vendors list accounts: a list for each target, or one list for all targets.
var kinds = map[string]bool{"a list for each target": false, "one list": true}

// moving is a world of three users with ADMIN on two targets, which compares with the vendor if it is set to.
func moving(t *testing.T, one bool, resync time.Duration) *world {
	t.Helper()
	w := newWorld(t, admins, betas)
	w.vendor.one, w.vendor.mixed = one, one
	w.config = func(d *delivery.Worker) { d.ResyncEvery = resync }
	w.restart()
	team(w, 3, "Admins", "Betas")
	for i := range 3 {
		w.join("okta", fmt.Sprint("u", i), "Admins")
		w.join("okta", fmt.Sprint("u", i), "Betas")
	}
	w.pass(5 * time.Minute)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN beta/a0=ADMIN beta/a1=ADMIN beta/a2=ADMIN")
	w.calls()
	return w
}

// renamed gives the address of a user to a new account; the account that had it gets another address.
func (w *world) renamed(i int) {
	w.vendor.people[fmt.Sprintf("former%d@example.com", i)] = fmt.Sprint("a", i)
	w.vendor.people[fmt.Sprintf("u%d@example.com", i)] = fmt.Sprint("v", i)
}

// recreated deletes the account of a user at the vendor and makes another with the same address.
func (w *world) recreated(i int) {
	delete(w.vendor.holds, fmt.Sprintf("acme/a%d", i))
	delete(w.vendor.holds, fmt.Sprintf("beta/a%d", i))
	w.vendor.people[fmt.Sprintf("u%d@example.com", i)] = fmt.Sprint("v", i)
}

func TestMovedAddress(t *testing.T) {
	const moved = "acme/a1=ADMIN acme/a2=ADMIN acme/v0=ADMIN beta/a1=ADMIN beta/a2=ADMIN beta/v0=ADMIN"
	for name, one := range kinds {
		t.Run("a resync finds a renamed account/"+name, func(t *testing.T) {
			w := moving(t, one, time.Hour)
			w.renamed(0)
			w.pass(time.Hour)
			w.expect(moved)
			w.expectCounts("pending 0, blocked 0, held 0")
		})
		t.Run("a resync finds an account made again/"+name, func(t *testing.T) {
			w := moving(t, one, time.Hour)
			w.recreated(0)
			w.pass(time.Hour)
			w.expect(moved)
			w.expectCounts("pending 0, blocked 0, held 0")
		})
		t.Run("found on one target, all targets follow/"+name, func(t *testing.T) {
			w := moving(t, one, 0)
			w.recreated(0)
			w.pass(2 * time.Hour) // past the greatest age
			w.update(func(tx store.Tx) error {
				w.touch(tx, "okta", "u0", "Admins")
				return nil
			})
			w.pass(10 * time.Minute)
			w.expect(moved)
			w.expectCounts("pending 0, blocked 0, held 0")
		})
		t.Run("an incomplete listing proves nothing/"+name, func(t *testing.T) {
			w := moving(t, one, time.Hour)
			w.vendor.partial, w.vendor.cut = true, true
			delete(w.vendor.people, "u0@example.com")
			w.pass(5 * time.Hour)
			w.expectCalls()
			w.vendor.partial, w.vendor.cut = false, false
			w.vendor.people["u0@example.com"] = "a0"
			w.pass(5 * time.Hour)
			w.expectCalls()
			w.expectCounts("pending 0, blocked 0, held 0")
		})
		t.Run("a renamed account is the user's no longer/"+name, func(t *testing.T) {
			w := moving(t, one, time.Hour)
			w.renamed(0)
			delete(w.vendor.people, "u0@example.com")
			w.pass(time.Hour)
			w.expect("acme/a1=ADMIN acme/a2=ADMIN beta/a1=ADMIN beta/a2=ADMIN")
			w.expectCounts("pending 0, blocked 2, held 0")
		})
		t.Run("a visit for something else finds it/"+name, func(t *testing.T) {
			w := moving(t, one, 0)
			w.renamed(0)
			w.leave("okta", "u0", "Admins") // wants nothing on the target whose list is read
			w.user("okta", "new", "new@example.com", true)
			w.vendor.people["new@example.com"] = "n"
			w.join("okta", "new", "Admins")
			w.pass(10 * time.Minute)
			if one { // else the list of the other target was not read
				w.expect("acme/a1=ADMIN acme/a2=ADMIN acme/n=ADMIN beta/a1=ADMIN beta/a2=ADMIN beta/v0=ADMIN")
			}
			w.expectCounts("pending 0, blocked 0, held 0")
		})
		t.Run("two users who swap addresses/"+name, func(t *testing.T) {
			w := moving(t, one, time.Hour)
			w.leave("okta", "u0", "Betas")
			w.pass(5 * time.Minute)
			w.vendor.people["u0@example.com"], w.vendor.people["u1@example.com"] = "a1", "a0"
			w.pass(2 * time.Hour)
			w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN beta/a0=ADMIN beta/a2=ADMIN")
			w.expectCounts("pending 0, blocked 0, held 0")
		})
	}
}

// What one target's list shows counts for the others, though theirs is young and says otherwise.
func TestMovedAddressBeforeYoungLists(t *testing.T) {
	w := moving(t, false, 0)
	w.renamed(0)
	w.user("okta", "new", "new@example.com", true)
	w.vendor.people["new@example.com"] = "n"
	w.join("okta", "new", "Admins")
	w.pass(time.Minute) // without waiting for another try
	w.expect("acme/a1=ADMIN acme/a2=ADMIN acme/n=ADMIN acme/v0=ADMIN beta/a1=ADMIN beta/a2=ADMIN beta/v0=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

// Only past the greatest age, and before an administrator's role is given, is the vendor asked again who a user is.
func TestAccountCache(t *testing.T) {
	others := mapping.Rule{Groups: []string{"Others"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}}
	aged := func(t *testing.T, admin string) *world {
		w := newWorld(t, admins, others)
		w.vendor.admin = admin
		w.config = func(d *delivery.Worker) { d.AccountCache = 30 * time.Minute }
		w.restart()
		team(w, 3, "Admins", "Others")
		w.join("okta", "u0", "Others")
		w.pass(5 * time.Minute)
		w.expect("acme/a0=SCAN")
		w.renamed(0)
		w.vendor.lists = nil
		return w
	}
	t.Run("what is young enough is used", func(t *testing.T) {
		w := aged(t, "")
		w.join("okta", "u1", "Others")
		w.pass(time.Minute)
		w.expect("acme/a0=SCAN acme/a1=SCAN")
		if len(w.vendor.lists) > 0 {
			t.Errorf("listed %q", w.vendor.lists)
		}
	})
	t.Run("what is too old is looked up again", func(t *testing.T) {
		w := aged(t, "")
		w.pass(time.Hour)
		w.join("okta", "u1", "Others")
		w.pass(10 * time.Minute)
		w.expect("acme/a1=SCAN acme/v0=SCAN")
	})
	t.Run("an administrator's role needs a fresh look", func(t *testing.T) {
		w := aged(t, "ADMIN")
		w.vendor.people["root@example.com"] = "root"
		w.vendor.holds["acme/root"] = map[string]bool{"ADMIN": true}
		w.join("okta", "u0", "Admins")
		w.pass(10 * time.Minute)
		w.expect("acme/root=ADMIN acme/v0=ADMIN,SCAN")
	})
	t.Run("a mark of the account is no way around", func(t *testing.T) {
		w := aged(t, "ADMIN")
		w.pass(time.Hour)
		w.update(func(tx store.Tx) error {
			if _, err := tx.Directory("okta").AddMembers("Admins", "u0"); err != nil {
				return err
			}
			return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{Account: "a0"})
		})
		w.pass(10 * time.Minute)
		w.expect("acme/v0=ADMIN,SCAN")
		w.expectCounts("pending 0, blocked 0, held 0")
	})
	t.Run("one listing serves everybody who is marked", func(t *testing.T) {
		w := full(t, 60)
		w.config = func(d *delivery.Worker) { d.ResyncEvery = time.Hour }
		w.restart()
		w.pass(time.Hour + 30*time.Minute)
		w.vendor.lists = nil
		for i := range 60 {
			w.join("okta", fmt.Sprint("u", i), "Others")
		}
		w.pass(10 * time.Minute)
		if n := len(w.vendor.lists); n != 0 {
			t.Errorf("%d listings within an hour of a resync", n)
		}
		w.pass(time.Hour)
		if n := len(w.vendor.lists); n != 1 {
			t.Errorf("%d listings for a resync, want 1", n)
		}
	})
}

// Two accounts with one address, in the lists of two targets, never share the roles of a user.
func TestOneAddressTwoAccounts(t *testing.T) {
	w := moving(t, false, time.Hour)
	w.vendor.own = map[string]map[string]string{"acme": {"u0@example.com": "v0", "u1@example.com": "a1", "u2@example.com": "a2"}}
	delete(w.vendor.holds, "acme/a0") // is no member there
	w.pass(2 * time.Hour)
	w.expect("acme/a1=ADMIN acme/a2=ADMIN acme/v0=ADMIN beta/a1=ADMIN beta/a2=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
	w.calls()
	w.pass(10 * time.Hour)
	w.expectCalls()
	w.vendor.own = nil // the older account is the only one again
	delete(w.vendor.holds, "acme/v0")
	w.pass(2 * time.Hour)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN beta/a0=ADMIN beta/a1=ADMIN beta/a2=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

// The net finds what lost its mark, marks it, counts it and says so.
func TestRepair(t *testing.T) {
	repaired := 0
	w := moving(t, false, time.Hour)
	w.config = func(d *delivery.Worker) { d.ResyncEvery, d.Repaired = time.Hour, func() { repaired++ } }
	w.restart()
	w.pass(3 * time.Hour)
	if repaired != 0 {
		t.Fatalf("%d repaired where nothing was wrong", repaired)
	}
	w.update(func(tx store.Tx) error { // without marks
		if _, err := tx.Directory("okta").RemoveMembers("Betas", "u0"); err != nil {
			return err
		}
		if err := tx.Ledger("vt").DeleteEntry("acme", "a1", "ADMIN"); err != nil {
			return err
		}
		return tx.Accounts("vt").DeleteLink("okta", "u2")
	})
	delete(w.vendor.holds, "acme/a1")
	w.pass(time.Hour + time.Minute)
	w.expect("acme/a0=ADMIN acme/a1=ADMIN acme/a2=ADMIN beta/a1=ADMIN beta/a2=ADMIN")
	if repaired != 6 { // u2 and their account on two targets
		t.Errorf("%d repaired, want 6", repaired)
	}
	w.expectCounts("pending 0, blocked 0, held 0")
	w.pass(5 * time.Hour)
	if repaired != 6 {
		t.Errorf("%d repaired once all was right again", repaired)
	}
}

// A visit that ends between a listing and what it learns from it leaves nothing for the net to find.
func TestRepairAfterInterruptedVisit(t *testing.T) {
	for name, one := range kinds {
		t.Run(name, func(t *testing.T) {
			repaired, disk := 0, &failing{}
			w := moving(t, one, time.Hour)
			disk.Store = w.store
			w.config = func(d *delivery.Worker) {
				d.ResyncEvery, d.AccountCache, d.Store, d.Repaired = time.Hour, time.Minute, disk, func() { repaired++ }
			}
			w.restart()
			w.pass(50 * time.Minute)
			w.renamed(0)
			w.update(func(tx store.Tx) error {
				return tx.Work("vt").Touch("acme", w.clock, store.Origin{}, store.Subject{IdP: "okta", User: "u0"})
			})
			w.clock = w.clock.Add(2 * time.Second)
			disk.answers = []error{nil, nil, store.ErrFull} // the cache, its age, and who is which account
			if _, err := w.worker.RunOnce(t.Context()); !errors.Is(err, store.ErrFull) {
				t.Fatalf("the round ended with %v", err)
			}
			w.clock = w.clock.Add(10 * time.Minute)
			w.pass(10 * time.Minute)
			w.expect("acme/a1=ADMIN acme/a2=ADMIN acme/v0=ADMIN beta/a1=ADMIN beta/a2=ADMIN beta/v0=ADMIN")
			if repaired != 0 {
				t.Errorf("%d repaired", repaired)
			}
		})
	}
}

// The net is no reader of what is under way, blocked, held or left alone.
func TestRepairLeavesWhatWaits(t *testing.T) {
	repaired := 0
	w := full(t, 20)
	w.config = func(d *delivery.Worker) {
		d.ResyncEvery, d.Repaired, d.Protect = time.Hour, func() { repaired++ }, []string{"u0@example.com"}
	}
	w.restart()
	w.leaveAll(0, 20) // held, and protected
	w.user("okta", "ghost", "ghost@example.com", true)
	w.join("okta", "ghost", "Others") // blocked
	w.pass(3 * time.Hour)
	for _, mode := range []delivery.Mode{delivery.AddOnly, delivery.Observe} {
		w.config = func(d *delivery.Worker) { d.ResyncEvery, d.Repaired, d.Mode = time.Hour, func() { repaired++ }, mode }
		w.restart()
		w.pass(3 * time.Hour)
	}
	if repaired != 0 {
		t.Errorf("%d repaired", repaired)
	}
}

// mallory is a world of a partner with roles by hand, and of a user who sets their address to the partner's.
func mallory(t *testing.T, offboard bool) *world {
	t.Helper()
	w := full(t, 3, betas)
	w.config = func(d *delivery.Worker) { d.Offboard, d.ResyncEvery = offboard, time.Hour }
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
	t.Run("a partner who is given it by their own group loses it with that", func(t *testing.T) {
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
				holds, err := w.worker.Holds(t.Context())
				if want := map[bool]int{false: 2, true: 1}[one]; err != nil || len(holds) != want {
					t.Fatalf("%d holds, want %d: %+v %v", len(holds), want, holds, err)
				}
				for _, h := range holds {
					if h.Why != "changed_value" || len(h.Grants) != 1 || h.Grants[0].Account != "p" {
						t.Errorf("%+v", h)
					}
				}
				approve := holds[0]
				if err := w.worker.Approve(t.Context(), approve.ID, "operator", "r"); err != nil {
					t.Fatal(err)
				}
				for _, h := range holds[1:] {
					if err := w.worker.Reject(t.Context(), h.ID, "operator", "r"); err != nil {
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
		if holds, err := w.worker.Holds(t.Context()); err != nil || len(holds) > 0 {
			t.Errorf("%+v %v", holds, err)
		}
	})
	t.Run("an account that the bridge made is off-boarded", func(t *testing.T) {
		w := mallory(t, true)
		w.config = func(d *delivery.Worker) { d.Offboard, d.Invite = true, true }
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
		w.config = func(d *delivery.Worker) { d.Offboard = true }
		w.restart()
		w.deactivate("okta", "u0")
		w.pass(30 * time.Second)
		w.expectCalls("remove acme: a0=ADMIN")
		w.pass(time.Minute)
		w.expectCalls("offboard acme: a0")
	})
	t.Run("an account that is another user's by now is not ended", func(t *testing.T) {
		for _, one := range []bool{false, true} {
			w := leavers(t, 3, delivery.Sync)
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
		w.config = func(d *delivery.Worker) { d.Invite, d.ResyncEvery = true, time.Hour }
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
