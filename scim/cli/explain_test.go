package cli

import (
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/mapping/delivery"
)

// A replica that does not deliver knows only which replica does: the state is said in words.
func TestExplainBackendState(t *testing.T) {
	for _, c := range []struct {
		is   delivery.Condition
		want string
	}{
		{delivery.Condition{State: delivery.Following, Reason: "no replica delivers; one takes over within seconds"}, "    no replica delivers; one takes over within seconds\n"},
		{delivery.Condition{State: "unauthorized", Reason: "status 401"}, "    the state of the backend is unauthorized: status 401\n"},
		{delivery.Condition{State: "standby"}, "    the state of the backend is standby\n"},
	} {
		var out strings.Builder
		if err := showWhy(&out, []delivery.Why{{Backend: "vt", Condition: c.is}}, ""); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), delivery.Following) {
			t.Errorf("%+v: %s", c.is, out.String())
		}
	}
}
