package bridge

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed is the shape of design.md, section 5, package by package: what each may import of the project. Everything
// runs downhill.
var allowed = map[string][]string{
	"":                             {"scim/bridge"},
	"scim/bridge":                  {"*"},
	"scim":                         {"store", "scim/auth", "scim/door", "scim/filter", "scim/legible", "scim/patch", "scim/value"},
	"scim/patch":                   {"scim/filter", "scim/legible", "scim/value"},
	"scim/value":                   {"scim/filter"},
	"scim/legible":                 {},
	"scim/filter":                  {},
	"scim/auth":                    {},
	"scim/console":                 {"store", "store/audit", "backend", "mapping/delivery", "scim/auth", "scim/legible"},
	"scim/door":                    {},
	"scim/canary":                  {}, // for tests
	"mapping/delivery":             {"store", "mapping", "mapping/lead", "mapping/plan", "backend"},
	"mapping/lead":                 {"store", "backend"},
	"mapping/plan":                 {"store", "backend"},
	"mapping":                      {"store", "backend"},
	"backend":                      {},
	"backend/backendtest":          {"backend"},
	"backend/virustotal":           {"backend"},
	"backend/virustotal/simulator": {},
	"backend/riskcloud":            {"backend"},
	"backend/riskcloud/simulator":  {},
	"store":                        {},
	"store/storetest":              {"store"},
	"store/bolt":                   {"store"},
	"store/postgres":               {"store"},
	"store/postgres/postgrestest":  {},
	"store/archive":                {"store"},
	"store/audit":                  {"store"},
}

const module = "github.com/scimbridge/scimbridge"

// TestImportsRunDownhill holds the import directions, and that the SCIM library stays in one place. Tests may
// import more: only what is shipped counts.
func TestImportsRunDownhill(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if dir = filepath.ToSlash(dir); dir == "." {
			dir = ""
		}
		may, known := allowed[dir]
		if !known {
			t.Errorf("package %q is not in the shape", dir)
		}
		seen[dir] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if strings.HasPrefix(imported, "github.com/elimity-com/") && !strings.HasPrefix(dir, "scim") {
				t.Errorf("%s imports %s: only scim and what lies under it may", path, imported)
			}
			rest, ours := strings.CutPrefix(imported, module+"/")
			if ours && !slices.Contains(may, rest) && !slices.Contains(may, "*") {
				t.Errorf("%s imports %s: not downhill", path, rest)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range allowed {
		if !seen[dir] {
			t.Errorf("package %q of the shape does not exist", dir)
		}
	}
}
