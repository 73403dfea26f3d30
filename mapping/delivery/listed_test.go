package delivery_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
)

// show lists the holds for an operator.
func (w *world) show() []desk.Hold {
	w.t.Helper()
	holds, err := w.desk.ShowHolds(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return holds
}

func TestListedHold(t *testing.T) {
	held := func(t *testing.T) (*world, desk.Hold) {
		w := full(t, 60)
		w.config = func(d configured) { d.MaxRemovals = view.Limit{Window: time.Hour} }
		w.restart()
		w.leaveAll(0, 14)
		w.pass(5 * time.Second)
		return w, w.hold("max_removals", 14)
	}
	t.Run("takes in more before it is listed", func(t *testing.T) {
		w, before := held(t)
		w.leaveAll(14, 20)
		w.pass(5 * time.Second)
		after := w.hold("max_removals", 20)
		if err := w.desk.Approve(t.Context(), before.ID, "operator", "req"); !errors.Is(err, desk.ErrChanged) {
			t.Errorf("an approval of 14 for a hold of 20: %v", err)
		}
		if err := w.desk.Reject(t.Context(), before.ID, "operator", "req"); !errors.Is(err, desk.ErrChanged) {
			t.Errorf("a rejection of 14 for a hold of 20: %v", err)
		}
		w.pass(5 * time.Second)
		w.hold("max_removals", 20)
		if err := w.desk.Approve(t.Context(), after.ID, "operator", "req"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if n := w.heldBy("ADMIN"); n != 40 {
			t.Errorf("%d admins are left, want 40", n)
		}
	})
	t.Run("takes in nothing more", func(t *testing.T) {
		w, _ := held(t)
		first := w.show()[0]
		for i := 14; i < 44; i++ {
			w.leaveAll(i, i+1)
			w.pass(time.Second)
		}
		holds := w.show()
		if len(holds) != 2 || holds[0].ID != first.ID || len(holds[1].Grants) != 30 {
			t.Fatalf("holds %+v, want the one of 14 as it was, and one of 30", holds)
		}
		if err := w.desk.Approve(t.Context(), first.ID, "operator", "req"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if n := w.heldBy("ADMIN"); n != 46 {
			t.Errorf("%d admins are left, want 46", n)
		}
		w.hold("max_removals", 30)
	})
	t.Run("takes in nothing more after a restart", func(t *testing.T) {
		w, _ := held(t)
		first := w.show()[0]
		w.restart()
		w.leaveAll(14, 16)
		w.pass(5 * time.Second)
		if holds := w.show(); len(holds) != 2 || holds[0].ID != first.ID {
			t.Errorf("holds %+v", holds)
		}
	})
	t.Run("a minute after its beginning it is full", func(t *testing.T) {
		w, _ := held(t)
		for i := 14; i < 34; i++ {
			w.leaveAll(i, i+1)
			w.pass(10 * time.Second)
		}
		holds, err := w.desk.Holds(t.Context())
		if err != nil || len(holds) < 3 || len(holds[0].Grants) > 20 {
			t.Errorf("one hold after another grows for a minute each: %d hold(s), the first of %d", len(holds), len(holds[0].Grants))
		}
	})
	t.Run("an id without content decides nothing", func(t *testing.T) {
		w, h := held(t)
		for _, id := range []string{h.ID[:len(h.ID)-17], h.ID[:len(h.ID)-17] + ".", h.ID[:len(h.ID)-16] + "0000000000000000"} {
			if err := w.desk.Approve(t.Context(), id, "operator", "req"); !errors.Is(err, desk.ErrChanged) {
				t.Errorf("%s: %v", id, err)
			}
		}
		w.pass(time.Minute)
		w.hold("max_removals", 14)
	})
	t.Run("other accounts of the same number are other content", func(t *testing.T) {
		w, h := held(t)
		w.join("okta", "u0", "Admins")
		w.leaveAll(20, 21)
		w.pass(5 * time.Second)
		if now := w.hold("max_removals", 14); now.ID == h.ID {
			t.Error("the id is the same")
		}
		if err := w.desk.Approve(t.Context(), h.ID, "operator", "req"); !errors.Is(err, desk.ErrChanged) {
			t.Error(err)
		}
	})
}

// A group that takes a bound name is listed with what it would give, and how many it would give it to.
func TestListedHoldOfAGroup(t *testing.T) {
	w := newWorld(t, pinnedAdmins)
	for i := range 6 {
		w.user("okta", fmt.Sprint("m", i), fmt.Sprintf("m%d@example.com", i), true)
		w.vendor.people[fmt.Sprintf("m%d@example.com", i)] = fmt.Sprint("a", i)
	}
	w.names("okta", "b", "Canteen")
	w.join("okta", "m0", "b")
	w.names("okta", "a", "VT Admins")
	w.names("okta", "a", "Old Admins")
	w.names("okta", "b", "VT Admins")
	w.pass(time.Minute)
	h := w.show()[0]
	for i := 1; i < 6; i++ {
		w.join("okta", fmt.Sprint("m", i), "b")
	}
	if err := w.desk.Approve(t.Context(), h.ID, "operator", "req"); !errors.Is(err, desk.ErrChanged) {
		t.Errorf("an approval of a group of one decides about a group of six: %v", err)
	}
	if err := w.desk.Approve(t.Context(), w.show()[0].ID, "operator", "req"); err != nil {
		t.Error(err)
	}
}
