package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/live"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/scim/config"
)

// later stops the bridge and starts it again, some time later by its clock, with a change of the
// configuration.
func (s *setup) later(by time.Duration, old, now string) {
	s.t.Helper()
	if s.running {
		s.stop()
	}
	if old != "" {
		s.edit(old, now)
	}
	c, _, err := config.Load(s.path, bridge.Kinds())
	if err != nil {
		s.t.Fatal(err)
	}
	b := &bridge.Bridge{Config: c, Log: canary.Log(s.t), Path: s.path, Now: func() time.Time { return time.Now().Add(by) }}
	if err := b.Start(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	s.ahead.Store(int64(by))
	s.bridge, s.scim, s.console, s.running = b, b.URL(), b.ConsoleURL(), true
}

// compared is the answer of plan --live.
func (s *setup) compared() (all []live.Report) {
	s.t.Helper()
	code, out := s.command("plan", "--live", "--json")
	if code != 0 {
		s.t.Fatalf("%d %s", code, out)
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// wide is a directory with a role for each group at a vendor, and what a test expects of it.
type wide struct {
	*setup
	r       *rand.Rand
	emails  []string
	ids     map[string]string // of users
	groups  map[string]string // displayName -> id
	member  map[[2]string]bool
	off     map[string]bool
	ledger  map[[2]string]bool // e-mail and role: what the bridge granted or adopted
	without map[string]bool    // has no account
}

// gives maps groups to roles, as roles of setup writes them.
var gives = map[string]string{"VT Admins": "acme GROUP_ADMIN", "team-1": "acme INTELLIGENCE", "risk-approver": "approver", "Auditors": "reviewer"}

// authoritative is the role that only groups give.
const authoritative = "reviewer"

func newWide(t *testing.T, seed uint64) *wide {
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
	s.edit("  - {match: 'risk-(?P<role>[a-z]+)', backend: rc, target: '${role}'}",
		"  - {group: risk-approver, backend: rc, target: approver}\n  - {group: Auditors, backend: rc, target: reviewer, authoritative: true}")
	s.fixConsole()
	w := &wide{setup: s, r: rand.New(rand.NewPCG(seed, 1)), ids: map[string]string{}, groups: map[string]string{},
		member: map[[2]string]bool{}, off: map[string]bool{}, ledger: map[[2]string]bool{}, without: map[string]bool{}}
	s.later(0, "", "")
	t.Cleanup(func() { s.stop() })
	for i := range 14 {
		email := fmt.Sprintf("p%02d@example.com", i)
		if w.without[email] = i%7 == 6; !w.without[email] {
			s.person(email)
		}
		w.emails = append(w.emails, email)
		w.ids[email] = s.user(email)
	}
	return w
}

// vendor gives or takes a role at its vendor, by hand.
func (w *wide) vendor(email, role string, give bool) {
	id, target := w.vendorID[email], strings.TrimPrefix(role, "acme ")
	switch {
	case target == role && give:
		w.rc.Grant(role, id[1])
	case target == role:
		w.rc.Revoke(role, id[1])
	case give:
		w.vt.Grant("acme", id[0], "USER_ROLE_"+target)
	default:
		w.vt.Revoke("acme", id[0], "USER_ROLE_"+target)
	}
}

// has reports whether a user has a role at its vendor.
func (w *wide) has(email, role string) bool {
	return slices.Contains(strings.Split(w.roles(email), ", "), role)
}

// wants reports whether a group gives a role to a user.
func (w *wide) wants(email, role string) bool {
	for g, gives := range gives {
		if gives == role && w.member[[2]string{g, email}] && !w.off[email] {
			return true
		}
	}
	return false
}

// change makes random changes of groups and users.
func (w *wide) change() {
	for g := range gives {
		var operations []string
		for _, email := range w.emails {
			at := [2]string{g, email}
			if w.r.IntN(3) > 0 {
				continue
			}
			if w.member[at] {
				operations = append(operations, fmt.Sprintf(`{"op":"remove","path":"members","value":[{"value":%q}]}`, w.ids[email]))
			} else {
				operations = append(operations, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q}]}`, w.ids[email]))
			}
			w.member[at] = !w.member[at]
		}
		if w.groups[g] == "" {
			w.groups[g] = w.group(g)
		}
		if len(operations) > 0 {
			w.patch("/Groups/"+w.groups[g], strings.Join(operations, ","))
		}
	}
}

// expected is the action that plan --live must show for a role of a user; "" is none.
func (w *wide) expected(email, role string) live.Action {
	want, ours, has := w.wants(email, role), w.ledger[[2]string{email, role}], w.has(email, role)
	switch {
	case w.without[email] && want:
		return live.NoAccount
	case want && ours && has:
		return live.Keep
	case want && !ours && has:
		return live.Adopt
	case want:
		return live.Grant
	case ours, has && role == authoritative:
		return live.Revoke
	case has:
		return live.Foreign
	}
	return ""
}

// TestPlanLive compares plan --live with what the simulated vendors have and with what the worker does
// then, for random groups, grants made by hand and grants taken by hand.
func TestPlanLive(t *testing.T) {
	for range 3 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWide(t, seed)
			for _, role := range gives { // some grants are there before a group gives them
				for _, email := range w.emails {
					if w.r.IntN(4) == 0 && !w.without[email] && role != authoritative {
						w.vendor(email, role, true)
					}
				}
			}
			w.change()
			w.eventually("the first groups", w.all(func(email, role string) bool {
				return !w.without[email] && (w.wants(email, role) || w.has(email, role))
			}))
			for _, role := range gives {
				for _, email := range w.emails {
					w.ledger[[2]string{email, role}] = w.wants(email, role) && !w.without[email]
				}
			}

			w.later(10*time.Minute, "mode: sync", "mode: observe")
			w.change()
			for range 2 {
				email := w.emails[w.r.IntN(len(w.emails))]
				if !w.off[email] {
					w.off[email] = true
					w.patch("/Users/"+w.ids[email], `{"op":"replace","path":"active","value":false}`)
				}
			}
			for _, role := range gives { // by hand
				for _, email := range w.emails {
					if w.r.IntN(4) == 0 && !w.without[email] {
						w.vendor(email, role, !w.has(email, role))
					}
				}
			}
			before := w.changes()
			w.check(view.Observe)
			if now := w.changes(); now != before {
				t.Errorf("a comparison changed something: %d calls, %d before", now, before)
			}

			w.later(20*time.Minute, "mode: observe", "mode: add_only")
			w.settle()
			for _, role := range gives {
				for _, email := range w.emails {
					w.ledger[[2]string{email, role}] = w.ledger[[2]string{email, role}] || w.wants(email, role) && !w.without[email]
				}
			}
			w.ahead.Add(int64(time.Minute)) // reads lag
			predicted := w.check(view.AddOnly)
			w.edit("resync_every: 0", "resync_every: 1s")
			w.later(30*time.Minute, "mode: add_only", "mode: sync")
			w.eventually("the worker", predicted)
		})
	}
}

// settle waits until the worker has granted and adopted what add_only allows: what is left of that is
// a grant that was taken by hand, which only a resync finds.
func (w *wide) settle() {
	w.t.Helper()
	left := ""
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		left = ""
		for _, report := range w.compared() {
			for _, row := range report.Rows {
				if row.Action == live.Adopt || row.Action == live.Grant && row.Reason != "missing" {
					left += fmt.Sprintf("%+v\n", row)
				}
			}
		}
		if left == "" {
			return
		}
	}
	w.t.Fatalf("left:\n%s", left)
}

// changes counts the calls that changed something at a vendor.
func (w *wide) changes() int { return len(w.vt.Calls()) + len(w.rc.Calls()) }

// all returns the roles of all users, as eventually expects them.
func (w *wide) all(has func(email, role string) bool) map[string]string {
	out := map[string]string{}
	for _, email := range w.emails {
		var roles []string
		for _, role := range gives {
			if has(email, role) {
				roles = append(roles, role)
			}
		}
		slices.Sort(roles)
		out[email] = strings.Join(roles, ", ")
	}
	return out
}

// check compares the rows with what is expected and with what the vendors have, and returns the roles
// that sync must leave.
func (w *wide) check(mode view.Mode) map[string]string {
	w.t.Helper()
	rows := map[[2]string]live.Row{}
	for _, report := range w.compared() {
		if !report.Complete || report.Mode != mode {
			w.t.Errorf("%s: complete %v, mode %s", report.Backend, report.Complete, report.Mode)
		}
		for _, row := range report.Rows {
			role := row.Target
			if report.Backend == "vt" {
				role += " " + strings.TrimPrefix(row.Role, "USER_ROLE_")
			}
			at := [2]string{row.Person, role}
			if rows[at].Action != "" {
				w.t.Errorf("two rows: %+v and %+v", rows[at], row)
			}
			rows[at] = row
		}
	}
	for _, role := range gives {
		for _, email := range w.emails {
			row, want := rows[[2]string{email, role}], w.expected(email, role)
			if row.Action != want {
				w.t.Errorf("%s %s: %+v, want %q", email, role, row, want)
			}
			if has := map[bool]string{true: "yes", false: "no"}[w.has(email, role)]; row.Action != "" && row.Has != has {
				w.t.Errorf("%s %s: %+v, the vendor says %q", email, role, row, has)
			}
			state := desk.Stays
			switch want {
			case live.NoAccount:
				state = desk.IsBlocked
			case live.Grant, live.Adopt:
				if state = desk.Now; mode == view.Observe {
					state = desk.NotInMode
				}
			case live.Revoke:
				state = desk.NotInMode
			}
			if row.Action != "" && row.State != state {
				w.t.Errorf("%s %s: %+v, want the state %s", email, role, row, state)
			}
		}
	}
	return w.all(func(email, role string) bool {
		switch row := rows[[2]string{email, role}]; row.Action {
		case live.Keep, live.Grant, live.Adopt, live.Foreign:
			return true
		case live.Revoke:
			return row.Reason != "" && row.Has == "yes" // it would be held
		}
		return false
	})
}
