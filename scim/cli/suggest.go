package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// similarCommand returns a question about the subcommand that an unknown word resembles, or "".
func similarCommand(c *cobra.Command, word string) string {
	if !c.HasSubCommands() || len(word) > 64 {
		return ""
	}
	c.SuggestionsMinimumDistance = 2 // edits
	if similar := c.SuggestionsFor(word); len(similar) > 0 {
		return fmt.Sprintf("; did you mean %q?", similar[0])
	}
	return ""
}
