package cli

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/cli/planned"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
)

func reloadCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var asJSON bool
	var why func(string) string
	c := &cobra.Command{Use: "reload", Example: "  scimbridge plan --proposed config.yaml && scimbridge reload", Short: "Apply the mappings of the configuration file", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := remote.New(server)
			if err != nil {
				return fmt.Errorf("the rules in force stay: %w", err)
			}
			o.Patient() // as for a plan
			var plan []desk.Preview
			if err := o.Send(c.Context(), http.MethodPost, why("/api/reload"), nil, &plan); err != nil {
				return err // the server says whether the rules in force stay
			}
			if asJSON {
				return printJSON(stdout, plan)
			}
			fmt.Fprint(stdout, "The rules of the file are in force.\n\n")
			return planned.Text(stdout, plan, held(plan)+planned.Uncertain)
		}}
	why = reasonFor(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// held says what happens to the held part of a plan once it is in force.
func held(plan []desk.Preview) string {
	for _, p := range plan {
		if len(p.Held) > 0 {
			return "What is held waits for a decision: scimbridge hold list. The rest is being delivered. "
		}
	}
	return "This is being delivered. "
}
