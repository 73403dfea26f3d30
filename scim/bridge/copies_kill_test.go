package bridge_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store/bolt"
)

// An import that is killed at any point leaves no store: the server would grant and revoke by half a
// directory. The next import succeeds.
func TestKilledImport(t *testing.T) {
	const users = 2000
	lines := []string{`{"kind":"scimbridge","format":1}`}
	for i := range users {
		lines = append(lines, fmt.Sprintf(`{"kind":"user","idp":"okta","user":{"ID":"u%d","UserName":"u%d@example.com","Active":true,"Attributes":{}}}`, i, i))
	}
	lines = append(lines, fmt.Sprintf(`{"kind":"end","lines":{"scimbridge":1,"user":%d}}`, users))
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	dir := filepath.Dir(s.path)
	file := filepath.Join(dir, "scimbridge.db")
	for _, n := range []int{1, users / 2, users + 1} { // at the end only the last line is missing, which marks the export as complete
		cmd, stdin := s.importing()
		if _, err := io.WriteString(stdin, strings.Join(lines[:n], "\n")+"\n"); err != nil {
			t.Fatal(err)
		}
		s.parts(dir, 1)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("it was not killed")
		}
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("after %d lines there is a store: %v", n, err)
		}
		left, err := filepath.Glob(file + ".part-*")
		if err != nil || len(left) != 1 {
			t.Fatalf("%v %v", left, err)
		}
		if _, out := s.command("doctor"); !strings.Contains(out, "broke off and left "+left[0]) {
			t.Errorf("the doctor does not see what is left: %s", out)
		}
		if err := os.RemoveAll(left[0]); err != nil {
			t.Fatal(err)
		}
	}
	whole := filepath.Join(dir, "whole.jsonl")
	if err := os.WriteFile(whole, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := s.command("import", whole); code != 0 || !strings.Contains(out, fmt.Sprint(users, " users")) {
		t.Errorf("%d %s", code, out)
	}
	imported, err := bolt.Open(file, bolt.Options{})
	if err == nil {
		err = errors.Join(imported.Check(), imported.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// importing starts `scimbridge import -`, which waits for its input.
func (s *setup) importing() (*exec.Cmd, io.Writer) {
	s.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(exe, "import", "-", "--config", s.path)
	cmd.Env = append(os.Environ(), mainVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, stdin
}

// parts waits until an import has begun to write a store next to its final place.
func (s *setup) parts(dir string, n int) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		found, err := filepath.Glob(filepath.Join(dir, "*.part-*", "store.db"))
		if err != nil {
			s.t.Fatal(err)
		}
		if len(found) == n {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d stores are being made, want %d", len(found), n)
		}
	}
}
