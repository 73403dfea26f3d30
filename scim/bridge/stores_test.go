package bridge_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// on makes the bridge of a configuration keep its state in a database.
func (s *setup) on(dsn string) {
	s.t.Helper()
	dir := filepath.Dir(s.path)
	s.edit("store: {path: "+filepath.Join(dir, "scimbridge.db")+"}", fmt.Sprintf("store: {driver: postgres, dsn: '%s', key_file: %s}", dsn, filepath.Join(dir, "key")))
}

// TestDatabaseStore runs the bridge over PostgreSQL: it starts on an empty database, and goes on after a restart.
func TestDatabaseStore(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.on(postgrestest.Database(t))
	s.fixConsole()
	if code, out := s.command("doctor"); !strings.Contains(out, "the tables have version 0 of") {
		t.Errorf("%d %s", code, out)
	}
	if code, out := s.command("migrate"); code != 0 || !strings.Contains(out, "after version 0") {
		t.Errorf("%d %s", code, out)
	}
	if code, out := s.command("migrate"); code != 0 || !strings.Contains(out, "already") {
		t.Errorf("%d %s", code, out)
	}
	s.start()
	s.person("ada@example.com")
	ada := s.user("ada@example.com")
	group := s.group("VT Admins", ada)
	s.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN"})
	if info, err := os.Stat(filepath.Join(filepath.Dir(s.path), "key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the operator's key: %v %v", info, err)
	}
	for command, want := range map[string]string{"backup": "pg_dump", "restore": "pg_restore"} {
		if code, out := s.command(command, filepath.Join(t.TempDir(), "copy")); code != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", command, code, out)
		}
	}
	s.stop()
	s.start()
	s.patch("/Groups/"+group, `{"op":"remove","path":"members"}`)
	s.eventually("revoked after a restart", map[string]string{"ada@example.com": ""})
	if code, out := s.command("doctor"); !strings.Contains(out, "the database answers") {
		t.Errorf("%d %s", code, out)
	}
}

// TestFileToDatabase moves a bridge by export and import: the database knows all grants, and can revoke them.
func TestFileToDatabase(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.Database(t)
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.fixConsole()
	s.start()
	s.person("ada@example.com")
	s.person("bob@example.com")
	ada, bob := s.user("ada@example.com"), s.user("bob@example.com")
	group := s.group("VT Admins", ada, bob)
	s.eventually("granted", map[string]string{"ada@example.com": "acme GROUP_ADMIN", "bob@example.com": "acme GROUP_ADMIN"})
	file := filepath.Join(t.TempDir(), "everything.jsonl")
	if code, out := s.command("export", file); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	s.stop()
	s.on(dsn)
	torn := filepath.Join(t.TempDir(), "torn.jsonl")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn, raw[:len(raw)-30], 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := s.command("import", torn); code != 1 || !strings.Contains(out, "drop it and make a new one") {
		t.Errorf("a torn export: %d %s", code, out)
	}
	if code, out := s.command("import", file); code != 1 || !strings.Contains(out, "is not empty") {
		t.Errorf("over a part: %d %s", code, out)
	}
	s.edit(dsn, postgrestest.Database(t))
	if code, out := s.command("import", file); code != 0 || !strings.Contains(out, "2 users, 1 groups, 2 grants") {
		t.Fatalf("%d %s", code, out)
	}
	s.start()
	if code, out := s.command("import", file); code != 1 {
		t.Errorf("while a server runs: %d %s", code, out)
	}
	if code, out := s.command("resume"); code != 0 {
		t.Errorf("%d %s", code, out)
	}
	s.patch("/Groups/"+group, `{"op":"remove","path":"members[value eq \"`+ada+`\"]"}`)
	s.eventually("revoked after the move", map[string]string{"ada@example.com": "", "bob@example.com": "acme GROUP_ADMIN"})
}
