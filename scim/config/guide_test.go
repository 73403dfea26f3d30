package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuideRules puts the rules of docs/mapping/guide.md into config.example.yaml: check accepts
// every line of them.
func TestGuideRules(t *testing.T) {
	guide, err := os.ReadFile("../../docs/mapping/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(mappings:.*?)```").FindAllSubmatch(guide, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of rules, want the first rule and every form", len(blocks))
	}
	example, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(example), "\nmappings:")
	if !found {
		t.Fatal("config.example.yaml has no mappings")
	}
	for _, block := range blocks {
		rules := string(block[1])
		path := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(path, []byte(head+"\n"+rules), 0o600); err != nil {
			t.Fatal(err)
		}
		c, warnings, err := Load(path, kinds())
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(rules, "\n  - "); len(c.Mappings) != n {
			t.Errorf("%d rules of %d", len(c.Mappings), n)
		}
		// The guide itself warns of replace and authoritative; it shows no other dangerous rule.
		for _, w := range warnings {
			if !strings.Contains(w, "replace") && !strings.Contains(w, "authoritative") {
				t.Error(w)
			}
		}
	}
}

// TestReadmeConfiguration loads the first configuration of README.md without a warning.
func TestReadmeConfiguration(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md shows no configuration")
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, block[1], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := Load(path, kinds()); err != nil || len(warnings) > 0 {
		t.Errorf("%v %v", warnings, err)
	}
}
