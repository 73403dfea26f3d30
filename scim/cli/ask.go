package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// ask returns a command that makes one call and prints the answer as JSON or with show.
func ask[T any](server *remote.Server, stdout io.Writer, method string, path func(args []string) string, asJSON *bool, show func(io.Writer, T) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		o, err := remote.New(server)
		if err != nil {
			return err
		}
		var answer T
		if err := o.Call(c.Context(), method, path(args), &answer); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(stdout, answer)
		}
		if answer, err = legible.Value(answer); err != nil {
			return fmt.Errorf("reading the server's answer: %w", err)
		}
		return show(stdout, answer)
	}
}
