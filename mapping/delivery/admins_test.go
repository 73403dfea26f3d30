package delivery_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
)

// The list still shows an admin whose removal was just confirmed: that admin does not remain, also for a new process.
func TestAnAdminWhoWasRemovedAMomentAgoIsNotOneWhoRemains(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		w := full(t, 2)
		w.vendor.admin = "ADMIN"
		w.pass(time.Hour)
		w.leaveAll(0, 1)
		w.pass(2 * time.Second)
		w.expect("acme/a1=ADMIN")
		w.vendor.lags = map[string][]string{"acme/a0": {"ADMIN"}}
		if restarted {
			w.restart()
		}
		w.leaveAll(1, 2)
		w.pass(10 * time.Second)
		w.expect("acme/a1=ADMIN")
		w.vendor.lags = nil
		w.pass(2 * time.Minute)
		w.expect("acme/a1=ADMIN")
		w.hold("last_admin", 1)
	}
}

// A rule with replace would clear the role of an admin who was made by hand and is the last.
func TestReplaceDoesNotClearTheLastAdmin(t *testing.T) {
	exact := mapping.Rule{Groups: []string{"Exact"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}, Replace: true}
	w := newWorld(t, exact)
	w.vendor.admin = "ADMIN"
	team(w, 2, "Exact")
	w.vendor.holds["acme/a0"] = map[string]bool{"ADMIN": true}
	w.join("okta", "u0", "Exact")
	w.join("okta", "u1", "Exact")
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN,SCAN acme/a1=SCAN")
	if err := w.desk.Approve(t.Context(), w.hold("last_admin", 1).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	w.expect("acme/a0=SCAN acme/a1=SCAN")
}

func TestAnAdminWhoseRemovalWasBegunIsNotOneWhoRemains(t *testing.T) {
	w := full(t, 2)
	w.vendor.admin = "ADMIN"
	w.vendor.people["root@example.com"] = "root"
	w.vendor.answers = []answer{{err: failure(backend.Transient, 503)}, {err: failure(backend.Transient, 503)}, {err: failure(backend.Transient, 503)}}
	w.leaveAll(0, 1)
	w.pass(2 * time.Second)
	w.leaveAll(1, 2)
	w.pass(10 * time.Minute)
	w.expect("acme/a1=ADMIN")
	w.hold("last_admin", 1)
}

func TestAnAdminDemotedByHandIsNotOneWhoRemains(t *testing.T) {
	w := full(t, 2)
	w.vendor.admin = "ADMIN"
	w.pass(2 * time.Minute)
	delete(w.vendor.holds["acme/a1"], "ADMIN")
	w.leaveAll(0, 1)
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN")
	w.hold("last_admin", 1)
}

func TestAnEmptyListingDoesNotShowThatAnAdminRemains(t *testing.T) {
	w := full(t, 1)
	w.vendor.admin, w.vendor.empty, w.vendor.cut = "ADMIN", true, true
	w.leaveAll(0, 1)
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN")
	w.hold("last_admin", 1)
}

// An administrator who is seen in an incomplete listing is not relied on.
func TestAnIncompleteListingDoesNotShowThatAnAdminRemains(t *testing.T) {
	w := full(t, 1)
	w.vendor.people["root@example.com"], w.vendor.holds["acme/root"] = "root", map[string]bool{"ADMIN": true}
	w.vendor.admin, w.vendor.cut = "ADMIN", true
	w.leaveAll(0, 1)
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN acme/root=ADMIN")
	w.hold("last_admin", 1)
}

func TestAnAdminMadeByHandIsTheLastToBeOffboarded(t *testing.T) {
	w := newWorld(t, others)
	w.config = func(d configured) { d.Offboard = true }
	w.restart()
	team(w, 2, "Others")
	w.vendor.admin = "ADMIN"
	w.join("okta", "u0", "Others")
	w.pass(5 * time.Second)
	w.vendor.holds["acme/a0"]["ADMIN"] = true
	w.calls()
	w.deactivate("okta", "u0")
	w.pass(time.Hour)
	w.expectCalls("remove acme: a0=SCAN")
	id := w.hold("last_admin", 1).ID
	w.vendor.holds["acme/a1"] = map[string]bool{"ADMIN": true}
	w.vendor.stale = map[string]bool{}
	if err := w.desk.Approve(t.Context(), id, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	w.expectCalls("remove acme: a0=ADMIN", "offboard acme: a0")
	w.expect("acme/a1=ADMIN")
	w.expectCounts("pending 0, blocked 0, held 0")
}

func TestAnAdminWhoWasMadeAMomentAgoRemains(t *testing.T) {
	w := full(t, 4)
	w.vendor.admin = "ADMIN"
	w.vendor.people["root@example.com"] = "root"
	w.vendor.stale = map[string]bool{"a0/ADMIN": true, "a1/ADMIN": true, "a2/ADMIN": true, "a3/ADMIN": true}
	w.leaveAll(0, 1)
	w.pass(2 * time.Second)
	w.noHold()
	w.expect("acme/a1=ADMIN acme/a2=ADMIN acme/a3=ADMIN")
}
