package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/scim/console"
)

// Every time on the screen is UTC, wherever the machine is.
func TestTokensInUTC(t *testing.T) {
	east := time.FixedZone("east", 5*60*60)
	used := []console.TokenStatus{{Token: "0bcfb74f", LastUse: time.Date(2026, 11, 26, 1, 30, 0, 0, east)}}
	if words := tokens(used, time.Now()); !strings.HasSuffix(words, "used 2026-11-25T20:30:00Z") {
		t.Error(words)
	}
}

// A user who waits because of the backend is explained.
func TestExplainCondition(t *testing.T) {
	var out strings.Builder
	until := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	err := showWhy(&out, []desk.Why{{Backend: "rc", IdP: "okta", User: "ada"},
		{Backend: "vt", IdP: "okta", User: "ada", Condition: memory.Condition{State: "transient", Reason: "listing users: transient", Until: until}}}, "")
	if want := "\n  vt: no account looked up yet\n    the state of the backend is transient: listing users: transient\n    it is not called before 2026-11-26T12:00:00Z\n"; err != nil ||
		!strings.Contains(out.String(), want) || strings.Count(out.String(), "the state of") != 1 {
		t.Errorf("%v %s", err, out.String())
	}
}

// Each backend says in words what an operator must know, including a mode that prevents changes.
func TestShowStatus(t *testing.T) {
	var out strings.Builder
	err := showStatus(&out, console.Status{Backends: []console.BackendStatus{
		{Name: "rc", State: "ok", Mode: "sync"},
		{Name: "vt", State: "no_target", Reason: "target acme: the backend has no such target", Mode: "observe", Blocked: map[string]int{"no_account": 2, "no_target": 1}, BlockedUsers: 2, Holds: 1},
	}}, time.Now())
	_, words, _ := strings.Cut(out.String(), "PAUSED UNTIL\n")
	_, words, _ = strings.Cut(words, "\n\n")
	want := "vt: target acme: the backend has no such target\nvt: the mode is observe: nothing is changed there; `scimbridge plan` says what would be\n" +
		"vt: 2 blocked: no_account: the person has no account there\nvt: 1 blocked: no_target: the vendor has no such group or role\nvt: 1 hold(s) wait for a decision: scimbridge hold list\n"
	if err != nil || words != want || !strings.Contains(out.String(), "no_target  0        2 ") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
