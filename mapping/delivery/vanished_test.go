package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// A target vanished at the vendor while people have something there, and no rule names it any more: an operator can say that
// what they had is gone, or that the bridge is to have nothing to do with it, and until then it is tried.
func TestWhatWaitsForAVanishedTargetIsDecided(t *testing.T) {
	for _, approve := range []bool{true, false} {
		w := full(t, 2)
		w.vendor.lost = map[string]bool{"acme": true}
		w.leaveAll(0, 1)
		w.pass(time.Minute)
		w.noHold() // a rule names it: it may be made again
		w.remap()
		w.worker.RulesChanged()
		w.pass(time.Minute)
		w.calls()
		w.pass(time.Hour)
		if n := len(w.calls()); n < 10 {
			t.Errorf("tried %d times in an hour", n)
		}
		h := w.hold("no_target", 2)
		decide := w.desk.Reject
		if approve {
			decide = w.desk.Approve
		}
		if err := decide(t.Context(), h.ID, "operator", "req"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		w.noHold()
		w.expectCalls()
		w.expectCounts("pending 0, blocked 0, held 0")
		if state, reason := w.worker.Health(); state != "ok" {
			t.Errorf("%s: %s", state, reason)
		}
	}
}

func TestAVanishedGroupIsNoTarget(t *testing.T) {
	w := full(t, 30)
	w.vendor.lost = map[string]bool{"acme": true}
	for i := range 8 {
		w.join("okta", fmt.Sprint("u", i), "Others")
	}
	w.pass(30 * time.Second)
	if n := len(w.calls()); n > 4 {
		t.Errorf("%d calls to find that nothing is there", n)
	}
	err := w.store.View(t.Context(), func(tx store.Tx) error {
		for m, err := range tx.Work("vt").Marks("") {
			if err != nil || m.State != store.Blocked || m.Reason != "no_target" {
				t.Errorf("%+v, %v", m, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if state, reason := w.worker.Health(); state != "no_target" || !strings.Contains(reason, "target acme") {
		t.Errorf("%s: %s", state, reason)
	}
	w.vendor.lost = nil
	w.pass(10 * time.Minute)
	if n := w.heldBy("SCAN"); n != 8 {
		t.Errorf("%d have the role, want 8", n)
	}
}
