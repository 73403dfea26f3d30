package bridge_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/console"
)

// holds lists the holds by command, once there are as many grants as that.
func (s *setup) holds(backend string, grants int) (out []desk.Hold) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); ; <-tick.C {
		if s.metric(`scimbridge_held_changes{backend="`+backend+`"}`) != fmt.Sprint(grants) && time.Now().Before(limit) {
			continue
		}
		code, text := s.command("hold", "list", "--json")
		if err := json.Unmarshal([]byte(text), &out); err != nil || code != 0 {
			s.t.Fatalf("%d %v %s", code, err, text)
		}
		return out
	}
}

// decides calls the operator API.
func (s *setup) decides(path string) (int, console.HoldChanged) {
	s.t.Helper()
	key, err := os.ReadFile(s.bridge.Config.Store.OperatorKeyFile())
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, s.bridge.ConsoleURL()+"/api/holds/"+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(key)))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var refusal console.HoldChanged
	if err := json.Unmarshal(raw, &refusal); err != nil {
		s.t.Fatalf("%v: %s", err, raw)
	}
	return res.StatusCode, refusal
}

// TestHoldApproval lists four of twenty removals and adds the others later: a decision covers only the listed ones.
func TestHoldApproval(t *testing.T) {
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}")
	s.edit(limits, "max_removals: {count: 0, percent: 0, window: 1h}")
	s.fixConsole()
	s.start()
	var ids []string
	email := func(i int) string { return fmt.Sprintf("p%02d@example.com", i) }
	want := map[string]string{}
	for i := range 20 {
		s.person(email(i))
		ids = append(ids, s.user(email(i)))
		want[email(i)] = "acme GROUP_ADMIN"
	}
	admins := s.group("VT Admins", ids...)
	s.eventually("granted", want)
	leave := func(from, to int) {
		for _, id := range ids[from:to] {
			s.patch("/Groups/"+admins, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id))
		}
	}
	leave(0, 4)
	listed := s.holds("vt", 4)
	if len(listed) != 1 || len(listed[0].Grants) != 4 || listed[0].ID != strings.Split(listed[0].ID, ".")[0]+"."+listed[0].Digest {
		t.Fatalf("%+v", listed)
	}
	leave(4, 19)
	now := s.holds("vt", 19)
	if len(now) < 2 || now[0].ID != listed[0].ID {
		t.Fatalf("the listed hold has grown: %+v", now)
	}
	if code, out := s.command("hold", "approve", listed[0].ID); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	for i := range 4 {
		want[email(i)] = ""
	}
	s.eventually("approved", want)

	// A user comes back: the list is out of date, and both decisions are refused.
	old := s.holds("vt", 15)[0]
	back := slices.IndexFunc(slices.Collect(func(yield func(string) bool) {
		for i := range 20 {
			if !yield(email(i)) {
				return
			}
		}
	}), func(e string) bool { return e == old.Grants[0].Person })
	s.patch("/Groups/"+admins, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":"%s"}]}`, ids[back]))
	s.holds("vt", 14)
	base := strings.TrimSuffix(old.ID, "."+old.Digest)
	for _, path := range []string{old.ID + "/approve", old.ID + "/reject", base + "/approve", base + "/approve?digest=" + old.Digest} {
		code, refusal := s.decides(path)
		if code != 409 || len(refusal.Holds) == 0 || refusal.Holds[0].ID == old.ID || !strings.Contains(refusal.Error, "has changed since it was listed") {
			t.Errorf("%s: %d %+v", path, code, refusal)
		}
	}
	code, out := s.command("hold", "approve", old.ID)
	if code != 1 || !strings.Contains(out, "has changed since it was listed") || !strings.Contains(out, "would revoke:") || strings.Contains(out, old.ID) {
		t.Errorf("%d %s", code, out)
	}
	code, out = s.command("hold", "approve", old.ID, "--json")
	if code != 1 || !strings.Contains(out, `"holds": [`) {
		t.Errorf("%d %s", code, out)
	}
	s.eventually("refused", want)

	// Without a digest the command shows the content; a digest by itself is enough.
	code, out = s.command("hold", "approve", base)
	if code != 0 || !strings.Contains(out, "USER_ROLE_GROUP_ADMIN from "+old.Grants[1].Person) || !strings.Contains(out, "approved") {
		t.Errorf("%d %s", code, out)
	}
	for _, g := range old.Grants[1:] {
		want[g.Person] = ""
	}
	s.eventually("approved as shown", want)
	if rest := s.holds("vt", 0); len(rest) > 0 {
		if code, _ := s.decides(strings.TrimSuffix(rest[0].ID, "."+rest[0].Digest) + "/reject?digest=" + rest[0].Digest); code != 200 {
			t.Errorf("a digest by itself: %d", code)
		}
	}
}

// TestOffboardingLimit deactivates and deletes users one by one: the first ones are off-boarded at once, the others held.
func TestOffboardingLimit(t *testing.T) {
	for _, how := range []string{"deactivated", "deleted"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, max_offboardings: {count: 5, percent: 0, window: 1h}")
			s.fixConsole()
			s.start()
			var ids []string
			want := map[string]string{}
			for i := range 24 {
				email := fmt.Sprintf("p%02d@example.com", i)
				s.person(email)
				ids = append(ids, s.user(email))
				want[email] = "acme GROUP_ADMIN, approver"
			}
			s.group("VT Admins", ids...)
			s.group("risk-approver", ids...)
			s.eventually("granted", want)
			for i, id := range ids {
				if i == 20 {
					break
				}
				if how == "deleted" {
					s.must(204, "DELETE", "/Users/"+id, "")
				} else {
					s.deactivate(id)
				}
				if i < 5 {
					want[fmt.Sprintf("p%02d@example.com", i)] = ""
				}
				time.Sleep(20 * time.Millisecond) // the pace of the requests
			}
			s.eventually(how, want)
			for _, b := range []string{"vt", "rc"} {
				if n := s.metric(`scimbridge_held_changes{backend="` + b + `"}`); n != "15" {
					t.Errorf("%s: %s held, want 15", b, n)
				}
				if n := s.metric(`scimbridge_over_limit{backend="` + b + `",limit="max_offboardings"}`); n != "1" {
					t.Errorf("%s: over the limit on %s target(s)", b, n)
				}
				if n := s.metric(`scimbridge_over_limit{backend="` + b + `",limit="max_removals"}`); n != "0" {
					t.Errorf("%s: over the other limit on %s target(s)", b, n)
				}
			}
			code, out := s.command("status", "--exit-code")
			if code != 3 || !strings.Contains(out, "vt: over the limit: max_offboardings on acme") || !strings.Contains(out, "rc: over the limit: max_offboardings on approver") {
				t.Errorf("%d %s", code, out)
			}
			for _, h := range s.holds("vt", 15) {
				if code, out := s.command("hold", "approve", h.ID); code != 0 {
					t.Errorf("%d %s", code, out)
				}
			}
			for i := range 20 {
				want[fmt.Sprintf("p%02d@example.com", i)] = ""
			}
			s.eventually("approved", want)
			if n := s.metric(`scimbridge_over_limit{backend="vt",limit="max_offboardings"}`); n != "0" {
				t.Errorf("over the limit on %s target(s) after the decision", n)
			}
			s.deactivate(ids[20]) // approved off-boardings do not count, earlier ones do
			s.holds("vt", 1)
			s.eventually("one more", want)
		})
	}
}

// TestPermissionSetLimit renames an empty group that gives a permission set to a role: every user of the role would lose it.
func TestPermissionSetLimit(t *testing.T) {
	for _, profile := range profiles {
		for _, how := range []string{"rename", "delete", "rules"} {
			t.Run(profile+"/"+how, func(t *testing.T) {
				t.Parallel()
				s := newSetup(t, profile, "batch: {size: 25, wait: 20ms}")
				s.edit(limits, "max_removals: {count: 2, percent: 0, window: 1h}")
				const rule = "  - {match: 'extra-(?P<role>[a-z]+)', backend: rc, target: '${role}', permission_sets: [ps1]}\n"
				s.edit("mappings:\n", "mappings:\n"+rule)
				s.fixConsole()
				s.start()
				var ids []string
				want := map[string]string{}
				for i := range 3 {
					email := fmt.Sprintf("p%02d@example.com", i)
					s.person(email)
					ids = append(ids, s.user(email))
					want[email] = "approver"
				}
				extra := s.group("extra-approver")
				s.group("risk-approver", ids...)
				s.eventually("granted", want)
				sets := func() string {
					_, sets := s.rc.Role("approver")
					return strings.Join(sets, ",")
				}
				if sets() != "ps1" {
					t.Fatalf("the role has %q", sets())
				}
				switch how {
				case "rename":
					s.patch("/Groups/"+extra, `{"op":"replace","path":"displayName","value":"Other"}`)
				case "delete":
					s.must(204, "DELETE", "/Groups/"+extra, "")
				case "rules":
					s.edit(rule, "")
					if code, out := s.command("reload"); code != 0 || !strings.Contains(out, "held on approver: permission set ps1 from every user of it") {
						t.Errorf("%d %s", code, out)
					}
				}
				held := s.holds("rc", 1)
				s.eventually("held", want)
				code, out := s.command("hold", "list")
				if len(held) != 1 || code != 0 || sets() != "ps1" ||
					!strings.Contains(out, "permission set ps1 from the role, and so from the 3 user(s) who have it through the bridge") {
					t.Fatalf("the role has %q: %d %s", sets(), code, out)
				}
				if how == "delete" {
					if code, out := s.command("hold", "reject", strings.TrimSuffix(held[0].ID, "."+held[0].Digest)); code != 0 {
						t.Errorf("%d %s", code, out)
					}
					s.eventually("rejected", want)
					if sets() != "ps1" {
						t.Errorf("rejected, and the role has %q", sets())
					}
					return
				}
				if code, out := s.command("hold", "approve", held[0].ID); code != 0 {
					t.Errorf("%d %s", code, out)
				}
				s.eventually("approved", want)
				if sets() != "" {
					t.Errorf("approved, and the role has %q", sets())
				}
			})
		}
	}
}
