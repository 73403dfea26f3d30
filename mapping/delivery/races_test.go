package delivery_test

import (
	"testing"
	"time"
)

// A permission set that is refused keeps no other where it is.
func TestARefusedPermissionSetKeepsNoOther(t *testing.T) {
	rule := admins
	rule.PermissionSets = []string{"ps1", "ps2"}
	w := newWorld(t, rule)
	w.vendor.mixed = true
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(2 * time.Minute)
	w.expect("acme/*=ps1,ps2 acme/a0=ADMIN")
	rule.PermissionSets = []string{"bad", "ps3"}
	w.vendor.refuse["*/bad"] = true
	w.remap(rule)
	w.worker.RulesChanged()
	w.pass(time.Minute)
	w.expect("acme/*=ps3 acme/a0=ADMIN")
	w.expectCounts("pending 0, blocked 1, held 0")
}

// That a reading shows people and no permission sets is no sign that one is gone whose removal is refused.
func TestARefusedRemovalOfAPermissionSetIsNotTakenForDone(t *testing.T) {
	rule := admins
	rule.PermissionSets = []string{"ps1"}
	w := newWorld(t, rule)
	w.vendor.mixed = true
	team(w, 1, "Admins")
	w.join("okta", "u0", "Admins")
	w.pass(2 * time.Minute)
	w.expect("acme/*=ps1 acme/a0=ADMIN")
	w.vendor.refuse["*/ps1"] = true
	w.remap(admins)
	w.worker.RulesChanged()
	w.pass(time.Hour)
	w.expectCounts("pending 0, blocked 1, held 0")
	clear(w.vendor.refuse)
	w.pass(10 * time.Minute)
	w.expect("acme/a0=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}
