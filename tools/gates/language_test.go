package gates

import (
	"go/scanner"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxColumns is the longest line of prose in Markdown.
const maxColumns = 100

// replaced maps words to the plain ones that the repository uses: see docs/glossary.md.
var replaced = []struct {
	word  *regexp.Regexp
	plain string
}{
	{words(`no` + `body`), "name the actor: no user, no client, no operator"},
	{words(`some` + `body`), "name the actor: a user, a client, an operator"},
	{words(`who` + `ever`), "name the actor: the user, the client, the caller that …"},
	{words(`who` + `m`), "name the noun"},
	{words(`what` + `ever`), "any"},
	{words(`an` + `ew`), "again"},
	{words(`be` + `side`), "besides, next to"},
	{words(`men` + `d(?:s|ed|ing)?`), "fix"},
	{words(`put(?:s|ting)? ` + `off`), "postpone"},
	{words(`like` + `wise`), "also"},
	{words(`there` + `by`), "so"},
	{words(`for ` + `ever`), "indefinitely"},
	{words(`is no ` + `more`), "never, or the state by its name"},
	{words(`not ` + `whole`), "incomplete"},
	{words(`to` + `ld`), "notified, reported"},
	{words(`hee` + `d(?:s|ed)?`), "applied"},
	{words(`obe` + `y(?:s|ed)?`), "executed, applied"},
	{words(`belie` + `ved?`), "trusted"},
}

func words(pattern string) *regexp.Regexp { return regexp.MustCompile(`(?i)\b` + pattern + `\b`) }

// TestLanguage finds words that the repository replaces, in comments and strings of Go and in
// Markdown.
func TestLanguage(t *testing.T) {
	exempt := exemptFrom(t, "language")
	check := func(file string, line int, text string) {
		for _, r := range replaced {
			if found := r.word.FindString(text); found != "" {
				exempt.report(file, "line %d: %q; %s", line, found, r.plain)
			}
		}
	}
	for _, file := range files(t, ".go") {
		for _, p := range prose(t, file, true) {
			check(file, p.line, p.text)
		}
	}
	for _, file := range files(t, ".md") {
		for _, p := range paragraphs(read(t, file)) {
			check(file, p.line, p.text)
		}
	}
}

// TestMarkdownColumns finds long lines of prose.
func TestMarkdownColumns(t *testing.T) {
	exempt := exemptFrom(t, "columns")
	for _, file := range files(t, ".md") {
		for _, p := range paragraphs(read(t, file)) {
			table := strings.HasPrefix(strings.TrimSpace(p.text), "|")
			link := strings.Contains(p.text, "](") || strings.Contains(p.text, "://")
			if n := utf8.RuneCountInString(p.text); n > maxColumns && !table && !link {
				exempt.report(file, "line %d has %d columns, more than %d", p.line, n, maxColumns)
			}
		}
	}
}

// TestCitations finds comments and pages that cite a file which the repository does not have.
func TestCitations(t *testing.T) {
	exempt := exemptFrom(t, "citations")
	known := map[string]bool{}
	for _, suffix := range []string{".go", ".md"} {
		for _, file := range files(t, suffix) {
			known[path.Base(file)] = true
		}
	}
	cited := regexp.MustCompile(`[\w./-]*\w\.(?:go|md)\b`)
	for _, file := range files(t, ".go") {
		for _, p := range prose(t, file, false) {
			for _, name := range cited.FindAllString(p.text, -1) {
				if !known[path.Base(name)] {
					exempt.report(file, "line %d cites %s, which does not exist", p.line, name)
				}
			}
		}
	}
	located := regexp.MustCompile("`([\\w.-]+/[\\w./-]+\\.(?:go|md|txt|jsonl))`")
	for _, file := range files(t, ".md") {
		for _, p := range paragraphs(read(t, file)) {
			for _, m := range located.FindAllStringSubmatch(p.text, -1) {
				if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
					exempt.report(file, "line %d cites %s, which does not exist", p.line, m[1])
				}
			}
		}
	}
}

// passage is a line of prose.
type passage struct {
	line int
	text string
}

// prose returns the comments of a Go file and, if asked, its strings.
func prose(t *testing.T, file string, literals bool) (out []passage) {
	t.Helper()
	src := []byte(read(t, file))
	fset := token.NewFileSet()
	var s scanner.Scanner
	s.Init(fset.AddFile(file, fset.Base(), len(src)), src, nil, scanner.ScanComments)
	for {
		pos, kind, text := s.Scan()
		switch {
		case kind == token.EOF:
			return out
		case kind == token.COMMENT, kind == token.STRING && literals:
			for i, line := range strings.Split(text, "\n") {
				out = append(out, passage{fset.Position(pos).Line + i, line})
			}
		}
	}
}

// paragraphs returns the lines of a Markdown page outside of code blocks.
func paragraphs(page string) (out []passage) {
	code := false
	for i, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		if !code && !strings.HasPrefix(line, "    ") {
			out = append(out, passage{i + 1, line})
		}
	}
	return out
}
