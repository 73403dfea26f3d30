package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// outside returns the foreign grants that the store has, and what the comparison of the target shows.
func (w *world) outside() string {
	w.t.Helper()
	var out []string
	err := w.store.View(context.Background(), func(tx store.Tx) error {
		out = nil
		for s, err := range record.List(tx, record.ForeignGrant{Backend: "vt"}) {
			if err != nil {
				return err
			}
			out = append(out, fmt.Sprintf("%s/%s=%s", s.Target, s.Account, s.Role))
		}
		c, _, err := record.Get(tx, record.Comparison{Backend: "vt", Target: "acme"})
		out = append(out, "shows "+c.Shows)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(out, " ")
}

// TestRecordComparison records foreign grants, of any role, while comparisons see them.
func TestRecordComparison(t *testing.T) {
	w, _ := drifting(t, admins)
	check := func(step, want string) {
		t.Helper()
		if got := w.outside(); got != want {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	w.vendor.holds["acme/a3"] = map[string]bool{"ADMIN": true, "OTHER": true}
	w.pass(2 * time.Hour)
	check("foreign", "acme/a3=ADMIN acme/a3=OTHER shows *")
	delete(w.vendor.holds["acme/a3"], "OTHER")
	w.join("okta", "u3", "Admins")
	w.pass(2 * time.Hour)
	check("one is gone and one adopted", "shows *")
	w.vendor.hidden = true
	w.pass(2 * time.Hour)
	check("roles are not shown", "shows ")
}
