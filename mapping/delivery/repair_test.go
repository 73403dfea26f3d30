package delivery_test

import (
	"errors"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// The net finds what lost its mark, marks it, counts it and says so.
func TestRepair(t *testing.T) {
	repaired := 0
	w := moving(t, false, time.Hour)
	w.config = func(d configured) { d.ResyncEvery, d.Repaired = time.Hour, func() { repaired++ } }
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
			w.config = func(d configured) {
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
	w.config = func(d configured) {
		d.ResyncEvery, d.Repaired, d.Protect = time.Hour, func() { repaired++ }, []string{"u0@example.com"}
	}
	w.restart()
	w.leaveAll(0, 20) // held, and protected
	w.user("okta", "ghost", "ghost@example.com", true)
	w.join("okta", "ghost", "Others") // blocked
	w.pass(3 * time.Hour)
	for _, mode := range []view.Mode{view.AddOnly, view.Observe} {
		w.config = func(d configured) { d.ResyncEvery, d.Repaired, d.Mode = time.Hour, func() { repaired++ }, mode }
		w.restart()
		w.pass(3 * time.Hour)
	}
	if repaired != 0 {
		t.Errorf("%d repaired", repaired)
	}
}
