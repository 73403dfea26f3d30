package gates

import (
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/scimbridge/scimbridge"

// floors lists the packages from the top of the house to the bottom. A package may import the
// packages of lower floors. A package that is not listed stands with its nearest listed folder, and
// below it.
var floors = [][]string{
	{"."},
	{"scim/cli"},
	{"scim/cli/rows"},
	{"scim/cli/planned", "scim/cli/logs", "scim/cli/remote"},
	{"scim/demo", "scim/doctor", "scim/measure"},
	{"scim/bridge"},
	{"scim/console"},
	{"scim/config"},
	{"scim/notify", "scim/config/fingerprint"},
	{"scim"},
	{"scim/discovery"},
	{"scim/bulk", "scim/change", "scim/list"},
	{"scim/query", "scim/where", "scim/share"},
	{"scim/resource", "scim/ids", "scim/route"},
	{"scim/message"},
	{"scim/auth", "scim/patch"},
	{"scim/value"},
	{"scim/filter"},
	{"scim/ingress"},
	{"scim/legible", "scim/canary"},
	{"mapping/live"},
	{"mapping/desk", "mapping/delivery"},
	{"mapping/resync"},
	{"mapping/lookup"},
	{"mapping/flight"},
	{"mapping/breaker", "mapping/view", "mapping/access", "mapping/lead", "mapping/suppose"},
	{"mapping/pin"},
	{"mapping/memory"},
	{"mapping/reason"},
	{"mapping/plan"},
	{"mapping"},
	{"backend/virustotal", "backend/riskcloud", "backend/rest", "backend/backendtest"},
	{"backend/simulation", "backend/examine"},
	{"backend"},
	{"store/storetest/model", "store/storetest/reread"},
	{"store/bolt", "store/postgres", "store/archive", "store/audit", "store/called", "store/storetest"},
	{"store/oldsettings"},
	{"store"},
	{"store/record", "store/nearest"},
	{"tools"},
}

// floorOf returns the floor of a package, and the listed folder by which it stands there.
func floorOf(dir string) (floor int, listed string) {
	for p := dir; ; p = path.Dir(p) {
		for i, names := range floors {
			if slices.Contains(names, p) {
				return i, p
			}
		}
		if p == "." {
			return -1, ""
		}
	}
}

// TestImportsRunDownhill holds imports to the floors, by package and by folder, and keeps the SCIM
// library below scim. Tests may import more: only what ships counts.
func TestImportsRunDownhill(t *testing.T) {
	exempt := exemptFrom(t, "imports")
	top := map[string]int{}
	for i, names := range floors {
		for _, name := range names {
			folder, _, _ := strings.Cut(name, "/")
			if last, seen := top[folder]; seen && last != i && last != i-1 {
				t.Fatalf("the floors of %s are apart", folder)
			}
			top[folder] = i
		}
	}
	for _, file := range files(t, ".go") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		dir := path.Dir(file)
		floor, listed := floorOf(dir)
		if floor < 0 || listed == "." && dir != "." {
			exempt.report(dir, "the package has no floor: add it to the list")
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if strings.HasPrefix(imported, "github.com/elimity-com/") && !strings.HasPrefix(dir, "scim") {
				exempt.report(file, "imports %s, which only scim may", imported)
			}
			rest, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			below, at := floorOf(rest)
			up := below < floor || below == floor && (at != listed || strings.HasPrefix(dir, rest+"/"))
			if up {
				exempt.report(file, "imports %s, which is not on a lower floor", rest)
			}
		}
	}
}
