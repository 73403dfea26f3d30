package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// bug is a planted bug: in File, each text of Old is replaced by the one of New at the same place.
type bug struct {
	Number   int
	File     string // absolute
	Old, New []string
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: plant FOLDER <bugs.json")
		os.Exit(2)
	}
	if err := run(os.Stdin, os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "plant:", err)
		os.Exit(1)
	}
}

// run writes overlay.json and the files that it names to a folder, and the numbers of the bugs that
// are not in them to out.
func run(in io.Reader, out io.Writer, folder string) error {
	var bugs []bug
	if err := json.NewDecoder(in).Decode(&bugs); err != nil {
		return fmt.Errorf("read the bugs: %w", err)
	}
	changed := map[string]map[int][]byte{} // by file, and by number
	texts := map[string][]byte{}
	for _, b := range bugs {
		text, err := os.ReadFile(b.File)
		if err != nil {
			return err
		}
		planted := string(text)
		for i, old := range b.Old {
			if strings.Count(planted, old) != 1 {
				return fmt.Errorf("bug %d: its place in %s is not there once", b.Number, b.File)
			}
			planted = strings.Replace(planted, old, b.New[i], 1)
		}
		if changed[b.File] == nil {
			changed[b.File] = map[int][]byte{}
		}
		texts[b.File] = text
		changed[b.File][b.Number] = []byte(planted)
	}
	left, replace := []int{}, map[string]string{}
	for path, by := range changed {
		woven, not, err := weave(texts[path], by)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		left = append(left, not...)
		if len(not) == len(by) {
			continue
		}
		f, err := parse(texts[path])
		if err != nil {
			return err
		}
		switcher := fmt.Sprintf("package %s\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar %s, _ = strconv.Atoi(os.Getenv(\"SCIMBRIDGE_PLANTED_BUG\"))\n",
			f.tree.Name.Name, variable)
		for at, text := range map[string][]byte{
			path: woven,
			filepath.Join(filepath.Dir(path), "planted_bug.go"): []byte(switcher),
		} {
			to := filepath.Join(folder, strings.ReplaceAll(at, string(filepath.Separator), "_"))
			if err := os.WriteFile(to, text, 0o600); err != nil {
				return err
			}
			replace[at] = to
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "overlay.json"), overlay, 0o600); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(left)
}
