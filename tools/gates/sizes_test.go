package gates

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// Limits of sizes. Lines and exported names of a package are counted without its tests.
const (
	maxPackageLines = 3000
	maxFileLines    = 400
	maxMethods      = 40
	maxExported     = 60
)

// size is what counts of a package.
type size struct {
	lines    int
	exported int
	methods  map[string]int // by type
}

// TestSizes finds packages, files and types that have outgrown their limits.
func TestSizes(t *testing.T) {
	exempt, exported := exemptFrom(t, "sizes"), exemptFrom(t, "exported")
	sizes := map[string]*size{}
	for _, file := range files(t, ".go") {
		lines := strings.Count(read(t, file), "\n")
		if lines > maxFileLines {
			exempt.report(file, "%d lines, more than %d", lines, maxFileLines)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		dir := path.Dir(file)
		if sizes[dir] == nil {
			sizes[dir] = &size{methods: map[string]int{}}
		}
		sizes[dir].lines += lines
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			sizes[dir].add(d)
		}
	}
	for dir, s := range sizes {
		if s.lines >= maxPackageLines {
			exempt.report(dir, "%d lines, %d or more", s.lines, maxPackageLines)
		}
		if s.exported > maxExported {
			exported.report(dir, "%d exported names, more than %d", s.exported, maxExported)
		}
		for name, n := range s.methods {
			if n > maxMethods {
				exempt.report(dir, "%s has %d methods, more than %d", name, n, maxMethods)
			}
		}
	}
}

// add counts a declaration.
func (s *size) add(d ast.Decl) {
	count := func(name *ast.Ident) {
		if name.IsExported() {
			s.exported++
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			count(d.Name)
			return
		}
		s.methods[receiver(d.Recv.List[0].Type)]++
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				count(spec.Name)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					count(name)
				}
			}
		}
	}
}

// receiver returns the name of the type of a receiver.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
