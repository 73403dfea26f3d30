package delivery_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/view"
)

func TestReplaceDoesNotClearTheProtected(t *testing.T) {
	exact := mapping.Rule{Groups: []string{"Exact"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}, Replace: true}
	w := newWorld(t, exact)
	w.config = func(d configured) { d.Protect, d.OwnAccount = []string{"u0@example.com"}, "a1" }
	w.restart()
	team(w, 3, "Exact")
	for _, id := range []string{"a0", "a1", "a2"} {
		w.vendor.holds["acme/"+id] = map[string]bool{"ADMIN": true}
	}
	for _, u := range []string{"u0", "u1", "u2"} {
		w.join("okta", u, "Exact")
	}
	w.pass(time.Minute)
	w.expect("acme/a0=ADMIN,SCAN acme/a1=ADMIN,SCAN acme/a2=SCAN")
}

// What an operator refused to take away stays, also of a user who is to have exactly some roles.
func TestReplaceDoesNotClearWhatWasRejected(t *testing.T) {
	exact := mapping.Rule{Groups: []string{"Exact"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}, Replace: true}
	more := mapping.Rule{Groups: []string{"More"}, Backend: "vt", Target: "acme", Roles: []string{"FILES"}}
	w := newWorld(t, admins, exact, more)
	w.config = func(d configured) { d.MaxRemovals = view.Limit{Count: 1, Window: time.Hour} }
	w.restart()
	team(w, 2, "Admins", "Exact", "More")
	for _, u := range []string{"u0", "u1"} {
		w.join("okta", u, "Admins")
		w.join("okta", u, "Exact")
	}
	w.pass(time.Minute)
	w.leaveAll(0, 2)
	w.pass(time.Minute)
	if err := w.desk.Reject(t.Context(), w.hold("max_removals", 2).ID, "operator", "req"); err != nil {
		t.Fatal(err)
	}
	w.join("okta", "u0", "More")
	w.pass(time.Hour)
	w.expect("acme/a0=ADMIN,FILES,SCAN acme/a1=ADMIN,SCAN")
}
