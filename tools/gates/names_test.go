package gates

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// maxTestName is the longest name of a test or a sub-test.
const maxTestName = 60

// TestFileNames finds files that are named after a review round or a metaphor rather than after what
// they hold.
func TestFileNames(t *testing.T) {
	exempt := exemptFrom(t, "file-names")
	round := regexp.MustCompile(`(^|_)(first|second|third|fourth|fifth|round|review|reviews|finding|findings|found|fixes|misc|more)(_|$)`)
	metaphor := regexp.MustCompile(`^(outer|near|idle|patience|words|whole|stand|sheet|door)$`)
	for _, file := range files(t, ".go") {
		name := strings.TrimSuffix(path.Base(file), ".go")
		subject := strings.TrimSuffix(name, "_test")
		if round.MatchString(subject) || metaphor.MatchString(subject) {
			exempt.report(file, "name the file after what it holds")
		}
		if name != strings.ToLower(name) {
			exempt.report(file, "file names are in lower case")
		}
	}
}

// TestTestNames finds tests that are named after a review round, and long names.
func TestTestNames(t *testing.T) {
	exempt := exemptFrom(t, "test-names")
	round := regexp.MustCompile(`^Test(Found|Finding|Review|Round|Issue\d|Fix\d)`)
	for _, file := range files(t, "_test.go") {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if round.MatchString(n.Name.Name) {
					exempt.report(file, "%s: name the test after its subject and the behavior", n.Name.Name)
				}
				if strings.HasPrefix(n.Name.Name, "Test") && len(n.Name.Name) > maxTestName {
					exempt.report(file, "%s is longer than %d characters", n.Name.Name, maxTestName)
				}
			case *ast.CallExpr:
				if name, ok := subTest(n); ok && len(name) >= maxTestName {
					exempt.report(file, "the sub-test %q has %d characters or more", name, maxTestName)
				}
			}
			return true
		})
	}
}

// subTest returns the literal name in a call t.Run("name", …).
func subTest(call *ast.CallExpr) (name string, ok bool) {
	run, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || run.Sel.Name != "Run" || len(call.Args) != 2 {
		return "", false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	name, err := strconv.Unquote(lit.Value)
	return name, err == nil
}
