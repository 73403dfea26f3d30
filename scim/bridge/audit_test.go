package bridge_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store/audit"
)

// trail exports the audit trail and returns the values of the keys in each line, joined by blanks.
func (s *setup) trail(keys string, args ...string) []string {
	s.t.Helper()
	code, out := s.command(append([]string{"audit", "export"}, args...)...)
	if code != 0 {
		s.t.Fatalf("%d %s", code, out)
	}
	var lines []string
	for line := range strings.Lines(out) {
		var l struct {
			Event map[string]any `json:"event"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		var says []string
		for _, k := range strings.Fields(keys) {
			switch v := l.Event[k].(type) {
			case string:
				says = append(says, v)
			case []any:
				for _, one := range v {
					text, _ := one.(string)
					says = append(says, text)
				}
			default:
				says = append(says, "-")
			}
		}
		lines = append(lines, strings.Join(says, " "))
	}
	return lines
}

// verified runs `audit verify`, which must find an intact trail.
func (s *setup) verified(args ...string) audit.Report {
	s.t.Helper()
	code, out := s.command(append([]string{"audit", "verify", "--json"}, args...)...)
	var r audit.Report
	if err := json.Unmarshal([]byte(out), &r); code != 0 || err != nil || r.Broken != "" || len(r.Head) != 64 {
		s.t.Fatalf("%d %v %s", code, err, out)
	}
	return r
}

// The trail can be verified and read on a running server, and in the file of a stopped one.
func TestAuditByCommand(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	s.person("ada@example.com")
	ada := s.user("ada@example.com")
	s.group("VT Admins", ada, s.user("bob@example.com"))
	s.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	for s.verified().Events == 0 { // sealed within a second
	}
	noted := s.verified()
	s.deactivate(ada)
	s.eventually("revoked", map[string]string{"ada@example.com": ""})
	if r := s.verified("--head", noted.Head); r.Known != noted.Place {
		t.Errorf("%+v after %+v", r, noted)
	}
	if got := s.trail("type role", "--person", "ADA@example.com", "--role", "user_role_group_admin"); strings.Join(got, ", ") != "grant USER_ROLE_GROUP_ADMIN, revoke USER_ROLE_GROUP_ADMIN" {
		t.Errorf("%q", got)
	}
	if got := s.trail("type", "--since", "1h", "--until", "2030-01-01", "--backend", "rc"); len(got) != 0 {
		t.Errorf("%q", got)
	}
	all := s.trail("type actor")
	if code, out := s.command("audit", "verify", "--store", filepath.Join(filepath.Dir(s.path), "scimbridge.db")); code != 1 || !strings.Contains(out, "in use by another scimbridge") {
		t.Errorf("the file of a running server: %d %s", code, out)
	}
	s.stop()
	file := []string{"--store", filepath.Join(filepath.Dir(s.path), "scimbridge.db")}
	r := s.verified(append(file, "--head", noted.Head)...)
	if r.Waiting != 0 || r.Events < uint64(len(all)) || r.Known != noted.Place {
		t.Errorf("after the stop: %+v, %d events before", r, len(all))
	}
	if got := s.trail("type actor", file...); strings.Join(got[:len(all)], "\n") != strings.Join(all, "\n") {
		t.Errorf("%q, while it ran %q", got, all)
	}
	code, out := s.command(append(file, "audit", "verify")...)
	if code != 0 || !regexp.MustCompile(`^\d+ events, from \S+Z to \S+Z\nhead of place \d+ .*\n  `+r.Head+"\n$").MatchString(out) {
		t.Errorf("%d %s", code, out)
	}
	code, out = s.command(append(file, "audit", "verify", "--head", strings.Repeat("0f", 32))...)
	if code != 1 || !strings.Contains(out, "intact up to place") || !strings.Contains(out, "the audit trail is broken: the recorded head is not in the chain") {
		t.Errorf("%d %s", code, out)
	}
}
