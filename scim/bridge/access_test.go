package bridge_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend/virustotal/simulator"
	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/scim/cli"
)

// access returns the rows of the command, and its notes.
func (s *setup) access(args ...string) (rows []access.Row, notes string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Main(append([]string{"access", "--json", "--config", s.path}, args...), &out, &errs); code != 0 {
		s.t.Fatalf("access %v: %d %s", args, code, errs.String())
	}
	for line := range strings.Lines(out.String()) {
		var r access.Row
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		rows = append(rows, r)
	}
	return rows, errs.String()
}

// brief is a row in a few words.
func brief(r access.Row) string {
	text := r.User + " " + strings.TrimPrefix(r.Role, "USER_ROLE_") + " on " + r.Target + ": " + r.State + ", " + r.Has
	for _, more := range []string{r.Change, r.Reason} {
		if more != "" {
			text += ", " + more
		}
	}
	for _, c := range r.From {
		text += ", " + c.IdP + "/" + c.Group
	}
	return text
}

// reports waits until the rows of a user are these, and returns them.
func (s *setup) reports(user string, want ...string) []access.Row {
	s.t.Helper()
	var got []string
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		rows, _ := s.access("--user", user)
		got = nil
		for _, r := range rows {
			got = append(got, brief(r))
		}
		if slices.Equal(got, want) {
			return rows
		}
	}
	s.t.Fatalf("of %s:\n%s\nwant\n%s", user, strings.Join(got, "\n"), strings.Join(want, "\n"))
	return nil
}

// TestAccessStates brings grants into each state, over HTTP to both vendors, and reads the report.
func TestAccessStates(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, protect: [held@example.com, given@example.com], resync_every: 0")
	s.fixConsole()
	s.start()
	id := map[string]string{}
	for _, name := range []string{"granted", "adopted", "held", "given", "doubt", "foreign"} {
		s.person(name + "@example.com")
		id[name] = s.user(name + "@example.com")
	}
	id["blocked"] = s.user("blocked@example.com")
	s.rc.Grant("approver", s.vendorID["adopted@example.com"][1])
	s.vt.Grant("acme", s.vendorID["foreign@example.com"][0], "USER_ROLE_SECRET")
	admins := s.group("VT Admins", id["granted"], id["held"], id["given"], id["blocked"])
	s.group("risk-approver", id["adopted"])

	const group = "entra/VT Admins"
	rows := s.reports("granted@example.com", "granted@example.com GROUP_ADMIN on acme: granted, yes, "+group)
	granted := rows[0]
	if granted.Request == "" || granted.RequestedBy != "entra" || granted.Since.IsZero() || granted.Confirmed.IsZero() || granted.ConfirmedBy != access.ByAnswer {
		t.Errorf("%+v", granted)
	}
	s.reports("adopted@example.com", "adopted@example.com member on approver: adopted, yes, entra/risk-approver")
	s.reports("blocked@example.com", "blocked@example.com GROUP_ADMIN on acme: blocked, no, grant, no_account, "+group)

	moment := time.Now()
	s.patch("/Groups/"+admins, fmt.Sprintf(`{"op":"remove","path":"members","value":[{"value":%q},{"value":%q}]}`, id["held"], id["given"]))
	s.reports("given@example.com", "given@example.com GROUP_ADMIN on acme: held, yes, revoke, protected, "+group)
	held := s.reports("held@example.com", "held@example.com GROUP_ADMIN on acme: held, yes, revoke, protected, "+group)
	if code, out := s.command("hold", "list", "--json"); code != 0 || !strings.Contains(out, held[0].Hold) {
		t.Errorf("hold %q is not listed: %s", held[0].Hold, out)
	}
	if code, out := s.command("hold", "reject", held[0].Hold); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	if code, out := s.command("resync"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	given := s.reports("given@example.com", "given@example.com GROUP_ADMIN on acme: unmanaged, yes, disowned, "+group)
	if given[0].Since.After(moment) {
		t.Errorf("a disowned grant began again: %+v", given[0])
	}
	s.reports("foreign@example.com", "foreign@example.com SECRET on acme: unmanaged, yes, foreign")
	s.reports("credential@example.com", "credential@example.com GROUP_ADMIN on acme: unmanaged, yes, foreign")

	s.vt.Fail(slices.Repeat([]simulator.Fault{{Drop: true}}, 50)...)
	s.group("team-1", id["doubt"])
	s.reports("doubt@example.com", "doubt@example.com INTELLIGENCE on acme: in_doubt, unknown, grant, no_clean_answer, entra/team-1")

	s.sinceMoment(moment, id)
	unmanaged, notes := s.access("--unmanaged")
	for _, r := range unmanaged {
		if r.State != access.Unmanaged {
			t.Errorf("%+v is not unmanaged", r)
		}
	}
	if len(unmanaged) != 4 || !strings.Contains(notes, "last comparison") {
		t.Errorf("%d unmanaged: %v %s", len(unmanaged), unmanaged, notes)
	}
}

// TestAccessObserve reports what a backend in observe mode has and would get.
func TestAccessObserve(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
	s.edit("client_secret: canary-secret-of-the-tests, mode: sync", "client_secret: canary-secret-of-the-tests, mode: observe")
	s.fixConsole()
	s.start()
	s.person("ada@example.com")
	s.person("bob@example.com")
	s.rc.Grant("approver", s.vendorID["bob@example.com"][1])
	s.group("risk-approver", s.user("ada@example.com"), s.user("bob@example.com"))
	s.reports("ada@example.com", "ada@example.com member on approver: pending, unknown, grant, mode_observe, entra/risk-approver")
	if code, out := s.command("resync"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	s.reports("bob@example.com", "bob@example.com member on approver: unmanaged, yes, adopt, foreign, entra/risk-approver")
	s.reports("ada@example.com", "ada@example.com member on approver: pending, no, grant, mode_observe, entra/risk-approver")
}

// TestAccessOfSharedAccount: of the past, too, each user of an account has a row, and a backend only its own.
func TestAccessOfSharedAccount(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	s.person("ada@example.com")
	var members []string
	for _, name := range []string{"ada-1", "ada-2"} {
		members = append(members, s.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`","emails":[{"value":"ada@example.com","primary":true}],"active":true}`))
	}
	s.group("risk-approver", members...)
	s.eventually("granted", map[string]string{"ada@example.com": "approver"})
	for user, want := range map[string]int{"ada-1": 1, "ada-2": 1, "ada@example.com": 2} {
		rows, notes := s.access("--user", user, "--at", "0s")
		if len(rows) != want || rows[0].IdP != "entra" || rows[0].UserID == "" {
			t.Errorf("%s: %+v %s", user, rows, notes)
		}
	}
	if rows, _ := s.access("--backend", "vt", "--at", "0s"); len(rows) != 0 {
		t.Errorf("of another backend: %+v", rows)
	}
}

// sinceMoment compares the report of a moment, before the holds, with what was then.
func (s *setup) sinceMoment(moment time.Time, id map[string]string) {
	s.t.Helper()
	rows, notes := s.access("--at", moment.Format(time.RFC3339Nano))
	var got []string
	for _, r := range rows {
		got = append(got, brief(r))
		if r.UserID != id[strings.TrimSuffix(r.User, "@example.com")] || r.Request == "" {
			s.t.Errorf("%+v", r)
		}
	}
	slices.Sort(got)
	var want []string
	for _, name := range []string{"given", "granted", "held"} {
		want = append(want, name+"@example.com GROUP_ADMIN on acme: granted, yes, entra/VT Admins")
	}
	want = append([]string{"adopted@example.com member on approver: adopted, yes, entra/risk-approver"}, want...)
	if !slices.Equal(got, want) {
		s.t.Errorf("at %s:\n%s\nwant\n%s", moment, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !strings.Contains(notes, "pending or blocked then is not in it") {
		s.t.Error(notes)
	}
}

// TestAccessSince repeats a grant: it began once, and the repetition confirms it.
func TestAccessSince(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
	s.fixConsole()
	s.start()
	const email = "ada@example.com"
	s.person(email)
	id := s.user(email)
	first := s.group("VT Admins", id)
	row := brief(access.Row{User: email, Role: "GROUP_ADMIN", Target: "acme", State: access.Granted, Has: access.Yes})
	before := s.reports(email, row+", entra/VT Admins")[0]
	s.vt.Revoke("acme", s.vendorID[email][0], "USER_ROLE_GROUP_ADMIN") // by hand, at the vendor
	confirmed := before.Confirmed
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for limit := time.Now().Add(patience); len(s.trail("type", "--person", email)) < 4 || s.roles(email) == ""; <-look.C {
		if time.Now().After(limit) {
			t.Fatal("the grant is not repeated")
		}
		if code, out := s.command("resync"); code != 0 {
			t.Fatalf("%d %s", code, out)
		}
	}
	after := s.reports(email, row+", entra/VT Admins")[0]
	if !after.Since.Equal(before.Since) || after.Request != before.Request || !after.Confirmed.After(confirmed) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	s.group("VT Owners", id) // gives the same role
	s.patch("/Groups/"+first, fmt.Sprintf(`{"op":"remove","path":"members","value":[{"value":%q}]}`, id))
	kept := s.reports(email, row+", entra/VT Owners", strings.Replace(row, "GROUP_ADMIN", "INTELLIGENCE", 1)+", entra/VT Owners")[0]
	if !kept.Since.Equal(before.Since) {
		t.Errorf("the grant began again with another group: %+v", kept)
	}
}

// TestAccessEqualsVendors compares the report of random directories with what the vendors have.
func TestAccessEqualsVendors(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
			s.fixConsole()
			s.start()
			r := rand.New(rand.NewPCG(seed, 16))
			emails, foreign := s.randomDirectory(r)
			s.eventually("converged", map[string]string{})
			s.agrees(emails, foreign)
		})
	}
}

// randomDirectory makes users, groups and grants by hand, and returns the e-mail addresses.
func (s *setup) randomDirectory(r *rand.Rand) (emails []string, foreign int) {
	members := map[string][]string{}
	names := []string{"VT Admins", "VT Owners", "team-1", "team-2", "risk-approver", "risk-reviewer"}
	for i := range 60 {
		email := fmt.Sprintf("p%02d@example.com", i)
		emails = append(emails, email)
		s.person(email)
		if r.IntN(8) == 0 { // at the vendor by hand
			foreign++
			s.vt.Grant("acme", s.vendorID[email][0], "USER_ROLE_INTELLIGENCE")
			s.rc.Grant("approver", s.vendorID[email][1])
		}
		if r.IntN(6) == 0 {
			continue // no user
		}
		id := s.user(email)
		for _, name := range names {
			if r.IntN(3) == 0 {
				members[name] = append(members[name], id)
			}
		}
	}
	for _, name := range names {
		group := s.group(name, members[name]...)
		if len(members[name]) > 3 && r.IntN(2) == 0 {
			s.patch("/Groups/"+group, fmt.Sprintf(`{"op":"remove","path":"members","value":[{"value":%q}]}`, members[name][r.IntN(3)]))
		}
	}
	return append(emails, "credential@example.com"), foreign
}

// agrees waits until the report says of each address what the vendors say.
func (s *setup) agrees(emails []string, foreign int) {
	s.t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	wrong := ""
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		if code, out := s.command("resync"); code != 0 {
			s.t.Fatalf("%d %s", code, out)
		}
		rows, _ := s.access()
		got := map[string]map[string]bool{}
		unmanaged := 0
		for _, r := range rows {
			if r.Has != access.Yes {
				continue
			}
			if r.State == access.Unmanaged {
				unmanaged++
			}
			role := "acme " + strings.TrimPrefix(r.Role, "USER_ROLE_")
			if r.Backend == "rc" {
				role = r.Target
			}
			if got[r.User] == nil {
				got[r.User] = map[string]bool{}
			}
			got[r.User][role] = true
		}
		wrong = ""
		for _, email := range emails {
			if has := strings.Join(slices.Sorted(maps.Keys(got[email])), ", "); has != s.roles(email) {
				wrong += fmt.Sprintf("%s: by the report %q, at the vendors %q\n", email, has, s.roles(email))
			}
		}
		if wrong == "" && unmanaged > 0 && foreign > 0 {
			return
		}
	}
	s.t.Fatal(wrong)
}

// TestAccessCSV holds every cell to what a spreadsheet takes for text.
func TestAccessCSV(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
	s.fixConsole()
	s.start()
	names := []string{"=1+1", "+1", "-1", "@SUM(A1)", " =1", "\u00a0=2", "＝3", `'=1`, `"quoted", and more`, "|cmd", "ok@example.com"}
	var ids []string
	for i, name := range names {
		email := fmt.Sprintf("c%d@example.com", i)
		s.person(email)
		body, err := json.Marshal(map[string]any{"userName": name, "active": true, "emails": []map[string]any{{"value": email, "primary": true}}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, s.must(201, "POST", "/Users", string(body)))
	}
	s.group("VT Admins", ids...)
	code, out := s.command("access", "--csv")
	rows, err := csv.NewReader(strings.NewReader(strings.Split(out, "note:")[0])).ReadAll()
	if code != 0 || err != nil || len(rows) != len(names)+1 {
		t.Fatalf("%d %v %d rows\n%s", code, err, len(rows), out)
	}
	found := map[string]bool{}
	for _, row := range rows[1:] {
		found[strings.TrimLeft(strings.TrimPrefix(row[0], "'"), " \u00a0'")] = true
		for _, cell := range row {
			if first := strings.TrimLeft(cell, " \u00a0"); first != "" && strings.ContainsAny(first[:1], "=+-@|") || strings.HasPrefix(first, "＝") {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	for _, name := range names {
		if !found[strings.TrimLeft(name, " \u00a0'")] {
			t.Errorf("%q is not in the file: %v", name, found)
		}
	}
}
