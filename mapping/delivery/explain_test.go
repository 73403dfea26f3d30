package delivery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/view"
)

// Two users of two identity providers are one account: what the one is given the other does not lose.
func TestExplainKnowsTheOtherUserOfAnAccount(t *testing.T) {
	w := full(t, 1)
	w.group("entra", "Admins")
	w.user("entra", "e0", "u0@example.com", true)
	w.join("entra", "e0", "Admins")
	w.pass(time.Minute)
	state := func() string {
		t.Helper()
		whys, err := w.desk.Explain(t.Context(), "u0", "ADMIN")
		if err != nil || len(whys) != 1 || len(whys[0].Grants) != 1 {
			t.Fatalf("%+v, %v", whys, err)
		}
		return whys[0].Grants[0].State
	}
	w.leave("okta", "u0", "Admins")
	w.pass(time.Minute)
	if s := state(); !strings.Contains(s, "another user who is this account") {
		t.Error(s)
	}
	w.config = func(w configured) { w.Mode = view.AddOnly }
	w.restart()
	w.leave("entra", "e0", "Admins")
	w.pass(time.Minute)
	if s := state(); !strings.Contains(s, "keeps it: the mode of the backend is add_only") {
		t.Error(s)
	}
}

// TestExplainPromisesWhatTheModeAllows, after a copy was put back.
func TestExplainPromisesWhatTheModeAllows(t *testing.T) {
	for mode, want := range map[view.Mode][2]string{
		view.Sync:    {"is to lose it after `scimbridge resume`", "is to get it after `scimbridge resume`"},
		view.AddOnly: {"keeps it: the mode of the backend is add_only", "is to get it after `scimbridge resume`"},
		view.Observe: {"keeps it: the mode of the backend is observe", "does not get it: the mode of the backend is observe"},
	} {
		w := newWorld(t, admins)
		team(w, 2, "Admins")
		w.join("okta", "u0", "Admins")
		w.pass(time.Minute)
		w.config = func(d configured) { d.Mode = mode }
		w.restart()
		w.worker.Standby(true)
		w.leave("okta", "u0", "Admins")
		w.join("okta", "u1", "Admins")
		for i, words := range want {
			why, err := w.desk.Explain(t.Context(), fmt.Sprint("u", i), "")
			if err != nil {
				t.Fatal(err)
			}
			if len(why) != 1 || len(why[0].Grants) != 1 || !strings.Contains(why[0].Grants[0].State, words) {
				t.Errorf("%s: %+v does not say %q", mode, why, words)
			}
		}
	}
}
