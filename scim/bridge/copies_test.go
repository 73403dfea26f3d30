package bridge_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/cli"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// A backup and an export are restored elsewhere: they observe until they are resumed.
func TestRestoreCopy(t *testing.T) {
	for _, way := range []struct{ out, in, file string }{{"backup", "restore", "copy.db"}, {"export", "import", "copy.jsonl"}} {
		t.Run(way.out, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
			s.fixConsole()
			s.start()
			s.person("ada@example.com")
			s.person("bob@example.com")
			ada, bob := s.user("ada@example.com"), s.user("bob@example.com")
			group := s.group("VT Admins", ada, bob)
			both := map[string]string{"ada@example.com": "acme GROUP_ADMIN", "bob@example.com": "acme GROUP_ADMIN"}
			one := map[string]string{"ada@example.com": "", "bob@example.com": "acme GROUP_ADMIN"}
			s.eventually("granted", both)
			file := filepath.Join(t.TempDir(), way.file)
			if code, out := s.command(way.out, file); code != 0 || !strings.Contains(out, way.in) {
				t.Fatalf("%d %s", code, out)
			}
			if code, out := s.command(way.out, file); code != 1 || !strings.Contains(out, "nothing is overwritten") {
				t.Errorf("once more: %d %s", code, out)
			}
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v %v", info.Mode(), err)
			}
			s.patch("/Groups/"+group, `{"op":"remove","path":"members[value eq \"`+ada+`\"]"}`)
			s.eventually("revoked since", one)
			s.stop()
			if code, out := s.command(way.in, file); code != 1 || !strings.Contains(out, "move it away") {
				t.Errorf("over a store: %d %s", code, out)
			}
			s.edit("scimbridge.db", "elsewhere.db")
			if code, out := s.command(way.in, file); code != 0 || !strings.Contains(out, "2 users, 1 groups, 2 grants") || !strings.Contains(out, "scimbridge resume") {
				t.Fatalf("%d %s", code, out)
			}
			s.start()
			if code, out := s.command("status", "--exit-code"); code != 3 || !strings.Contains(out, "standby") || !strings.Contains(out, "scimbridge resume") {
				t.Errorf("%d %s", code, out)
			}
			if code, out := s.command("resync"); code != 0 {
				t.Errorf("%d %s", code, out)
			}
			s.deactivate(bob)
			s.eventually("observed only", one)
			if code, out := s.command("resume"); code != 0 || !strings.Contains(out, "from now on") {
				t.Errorf("%d %s", code, out)
			}
			s.eventually("resumed", map[string]string{"bob@example.com": ""})
			if code, out := s.command("status"); code != 0 || strings.Contains(out, "standby") {
				t.Errorf("%d %s", code, out)
			}
		})
	}
}

// deactivate sends the request of an identity provider that deactivates a user.
func (s *setup) deactivate(id string) {
	s.t.Helper()
	s.patch("/Users/"+id, `{"op":"replace","path":"active","value":false}`)
}

// A damaged copy is deleted: otherwise it could pass for a backup.
func TestDamagedBackup(t *testing.T) {
	key := strings.Repeat("k", 43)
	server := httptest.NewServer(answersChallenges(t, key, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 32<<10)) }))
	defer server.Close()
	dir := t.TempDir()
	configFile, file := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "copy.db")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(configFile, "console: {listen: "+server.Listener.Addr().String()+"}\nstore: {path: "+filepath.Join(dir, "s.db")+"}\n")
	write(filepath.Join(dir, "s.db.operator-key"), key)
	var out strings.Builder
	if code := cli.Main([]string{"backup", "--config", configFile, file}, &out, &out); code != 1 || !strings.Contains(out.String(), "was removed; try again") {
		t.Errorf("%d %s", code, out.String())
	}
	if left, err := filepath.Glob(file + "*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// An answer that breaks off does not mean that the server is stopped.
func TestAbortedAnswer(t *testing.T) {
	var log strings.Builder
	b := &bridge.Bridge{Log: slog.New(slog.NewTextHandler(&log, nil))} // over a store that is no file
	s, err := bolt.Open(filepath.Join(t.TempDir(), "s.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := &console.Console{Store: s, BrokeOff: b.BrokeOff, Key: backend.NewSecret(strings.Repeat("k", 43)), Metrics: console.NewMetrics(nil, nil), Backup: b.Backup,
		Export: func(context.Context, io.Writer) error { return errors.New("the database is away") },
		Reload: func(context.Context, console.ReloadRequest) (console.Reloaded, error) { panic(http.ErrAbortHandler) }}
	server := httptest.NewServer(c.Handler())
	defer server.Close()
	dir := t.TempDir()
	configFile := filepath.Join(dir, "config.yaml")
	for name, text := range map[string]string{configFile: "console: {listen: " + server.Listener.Addr().String() + "}\nstore: {path: " + filepath.Join(dir, "s.db") + "}\n", filepath.Join(dir, "s.db.operator-key"): strings.Repeat("k", 43)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		command []string
		want    string
	}{
		{[]string{"reload"}, "the server at " + server.URL + " did not answer: EOF; look at its log"},
		{[]string{"export"}, "the store cannot be read"},
		{[]string{"backup", filepath.Join(dir, "copy.db")}, "save it with pg_dump"},
	} {
		var out strings.Builder
		if code := cli.Main(append(step.command, "--config", configFile), &out, &out); code != 1 || !strings.Contains(out.String(), step.want) || strings.Contains(out.String(), "start it with") {
			t.Errorf("%s: %d %s", step.command, code, out.String())
		}
	}
	if strings.Count(log.String(), "broke off") != 1 || !strings.Contains(log.String(), "the database is away") {
		t.Errorf("the log: %s", log.String())
	}
}
