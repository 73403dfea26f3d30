//go:build unix

package bolt

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scimbridge/scimbridge/store"
)

// TestFileSizeLimit runs bbolt with a file that the system does not let grow.
func TestFileSizeLimit(t *testing.T) {
	const variable = "SCIMBRIDGE_TEST_LIMITED"
	if path := os.Getenv(variable); path != "" {
		limited(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "store.db")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFileSizeLimit$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	s := mustOpen(t, path)
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if !has(t, s, "answered") || !has(t, s, "small") || has(t, s, "big") {
		t.Error("what was answered and what is there differ")
	}
}

func limited(t *testing.T, path string) {
	s := mustOpen(t, path)
	if err := s.Update(t.Context(), set("answered")); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 6 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	big := func(tx store.Tx) error { return tx.SetSetting("big", make([]byte, 16<<20)) }
	for range 3 {
		if err := s.Update(t.Context(), big); !errors.Is(err, store.ErrFull) {
			t.Fatalf("update: %v", err)
		}
	}
	if err := s.Update(t.Context(), set("small")); err != nil {
		t.Errorf("there is room for this: %v", err)
	}
}
