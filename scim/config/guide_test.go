package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGuideRules puts the rules of the guide and of the recipes into config.example.yaml: check
// accepts every line of them.
func TestGuideRules(t *testing.T) {
	example, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(example), "\nmappings:")
	if !found {
		t.Fatal("config.example.yaml has no mappings")
	}
	// Some rules name a second identity provider.
	second := "identity_providers:\n  entra: {tokens: [\"sha256:" + strings.Repeat("0", 64) + "\"]}"
	for page, c := range map[string]struct {
		blocks int
		head   string
		warned []string // what the page itself warns of; it shows no other dangerous rule
	}{
		"guide.md":   {2, head, []string{"replace", "authoritative"}},
		"recipes.md": {10, strings.Replace(head, "identity_providers:", second, 1), []string{"replace", "authoritative", "identity_provider"}},
	} {
		text, err := os.ReadFile("../../docs/mapping/" + page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?s)```yaml\n(mappings:.*?)```").FindAllSubmatch(text, -1)
		if len(blocks) != c.blocks {
			t.Fatalf("%s: %d blocks of rules, want %d", page, len(blocks), c.blocks)
		}
		for i, block := range blocks {
			rules := string(block[1])
			loaded, warnings, err := load(t, c.head+"\n"+rules)
			if err != nil {
				t.Fatalf("%s: block %d: %v", page, i+1, err)
			}
			if n := strings.Count(rules, "\n  - "); len(loaded.Mappings) != n {
				t.Errorf("%s: block %d: %d rules of %d", page, i+1, len(loaded.Mappings), n)
			}
			for _, w := range warnings {
				if !slices.ContainsFunc(c.warned, func(word string) bool { return strings.Contains(w, word) }) && !trial(w) {
					t.Errorf("%s: block %d: %s", page, i+1, w)
				}
			}
		}
	}
}

// load writes a configuration to a file and loads it.
func load(t *testing.T, text string) (*Config, []string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, kinds())
}

// trial reports whether a warning says that a configuration is for a trial: it names a simulated
// vendor or the example token.
func trial(warning string) bool {
	return strings.Contains(warning, "url: is simulated") || strings.Contains(warning, "is the published example token; ")
}

// TestReadmeConfiguration loads the first configuration of README.md with no warning besides those
// of a trial.
func TestReadmeConfiguration(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md shows no configuration")
	}
	_, warnings, err := load(t, string(block[1]))
	if err != nil || slices.ContainsFunc(warnings, func(w string) bool { return !trial(w) }) {
		t.Errorf("%v %v", warnings, err)
	}
}
