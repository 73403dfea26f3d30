package delivery_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
)

// kinds are the two ways in which vendors list accounts: a list for each target, or one list for all targets.
var kinds = map[string]bool{"a list for each target": false, "one list": true}

// moving is a world of three users with ADMIN on two targets, which compares with the vendor if it is set to.
func moving(t *testing.T, one bool, resync time.Duration) *world {
	t.Helper()
	w := newWorld(t, admins, betas)
	w.vendor.one, w.vendor.mixed = one, one
	w.config = func(d configured) { d.ResyncEvery = resync }
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
		w.config = func(d configured) { d.AccountCache = 30 * time.Minute }
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
		w.config = func(d configured) { d.ResyncEvery = time.Hour }
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
