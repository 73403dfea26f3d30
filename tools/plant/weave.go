package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// variable is the variable that selects a bug; the overlay declares it in every package it changes.
const variable = "plantedBug"

// errNotWoven says that a bug changes more than the bodies of functions, or a function whose
// arguments cannot be passed on.
var errNotWoven = errors.New("bug changes more than the bodies of plain functions")

// file is a parsed source file.
type file struct {
	text []byte
	set  *token.FileSet
	tree *ast.File
}

func parse(text []byte) (*file, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, "", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	return &file{text: text, set: set, tree: tree}, nil
}

func (f *file) offset(p token.Pos) int { return f.set.Position(p).Offset }

func (f *file) source(n ast.Node) []byte { return f.text[f.offset(n.Pos()):f.offset(n.End())] }

// signature is a function without its comment and its body.
func (f *file) signature(fn *ast.FuncDecl) []byte {
	return f.text[f.offset(fn.Type.Func):f.offset(fn.Body.Lbrace)]
}

// edit replaces the bytes from one offset to another.
type edit struct {
	from, to int
	text     string
}

func apply(text []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(text[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(text[at:])
	return out.Bytes()
}

// weave returns the text with the changed functions of each bug next to the original ones, and the
// bugs that it left out since they are no change of bodies alone.
func weave(text []byte, changed map[int][]byte) ([]byte, []int, error) {
	original, err := parse(text)
	if err != nil {
		return nil, nil, err
	}
	var edits []edit
	var variants bytes.Buffer
	var left []int
	named := map[*ast.FuncDecl]bool{} // its unnamed arguments have names by now
	numbers := make([]int, 0, len(changed))
	for n := range changed {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		of, err := original.changes(changed[n])
		if err != nil {
			left = append(left, n)
			continue
		}
		for _, c := range of {
			names, call := original.call(c.original, n)
			if !named[c.original] {
				named[c.original] = true
				edits = append(edits, names...)
			}
			at := original.offset(c.original.Body.Lbrace) + 1
			edits = append(edits, edit{at, at, call})
			variants.WriteString(c.variant(n))
		}
	}
	return append(apply(text, edits), variants.Bytes()...), left, nil
}

// change is a function whose body a bug changes.
type change struct {
	original, planted *ast.FuncDecl
	in                *file // of planted
}

// changes returns the functions whose bodies differ in a planted text.
func (f *file) changes(planted []byte) ([]change, error) {
	other, err := parse(planted)
	if err != nil {
		return nil, err
	}
	if len(f.tree.Decls) != len(other.tree.Decls) {
		return nil, errNotWoven
	}
	var out []change
	for i, d := range f.tree.Decls {
		o := other.tree.Decls[i]
		if bytes.Equal(f.source(d), other.source(o)) {
			continue
		}
		fn, ok := d.(*ast.FuncDecl)
		its, same := o.(*ast.FuncDecl)
		if !ok || !same || fn.Body == nil || its.Body == nil || !plain(fn) ||
			!bytes.Equal(f.signature(fn), other.signature(its)) {
			return nil, errNotWoven
		}
		out = append(out, change{fn, its, other})
	}
	if len(out) == 0 {
		return nil, errNotWoven
	}
	return out, nil
}

// plain reports whether another function can be called with the arguments of fn.
func plain(fn *ast.FuncDecl) bool {
	if fn.Type.TypeParams != nil || fn.Name.Name == "init" || fn.Name.Name == "main" {
		return false
	}
	if fn.Recv != nil {
		r := fn.Recv.List[0]
		if len(r.Names) != 1 || r.Names[0].Name == "_" {
			return false
		}
		t := r.Type
		if s, ok := t.(*ast.StarExpr); ok {
			t = s.X
		}
		if _, ok := t.(*ast.Ident); !ok {
			return false // a generic type
		}
	}
	for _, p := range fn.Type.Params.List {
		if len(p.Names) == 0 {
			return false
		}
	}
	return true
}

// call is what stands at the beginning of the original function, and the names that its blank
// arguments need for it.
func (f *file) call(fn *ast.FuncDecl, n int) ([]edit, string) {
	var names []edit
	var args []string
	for _, p := range fn.Type.Params.List {
		_, variadic := p.Type.(*ast.Ellipsis)
		for _, id := range p.Names {
			name := id.Name
			if name == "_" {
				name = "argument" + strconv.Itoa(len(args))
				names = append(names, edit{f.offset(id.Pos()), f.offset(id.End()), name})
			}
			if variadic {
				name += "..."
			}
			args = append(args, name)
		}
	}
	call := fn.Name.Name + suffix(n) + "(" + strings.Join(args, ", ") + ")"
	if fn.Recv != nil {
		call = fn.Recv.List[0].Names[0].Name + "." + call
	}
	if fn.Type.Results != nil {
		call = "return " + call
	} else {
		call += "; return"
	}
	return names, fmt.Sprintf(" if %s == %d { %s };", variable, n, call)
}

func suffix(n int) string { return "Planted" + strconv.Itoa(n) }

// variant is the changed function under its own name.
func (c change) variant(n int) string {
	from, name, to := c.in.offset(c.planted.Type.Func), c.in.offset(c.planted.Name.End()), c.in.offset(c.planted.End())
	return "\n" + string(c.in.text[from:name]) + suffix(n) + string(c.in.text[name:to]) + "\n"
}
