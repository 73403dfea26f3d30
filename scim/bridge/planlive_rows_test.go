package bridge_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// liveRows runs plan --live and returns a text for each row, and what the command printed with its
// exit code.
func (s *setup) liveRows(args ...string) (rows []string, code int, printed string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "report.csv")
	code, printed = s.command(append([]string{"plan", "--live", "--out", file}, args...)...)
	raw, err := os.Open(file)
	if err != nil {
		s.t.Fatalf("%d %s: %v", code, printed, err)
	}
	defer func() { _ = raw.Close() }()
	all, err := csv.NewReader(raw).ReadAll()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range all[1:] { // backend, mode, target, person, account, role, action, state, has, reason
		if r[3] != "credential@example.com" {
			rows = append(rows, strings.Trim(fmt.Sprintln(r[0], r[2], r[3], strings.TrimPrefix(r[5], "USER_ROLE_"), r[6], r[7], r[8], r[9]), " \n"))
		}
	}
	return rows, code, printed
}

func (s *setup) expectRows(rows []string, want ...string) {
	s.t.Helper()
	if !slices.Equal(rows, want) {
		s.t.Errorf("rows\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

// TestPlanLiveRows brings each kind of row about, at both vendors, in the mode observe.
func TestPlanLiveRows(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0, on_deactivate: remove_roles")
	s.edit("mode: sync", "mode: observe")
	s.edit("canary-secret-of-the-tests, mode: observe", "canary-secret-of-the-tests, mode: observe, on_missing_user: create")
	s.fixConsole()
	s.start()
	for _, name := range []string{"there", "by hand", "new"} {
		s.person(strings.ReplaceAll(name, " ", ".") + "@example.com")
	}
	s.vt.Grant("acme", s.vendorID["there@example.com"][0], "USER_ROLE_INTELLIGENCE")
	s.vt.Grant("acme", s.vendorID["by.hand@example.com"][0], "USER_ROLE_INTELLIGENCE")
	s.vt.Grant("acme", s.vendorID["by.hand@example.com"][0], "USER_ROLE_SECRET")
	s.rc.Grant("approver", s.vendorID["by.hand@example.com"][1])
	there, fresh, nowhere, formula := s.user("there@example.com"), s.user("new@example.com"), s.user("nowhere@example.com"), s.user("=nowhere@example.com")
	s.group("team-1", there, fresh, nowhere)
	s.group("risk-approver", fresh, nowhere, formula)
	s.group("risk-unknown", fresh)

	before := len(s.vt.Calls()) + len(s.rc.Calls())
	rows, code, printed := s.liveRows()
	s.expectRows(rows,
		"rc approver '=nowhere@example.com member create not_in_mode no",
		"rc approver by.hand@example.com member foreign stays yes",
		"rc approver new@example.com member grant not_in_mode no",
		"rc unknown new@example.com member grant blocked unknown no_target",
		"rc approver nowhere@example.com member create not_in_mode no",
		"vt acme by.hand@example.com INTELLIGENCE foreign stays yes",
		"vt acme by.hand@example.com SECRET foreign stays yes no_rule",
		"vt acme new@example.com INTELLIGENCE grant not_in_mode no",
		"vt acme nowhere@example.com INTELLIGENCE no_account blocked no no_account",
		"vt acme there@example.com INTELLIGENCE adopt not_in_mode yes")
	if code != 0 || !strings.Contains(printed, "report.csv: 11 line(s)") ||
		!strings.Contains(printed, "the vendor has no unknown") || !strings.Contains(printed, "not sent in observe") {
		t.Errorf("%d %s", code, printed)
	}
	if n := len(s.vt.Calls()) + len(s.rc.Calls()); n != before {
		t.Errorf("a comparison changed something: %d calls", n-before)
	}

	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(refuses.Close)
	raw, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.edit(regexp.MustCompile(`kind: virustotal, url: [^,]*`).FindString(string(raw)), "kind: virustotal, url: "+refuses.URL)
	s.start()
	rows, code, printed = s.liveRows("--exit-code")
	unread := "vt acme   unread blocked unknown unauthorized"
	if code != 1 || !slices.Contains(rows, unread) || slices.ContainsFunc(rows, func(r string) bool { return strings.HasPrefix(r, "vt") && r != unread }) ||
		!strings.Contains(printed, "the report is incomplete: these targets were not read to their end: acme of vt (unauthorized)") {
		t.Errorf("%d %s\n%s", code, strings.Join(rows, "\n"), printed)
	}
	for _, with := range []string{"--proposed=new.yaml", "--if=deactivate x"} {
		if code, printed := s.command("plan", "--live", with); code != 2 || !strings.Contains(printed, "live") {
			t.Errorf("with %s: %d %s", with, code, printed)
		}
	}
}
