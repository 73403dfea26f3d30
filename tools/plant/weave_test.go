package main

import (
	"go/ast"
	"go/importer"
	"go/types"
	"slices"
	"strings"
	"testing"
)

const source = `package p

type set struct{ n int }

func (s *set) add(_ string, more ...int) (sum int, err error) {
	for _, m := range more {
		s.n += m
	}
	return s.n, nil
}

func limit() int { return 10 }

func reset(s *set) { s.n = 0 }

var most = limit()
`

func TestWeave(t *testing.T) {
	planted := func(old, new string) []byte {
		if strings.Count(source, old) != 1 {
			t.Fatalf("%q is not there once", old)
		}
		return []byte(strings.Replace(source, old, new, 1))
	}
	woven, left, err := weave([]byte(source), map[int][]byte{
		1: planted("s.n += m", "s.n -= m"),
		2: planted("return 10", "return 11"),
		3: planted("s.n = 0", "s.n = 1"),
		4: planted("s.n += m", "_ = m"),
		5: planted("var most = limit()", "var most = 3"),
		6: planted("n int }", "n int64 }"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(left, []int{5, 6}) {
		t.Errorf("left out %v, want 5 and 6, which change no body alone", left)
	}
	f, err := parse(append(woven, "\nvar plantedBug int\n"...))
	if err != nil {
		t.Fatalf("%v\n%s", err, woven)
	}
	if _, err := (&types.Config{Importer: importer.Default()}).Check("p", f.set, []*ast.File{f.tree}, nil); err != nil {
		t.Fatalf("%v\n%s", err, woven)
	}
	for _, want := range []string{
		"if plantedBug == 1 { return s.addPlanted1(argument0, more...) };",
		"if plantedBug == 4 { return s.addPlanted4(argument0, more...) };",
		"func limit() int { if plantedBug == 2 { return limitPlanted2() }; return 10 }",
		"if plantedBug == 3 { resetPlanted3(s); return };",
		"func limitPlanted2() int { return 11 }",
	} {
		if strings.Count(string(woven), want) != 1 {
			t.Errorf("%q is not there once in\n%s", want, woven)
		}
	}
	line := func(text []byte, what string) int {
		return strings.Count(string(text[:strings.Index(string(text), what)]), "\n")
	}
	if a, b := line([]byte(source), "var most"), line(woven, "var most"); a != b {
		t.Errorf("line %d became line %d", a, b)
	}
}
