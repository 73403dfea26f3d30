package cli

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestDocumentedCommands holds the documents to the commands: each command that a page shows exists,
// with its flags, and takes so many arguments.
func TestDocumentedCommands(t *testing.T) {
	shown := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLines(string(text)) {
			shown++
			if err := understood(line); err != nil {
				t.Errorf("%s: scimbridge %s: %v", strings.TrimPrefix(page, "../../"), line, err)
			}
		}
	}
	if shown < 100 {
		t.Errorf("only %d commands found", shown)
	}
}

// TestReferenceOfCommands holds docs/reference/commands.md to the commands: it has a row for each,
// and each of its rows is one.
func TestReferenceOfCommands(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z][^`]*)`").FindAllStringSubmatch(string(text), -1) {
		line := strings.NewReplacer("[", "", "]", "").Replace(m[1])
		if err := understood(line); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		found, _, err := command(io.Discard, io.Discard, nil).Find(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		rows[found.CommandPath()] = true
	}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Name() != "completion" {
				visit(sub)
			}
		}
		if !c.HasSubCommands() && !rows[c.CommandPath()] {
			t.Errorf("docs/reference/commands.md has no row for %s", c.CommandPath())
		}
	}
	visit(command(io.Discard, io.Discard, nil))
}

// TestUnderstood holds understood to what it must find.
func TestUnderstood(t *testing.T) {
	for line, works := range map[string]bool{
		"hold approve ID": true, "plan --proposed new.yaml --exit-code": true, "explain ada@example.com ROLE": true,
		"audit export": true, "completion bash": true, "hold approve": true,
		"hold release ID": false, "plan --propose new.yaml": false, "explain a b c": false, "status now": false, "audits": false,
	} {
		if err := understood(line); (err == nil) != works {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// pages lists the documents for users: every page but the decisions.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{"../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md"}
	err := filepath.WalkDir("../../docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "adr" {
			return filepath.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".md" {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	called   = regexp.MustCompile(`^(?:\$ )?(?:sudo -u \w+ )?(?:\./|[\w/]*/bin/)?(?:scimbridge|go run \.) ([a-z].*)`)
	inner    = regexp.MustCompile(`\$\([^)]*\)|'[^']*'`)
	ends     = regexp.MustCompile(`\s+(?:#|\||&|>|<|2>).*|;.*|\s{2,}.*|\s*\\$`)
)

// commandLines returns the command lines of a page, without the name of the program. In a block of
// code with prompts only the lines with a prompt are commands; the others are output.
func commandLines(page string) (out []string) {
	add := func(text string) {
		if m := called.FindStringSubmatch(text); m != nil {
			out = append(out, ends.ReplaceAllString(inner.ReplaceAllString(m[1], "X"), ""))
		}
	}
	var block []string
	flush := func() {
		prompts := strings.Contains("\n"+strings.Join(block, "\n"), "\n$ ")
		for _, line := range block {
			if !prompts || strings.HasPrefix(line, "$ ") {
				add(line)
			}
		}
		block = nil
	}
	for _, line := range strings.Split(page, "\n") {
		switch {
		case strings.HasPrefix(line, "    "):
			block = append(block, strings.TrimSpace(line))
		case strings.TrimSpace(line) != "":
			flush()
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				add(m[1])
			}
		}
	}
	flush()
	return out
}

// understood returns why the program would not understand a command line.
func understood(line string) error {
	root := command(io.Discard, io.Discard, nil)
	found, args, err := root.Find(strings.Fields(line))
	if err != nil {
		return err
	}
	if err := found.ParseFlags(args); err != nil {
		return err
	}
	if named := len(args) == 0; named && !found.HasSubCommands() { // a page may name a command alone
		return nil
	}
	return found.ValidateArgs(found.Flags().Args())
}
