package gates

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks finds relative links of Markdown files that lead nowhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]*)(#[^)\s]*)?\)`)
	for _, file := range files(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(read(t, file), -1) {
			target := file
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(file), m[1])
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, m[1])
				continue
			}
			if m[2] != "" && !hasHeading(read(t, target), m[2][1:]) {
				t.Errorf("%s links to the heading %s of %s, which does not exist", file, m[2], target)
			}
		}
	}
}

// hasHeading reports whether a page has a heading with an anchor.
func hasHeading(page, anchor string) bool {
	drop := regexp.MustCompile(`[^a-z0-9 _-]`)
	for _, line := range strings.Split(page, "\n") {
		if title := strings.TrimLeft(line, "#"); title != line {
			name := drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			if strings.ReplaceAll(name, " ", "-") == anchor {
				return true
			}
		}
	}
	return false
}

const (
	readmeLines = 150
	pageLines   = 300
)

// TestPageSizes holds the README to 150 lines and every page of docs to 300.
func TestPageSizes(t *testing.T) {
	for _, file := range files(t, ".md") {
		most := pageLines
		switch {
		case file == "README.md":
			most = readmeLines
		case !strings.HasPrefix(file, "docs/"):
			continue
		}
		if n := strings.Count(read(t, file), "\n"); n > most {
			t.Errorf("%s has %d lines, at most %d are allowed", file, n, most)
		}
	}
}
