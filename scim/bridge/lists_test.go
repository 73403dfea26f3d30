package bridge_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/mapping/access"
)

// listed returns the rows of a list once there are so many.
func listed[T any](s *setup, want int, args ...string) (rows []T) {
	s.t.Helper()
	s.until(strings.Join(args, " "), func() bool {
		code, out := s.command(append(slices.Clone(args), "--json")...)
		if code != 0 {
			s.t.Fatalf("%v: %d %s", args, code, out)
		}
		rows = nil
		for line := range strings.Lines(out) {
			var row T
			if !strings.HasPrefix(line, "{") {
				continue // a note
			}
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				s.t.Fatalf("%v: %s", err, line)
			}
			rows = append(rows, row)
		}
		return len(rows) == want
	})
	return rows
}

// TestBlockedList names who the numbers of status and metrics are about, at both vendors, and what to do.
func TestBlockedList(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
	s.fixConsole()
	s.start()
	if code, out := s.command("blocked", "list"); code != 0 || out != "nothing is blocked\n" {
		t.Errorf("%d %s", code, out)
	}
	s.person("ada@example.com")
	s.group("VT Admins", s.user("ada@example.com"), s.user("bob@example.com"), s.user("cleo@example.com"))
	s.group("risk-approver", s.user("dan@example.com"))
	s.group("risk-nowhere", s.user("eve@example.com"))
	rows := listed[access.BlockedRow](s, 4, "blocked", "list")
	of := map[string]access.BlockedRow{}
	for _, r := range rows {
		of[r.User] = r
		if r.Remedy == "" || r.Words == "" || r.Since.IsZero() || time.Since(r.Since) > time.Hour || r.Request == "" || r.IdP != "entra" || r.UserID == "" {
			t.Errorf("%+v", r)
		}
	}
	if r := of["bob@example.com"]; r.Reason != "no_account" || r.Target != "acme" || r.Backend != "vt" || r.Next.IsZero() || r.Tries == 0 {
		t.Errorf("%+v", r)
	}
	if r := of["eve@example.com"]; r.Target != "nowhere" || r.Backend != "rc" {
		t.Errorf("%+v", r)
	}
	for backend, n := range map[string]int{"vt": 2, "rc": 2} {
		if got := s.metric(fmt.Sprintf(`scimbridge_blocked_users{backend=%q,reason="no_account"}`, backend)); got != fmt.Sprint(n) {
			t.Errorf("%s: the metric is %s, the list has %d", backend, got, n)
		}
		listed[access.BlockedRow](s, n, "blocked", "list", "--backend", backend, "--reason", "no_account")
	}
	if code, out := s.command("blocked", "list", "--csv"); code != 0 || !strings.Contains(out, "cleo@example.com,entra,") || strings.Contains(out, "ada@example.com") {
		t.Errorf("%d %s", code, out)
	}
	for _, wrong := range [][]string{{"--backend", "vtt"}, {"--reason", "no_acount"}, {"--target", "acmee"}} {
		if code, out := s.command(append([]string{"blocked", "list"}, wrong...)...); code != 1 || !strings.Contains(out, "the nearest: ") {
			t.Errorf("%v: %d %s", wrong, code, out)
		}
	}
}

// TestDriftList names the grants by which ledger and vendors differ.
func TestDriftList(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}, resync_every: 0")
	s.fixConsole()
	s.start()
	for _, name := range []string{"ada", "bob", "cleo"} {
		s.person(name + "@example.com")
	}
	s.group("risk-approver", s.user("ada@example.com"), s.user("bob@example.com"))
	s.eventually("granted", map[string]string{"ada@example.com": "approver", "bob@example.com": "approver"})
	s.rc.Grant("approver", s.vendorID["cleo@example.com"][1])
	if code, out := s.command("resync", "rc"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	rows := listed[access.DriftRow](s, 1, "drift", "list", "--backend", "rc")
	if r := rows[0]; r.Kind != access.Foreign || r.Account != s.vendorID["cleo@example.com"][1] || r.Target != "approver" || r.Seen.IsZero() || r.Since.IsZero() {
		t.Errorf("%+v", r)
	}
	listed[access.DriftRow](s, 0, "drift", "list", "--kind", "missing")
	s.edit("client_secret: canary-secret-of-the-tests, mode: sync", "client_secret: canary-secret-of-the-tests, mode: observe") // so that it stays away
	s.rc.Revoke("approver", s.vendorID["ada@example.com"][1])
	for _, command := range []string{"reload", "resync"} {
		if code, out := s.command(command); code != 0 {
			t.Fatalf("%s: %d %s", command, code, out)
		}
	}
	r := listed[access.DriftRow](s, 1, "drift", "list", "--kind", "missing")[0]
	if r.User != "ada@example.com" || r.IdP != "entra" || r.Account != s.vendorID["ada@example.com"][1] || r.Target != "approver" || r.Role != "member" {
		t.Errorf("%+v", r)
	}
	listed[access.DriftRow](s, 2, "drift", "list", "--target", "approver")
	if code, out := s.command("drift", "list", "--kind", "mising"); code != 1 || !strings.Contains(out, "the nearest: missing") {
		t.Errorf("%d %s", code, out)
	}
}

// TestEventsFollow prints an event that happens while it follows, once, and ends when it is interrupted.
func TestEventsFollow(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "lenient", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "events", "tail", "--follow", "--type", "user.create", "--config", s.path)
	cmd.Env = append(os.Environ(), mainVariable+"=1", skewVariable+"=0s")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for _, name := range []string{"ada@example.com", "bob@example.com"} {
		s.user(name)
		for lines.Scan() && !strings.Contains(lines.Text(), name) {
			if !strings.HasPrefix(lines.Text(), "TIME") {
				t.Errorf("before %s: %s", name, lines.Text())
			}
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if lines.Scan() {
		t.Errorf("at the end: %s", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
