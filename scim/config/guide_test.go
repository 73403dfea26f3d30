package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRulesOfTheGuide puts the rules that docs/mapping/rules.md shows into config.example.yaml: check takes every line of them.
func TestRulesOfTheGuide(t *testing.T) {
	readme, err := os.ReadFile("../../docs/mapping/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(mappings:.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("docs/mapping/rules.md shows no rules")
	}
	example, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(example), "\nmappings:")
	if !found {
		t.Fatal("config.example.yaml has no mappings")
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(head+"\n"+string(block[1])), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := Load(path, kinds())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(block[1]), "\n  - "); len(c.Mappings) != n {
		t.Errorf("%d rules of %d", len(c.Mappings), n)
	}
	// The page says itself that replace and authoritative deserve a warning; it shows no other dangerous rule.
	for _, w := range warnings {
		if !strings.Contains(w, "replace") && !strings.Contains(w, "authoritative") {
			t.Error(w)
		}
	}
}
