package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/config"
)

func actionCommand(server *remote.Server, stdout io.Writer, word, short, asked string) *cobra.Command {
	var asJSON bool
	var why func(string) string
	c := &cobra.Command{Use: word + " [BACKEND]", Short: short, Example: "  scimbridge " + word + " virustotal", Args: func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{errors.New("names at most one backend")}
		}
		return nil
	},
		RunE: ask(server, stdout, http.MethodPost, func(args []string) string {
			path := "/api/" + word
			if len(args) == 1 {
				path += "?backend=" + url.QueryEscape(args[0])
			}
			return why(path)
		}, &asJSON, func(w io.Writer, a struct {
			Backends []string `json:"backends"`
		}) error {
			_, err := fmt.Fprintf(w, "%s: asked to %s\n", strings.Join(a.Backends, ", "), asked)
			return err
		})}
	c.ValidArgsFunction, why = completeBackends(server), reasonFor(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// completeBackends lets the shell complete the names of the backends in the configuration.
func completeBackends(server *remote.Server) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := config.LoadEndpoints(*server.Config)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.Sorted(maps.Keys(c.Backends)), cobra.ShellCompDirectiveNoFileComp
	}
}

func resumeCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var asJSON bool
	var why func(string) string
	c := &cobra.Command{Use: "resume", Short: "Let the server deliver again after a restore or an import", Args: noArgs,
		Example: "  scimbridge plan && scimbridge resume",
		RunE: ask(server, stdout, http.MethodPost, func([]string) string { return why("/api/resume") }, &asJSON, func(w io.Writer, a map[string]string) error {
			words := "what is wanted is delivered from now on, under the usual brakes"
			if a["state"] == "unchanged" {
				words = "the server was not standing by: it delivers already, and nothing was changed"
			}
			_, err := fmt.Fprintln(w, words)
			return err
		})}
	why = reasonFor(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
