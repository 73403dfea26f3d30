package planned

import (
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
)

// TestPlanCSV: a name that an identity provider chose is no formula in a spreadsheet.
func TestPlanCSV(t *testing.T) {
	var out strings.Builder
	plan := []desk.Preview{{Backend: "vt", Mode: view.Observe, Users: []desk.PlannedGrant{{Target: "acme", Person: `=HYPERLINK("http://x")`,
		Role: "R", Action: desk.Grant, State: desk.NotInMode, Why: []string{"@group, by the rule on line 3", "b"}}}}}
	if err := CSV(&out, plan); err != nil {
		t.Fatal(err)
	}
	want := "backend,mode,target,person,account,role,action,state,reason,why,until\n" +
		`vt,observe,acme,"'=HYPERLINK(""http://x"")",,R,grant,not_in_mode,,"'@group, by the rule on line 3; b",` + "\n"
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", &out, want)
	}
}
