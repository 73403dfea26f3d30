package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
)

// checked is what `check --json` prints.
type checked struct {
	File     string   `json:"file"`
	Problems []string `json:"problems"`
	Warnings []string `json:"warnings"`
	Advice   []string `json:"recommendations"`

	Configuration any `json:"configuration,omitempty"` // with --print
}

func checkCommand(configFile *string, stdout, stderr io.Writer) *cobra.Command {
	var asJSON, show bool
	c := &cobra.Command{
		Use: "check", Example: "  scimbridge check --config new.yaml", Short: "Validate the configuration, offline", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			c, warnings, err := config.Load(*configFile, bridge.Kinds())
			if asJSON {
				return errors.Join(err, printChecked(stdout, *configFile, c, warnings, err, show))
			}
			for _, w := range warnings {
				fmt.Fprintln(stderr, "warning: "+w)
			}
			if err != nil {
				return err
			}
			for _, a := range c.Recommendations() {
				fmt.Fprintln(stderr, "recommendation: "+a)
			}
			if show {
				effective, err := c.Effective()
				return errors.Join(err, write(stdout, effective))
			}
			_, err = fmt.Fprintf(stdout, "%s is fine: %d identity provider(s), %d backend(s), %d mapping(s)\n",
				*configFile, len(c.IdentityProviders), len(c.Backends), len(c.Mappings))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&show, "print", false, "print the configuration with its defaults, and without secrets")
	return c
}

func printChecked(w io.Writer, file string, c *config.Config, warnings []string, err error, show bool) error {
	out := checked{File: file, Problems: []string{}, Warnings: append([]string{}, warnings...), Advice: []string{}}
	if c != nil {
		out.Advice = append(out.Advice, c.Recommendations()...)
	}
	var wrong *config.Error
	switch {
	case errors.As(err, &wrong):
		out.Problems = wrong.Problems
	case err != nil:
		out.Problems = []string{err.Error()}
	}
	if show && c != nil {
		effective, err := c.Effective()
		if err == nil {
			err = yaml.Unmarshal(effective, &out.Configuration)
		}
		if err != nil {
			return err
		}
	}
	return printJSON(w, out)
}

func write(w io.Writer, text []byte) error {
	_, err := w.Write(text)
	return err
}
