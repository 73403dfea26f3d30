package bridge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOperatorKeyRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "key")
	keys := make(chan string, 8)
	for range cap(keys) {
		go func() {
			key, err := operatorKey(path)
			if err != nil {
				t.Error(err)
			}
			keys <- key.Reveal()
		}()
	}
	first := <-keys
	for range cap(keys) - 1 {
		if key := <-keys; key != first || key == "" {
			t.Errorf("two keys: %q, %q", first, key)
		}
	}
}

func TestOperatorKeyMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := operatorKey(path); err != nil {
		t.Fatal(err)
	}
	for mode, open := range map[os.FileMode]bool{0o644: true, 0o640: true, 0o602: true, 0o600: false, 0o400: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := operatorKey(path)
		if refused := err != nil && strings.Contains(err.Error(), "chmod 600 "+path); refused != open {
			t.Errorf("%o: %v", mode, err)
		}
	}
}
