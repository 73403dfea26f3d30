package delivery_test

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
)

// A plan says what users would get whose account is not known, and whether that is new: a user without an account who waits
// for it already is nothing to do.
func TestPlanOfUsersWithUnknownAccounts(t *testing.T) {
	w := newWorld(t, mapping.Rule{Groups: []string{"Staff"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}})
	w.user("okta", "ada", "ada@example.com", true)
	w.group("okta", "Staff")
	w.group("okta", "Other")
	w.join("okta", "ada", "Staff")
	w.join("okta", "ada", "Other")
	plan := func(roles ...string) string {
		t.Helper()
		rules, err := mapping.Compile([]mapping.Rule{{Groups: []string{"Staff"}, Backend: "vt", Target: "acme", Roles: roles}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.desk.Preview(t.Context(), rules)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, l := range p.LookUps {
			out = append(out, fmt.Sprint(l.Target, " ", l.Person, " ", l.Roles, " ", cmp.Or(l.Reason, "new"), " ", !l.Until.IsZero()))
		}
		return fmt.Sprint(out, p.Something())
	}
	if got := plan("SCAN"); got != "[acme ada@example.com [SCAN] new false] true" {
		t.Errorf("not looked for yet: %s", got)
	}
	w.pass(time.Minute)
	w.expectCounts("pending 0, blocked 1, held 0")
	if got := plan("SCAN"); got != "[acme ada@example.com [SCAN] no_account true] false" {
		t.Errorf("without an account: %s", got)
	}
	if got := plan("SCAN", "ADMIN"); got != "[acme ada@example.com [ADMIN SCAN] new false] true" {
		t.Errorf("more than before: %s", got)
	}
	if got := plan("ADMIN"); got != "[acme ada@example.com [ADMIN] new false] true" {
		t.Errorf("something else: %s", got)
	}
}
