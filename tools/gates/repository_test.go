package gates

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the top of the repository.
const root = "../.."

// files lists the files of the repository with a suffix, as paths below root. It leaves out hidden
// folders but .ci, and recorded data.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			hidden := strings.HasPrefix(base, ".") && base != ".ci" && name != root
			if hidden || base == "testdata" || base == "data" {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(base, suffix) {
			rel, err := filepath.Rel(root, name)
			out = append(out, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no files with the suffix %s", suffix)
	}
	return out
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// exemptions are the paths that a check leaves out: files, or folders with everything below them.
type exemptions struct {
	t       *testing.T
	paths   []string
	applied map[string]bool
}

// exemptFrom reads the exemptions of a check from exempt.txt. When the test ends it lists those that
// are not needed any longer.
func exemptFrom(t *testing.T, check string) *exemptions {
	t.Helper()
	f, err := os.Open("exempt.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	e := &exemptions{t: t, applied: map[string]bool{}}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 {
			t.Fatalf("exempt.txt: %q is not a check and a path", lines.Text())
		}
		if fields[0] == check {
			e.paths = append(e.paths, fields[1])
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range e.paths {
			if !e.applied[p] {
				t.Logf("exempt.txt: %s %s is not needed any longer: delete the line", check, p)
			}
		}
	})
	return e
}

// report reports a finding unless its path is exempt.
func (e *exemptions) report(name, format string, args ...any) {
	e.t.Helper()
	for p := name; ; p = path.Dir(p) {
		if slices.Contains(e.paths, p) {
			e.applied[p] = true
			return
		}
		if p == "." || p == "/" {
			break
		}
	}
	e.t.Errorf("%s: "+format, append([]any{name}, args...)...)
}
