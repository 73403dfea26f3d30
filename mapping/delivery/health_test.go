package delivery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

// A target that no rule names any more has no condition.
func TestHealthForgetsATargetThatNoRuleNames(t *testing.T) {
	w := newWorld(t, admins)
	team(w, 1, "Admins")
	w.vendor.gone["acme"] = true
	w.join("okta", "u0", "Admins")
	w.pass(time.Minute)
	if state, _ := w.worker.Health(); state != "no_target" {
		t.Error(state)
	}
	w.remap()
	w.worker.RulesChanged()
	w.pass(time.Hour)
	w.expectCounts("pending 0, blocked 0, held 0")
	if state, reason := w.worker.Health(); state != "ok" {
		t.Errorf("%s: %s", state, reason)
	}
}

func TestHealthNamesTheTargetThatIsRefused(t *testing.T) {
	other := others
	other.Target = "beta"
	w := newWorld(t, admins, other)
	team(w, 2, "Admins", "Others")
	w.vendor.answers = []answer{{err: failure(backend.Unauthorized, 403)}}
	w.join("okta", "u0", "Admins")
	w.pass(1100 * time.Millisecond)
	w.join("okta", "u1", "Others")
	w.clock = w.clock.Add(500 * time.Millisecond)
	w.round()
	if state, reason := w.worker.Health(); state != "unauthorized" || !strings.Contains(reason, "target acme") || strings.Contains(reason, "beta") {
		t.Errorf("%s: %s", state, reason)
	}
	w.pass(time.Minute)
	if state, reason := w.worker.Health(); state != "ok" {
		t.Errorf("%s: %s", state, reason)
	}
}
