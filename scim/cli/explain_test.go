package cli

import (
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/memory"
)

// A replica that does not deliver knows only which replica does: the state is said in words.
func TestExplainBackendState(t *testing.T) {
	for _, c := range []struct {
		is   memory.Condition
		want string
	}{
		{memory.Condition{State: delivery.Following, Reason: "no replica delivers; one takes over within seconds"}, "    no replica delivers; one takes over within seconds\n"},
		{memory.Condition{State: "unauthorized", Reason: "status 401"}, "    the state of the backend is unauthorized: status 401\n"},
		{memory.Condition{State: "standby"}, "    the state of the backend is standby\n"},
	} {
		var out strings.Builder
		if err := showWhy(&out, []desk.Why{{Backend: "vt", Condition: c.is}}, ""); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), delivery.Following) {
			t.Errorf("%+v: %s", c.is, out.String())
		}
	}
}
