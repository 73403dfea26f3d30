package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command says what it does, shows how it is called, and speaks JSON, but for the two that run until they are interrupted and the scripts of shells.
func TestEveryCommandHasAnExample(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		if c.HasSubCommands() {
			return
		}
		if c.Short == "" || !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: %q, %q", c.CommandPath(), c.Short, c.Example)
		}
		if c.Flags().Lookup("json") == nil && c.Name() != "serve" && c.Name() != "demo" && c.Parent().Name() != "completion" {
			t.Errorf("%s has no --json", c.CommandPath())
		}
	}
	visit(command(io.Discard, io.Discard, nil))
}
