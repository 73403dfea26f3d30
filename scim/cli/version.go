package cli

import (
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand(stdout io.Writer) *cobra.Command {
	var p printed
	return p.flag(&cobra.Command{
		Use: "version", Example: "  scimbridge version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return p.say(stdout, map[string]string{"version": version()}, "scimbridge %s\n", version())
		},
	})
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
