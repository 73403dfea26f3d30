package gates

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Limits of documents, in lines.
const (
	maxReadmeLines = 150
	maxPageLines   = 300
)

// TestReadme holds README.md to its limits. Every line counts, also tables, code and links.
func TestReadme(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(read(t, "README.md"), "\n"), "\n")
	if len(lines) > maxReadmeLines {
		t.Errorf("README.md has %d lines, more than %d: move text to a page in docs", len(lines), maxReadmeLines)
	}
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n > maxColumns {
			t.Errorf("README.md: line %d has %d columns, more than %d", i+1, n, maxColumns)
		}
	}
}

// TestPages finds pages of docs that have outgrown their limit.
func TestPages(t *testing.T) {
	exempt := exemptFrom(t, "pages")
	for _, file := range files(t, ".md") {
		if lines := strings.Count(read(t, file), "\n"); lines > maxPageLines && strings.HasPrefix(file, "docs/") {
			exempt.report(file, "%d lines, more than %d: split the page", lines, maxPageLines)
		}
	}
}

// TestLinks finds relative links of Markdown to files and headings that do not exist.
func TestLinks(t *testing.T) {
	exempt := exemptFrom(t, "links")
	for _, file := range files(t, ".md") {
		for _, l := range links(read(t, file)) {
			if problem := broken(t, file, l.text); problem != "" {
				exempt.report(file, "line %d: (%s) %s", l.line, l.text, problem)
			}
		}
	}
}

// TestBroken holds broken to what it must find.
func TestBroken(t *testing.T) {
	for link, works := range map[string]bool{
		"README.md": true, "docs": true, "docs/glossary.md#plain-words": true, "https://example.com/x.md": true,
		"docs/none.md": false, "docs/glossary.md#none": false, "#none": false,
	} {
		if problem := broken(t, "README.md", link); (problem == "") != works {
			t.Errorf("%s: %q", link, problem)
		}
	}
}

var inlineLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// links returns the targets of the links of a page, without code.
func links(page string) (out []passage) {
	span := regexp.MustCompile("`[^`]*`")
	for _, p := range paragraphs(page) {
		for _, m := range inlineLink.FindAllStringSubmatch(span.ReplaceAllString(p.text, ""), -1) {
			out = append(out, passage{p.line, m[1]})
		}
	}
	return out
}

// broken returns what is wrong with a link of a file; "" if it works or leaves the repository.
func broken(t *testing.T, file, link string) string {
	t.Helper()
	if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
		return ""
	}
	name, heading, _ := strings.Cut(link, "#")
	target := file
	if name != "" {
		target = path.Join(path.Dir(file), name)
	}
	if _, err := os.Stat(filepath.Join(root, target)); err != nil {
		return "names no file"
	}
	if heading != "" && !anchors(read(t, target))[heading] {
		return "names no heading of " + target
	}
	return ""
}

// anchors returns the headings of a page as links name them.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, p := range paragraphs(page) {
		if text := strings.TrimLeft(p.text, "#"); text != p.text {
			out[slug(strings.TrimSpace(text))] = true
		}
	}
	return out
}

// slug returns the anchor of a heading: in lower case, with dashes for spaces, without punctuation.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
