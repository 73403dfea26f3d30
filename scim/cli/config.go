package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/config"
)

// configCommand groups the commands about the form of the configuration file.
func configCommand(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "The form of the configuration file", Args: noArgs,
		Example: "  scimbridge config schema > config.schema.json", RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	schema := &cobra.Command{Use: "schema", Short: "Print the JSON Schema of the configuration file, for editors", Args: noArgs,
		Example: "  scimbridge config schema > config.schema.json",
		Long: "Print the JSON Schema of the configuration file. An editor with a YAML language server uses it if the file has the line\n\n" +
			"  # yaml-language-server: $schema=config.schema.json",
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(stdout, config.Schema())
			return err
		}}
	schema.Flags().Bool("json", true, "print JSON; there is no other form")
	c.AddCommand(schema)
	return c
}
