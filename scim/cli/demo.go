package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/demo"
)

func demoCommand(stdout, stderr io.Writer) *cobra.Command {
	var exit bool
	c := &cobra.Command{
		Use: "demo", Example: "  scimbridge demo --exit", Short: "Show everything on this machine, with simulated backends", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return demo.Run(c.Context(), demo.Options{Out: stdout, Err: stderr, Version: version(), Exit: exit})
		},
	}
	c.Flags().BoolVar(&exit, "exit", false, "end after the last scene instead of serving; fails if the roles are wrong")
	return c
}
