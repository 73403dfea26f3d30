package cli

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// reasonFor adds --reason to a command, and returns what adds the reason to the path of a call.
func reasonFor(c *cobra.Command) (add func(path string) string) {
	reason := c.Flags().String("reason", "", "why, for the audit trail")
	return func(path string) string {
		if *reason == "" {
			return path
		}
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		return path + separator + url.Values{"reason": {*reason}}.Encode()
	}
}
