package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/cli/remote"
)

func exportCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var p printed
	var why func(string) string
	c := p.flag(&cobra.Command{Use: "export [FILE]", Short: "Write directory, ledger, id map and audit trail of the running server as JSON lines", Args: atMostOne,
		Example: "  scimbridge export | jq 'select(.kind==\"event\") | .event'\n  scimbridge export everything.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fetch(c.Context(), server, why("/api/export"), stdout)
			}
			size, err := fetchInto(c.Context(), server, why("/api/export"), args[0], func(string) error { return nil })
			if err != nil {
				return err
			}
			return p.say(stdout, copied{args[0], size}, "%s: %d bytes. `scimbridge import` reads it into an empty store. The keys that sign our own tokens are left out; an import makes new ones.\n", args[0], size)
		}})
	why = reasonFor(c)
	return c
}
