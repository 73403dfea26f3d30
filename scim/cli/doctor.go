package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/backend/examine"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/doctor"
	"github.com/scimbridge/scimbridge/scim/legible"
)

func doctorCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var asJSON bool
	var canary string
	c := &cobra.Command{Use: "doctor", Short: "Check backends with reads, and store, clock and certificates", Args: noArgs,
		Example: "  scimbridge doctor\n  scimbridge doctor --canary-role 7Zq3kD   (a Risk Cloud role that nothing depends on)",
		RunE: func(c *cobra.Command, _ []string) error {
			o := doctor.Options{File: *configFile, Kinds: bridge.Kinds(), CanaryRole: canary, Server: func() (doctor.Server, error) {
				return remote.New(&remote.Server{Config: configFile})
			}}
			if !asJSON {
				o.Show = func(one doctor.Diagnosis) error { return showDiagnosis(stdout, one) }
			}
			all, err := doctor.Run(c.Context(), o)
			if asJSON && all != nil {
				err = errors.Join(err, printJSON(stdout, all))
			}
			if n := doctor.Problems(all); err == nil && n > 0 {
				return fmt.Errorf("%d problem(s)", n)
			}
			return err
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&canary, "canary-role", "", "a Risk Cloud role on which an update that changes nothing may be tried, to find the method and path that the tenant accepts")
	return c
}

func showDiagnosis(w io.Writer, d doctor.Diagnosis) error {
	what := d.What
	if len(d.Rules) > 0 && d.Level != examine.Fine {
		what += " (" + strings.Join(d.Rules, "; ") + ")"
	}
	_, err := fmt.Fprintf(w, "%-8s %s: %s\n", d.Level, d.About, legible.Text(what))
	if err == nil && d.Remedy != "" {
		_, err = fmt.Fprintf(w, "         → %s\n", d.Remedy)
	}
	return err
}
