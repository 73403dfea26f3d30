package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/cli/planned"
	"github.com/scimbridge/scimbridge/scim/cli/remote"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// planForm is how a plan is printed, and where to.
type planForm struct {
	json, csv bool
	out       string // a file; "": standard output
}

func planCommand(server *remote.Server, stdout io.Writer) *cobra.Command {
	var form planForm
	var exitCode, fromVendors bool
	var proposed string
	var supposed []string
	c := &cobra.Command{Use: "plan", Short: "Show the exact calls that would be made now, or under other mappings: who gets and loses what, and why", Args: noArgs,
		Example: "  scimbridge plan\n  scimbridge plan --proposed new.yaml --exit-code\n  scimbridge plan --csv --out report.csv\n  scimbridge plan --live --out report.csv\n  scimbridge plan --if 'leave VT Admins ada@example.com'"}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if fromVendors && (c.Flags().Changed("proposed") || c.Flags().Changed("if")) {
			return usageError{errors.New("--live compares the directory and the rules as they are: leave --proposed and --if out")}
		}
		var body []byte
		if c.Flags().Changed("proposed") { // even if empty: a pipeline must not pass because a name is missing
			var err error
			if body, err = config.ReadAtMost(proposed, config.MaxSize); err != nil {
				return fmt.Errorf("reading the proposed mappings: %w", err)
			}
		}
		if c.Flags().Changed("out") && form.out == "" {
			return usageError{errors.New("--out needs the name of a file")}
		}
		o, err := remote.New(server)
		if err != nil {
			return err
		}
		if fromVendors {
			return planLive(c.Context(), o, stdout, form, exitCode)
		}
		plan, err := o.PlanIf(c.Context(), proposed, body, supposed...)
		if err != nil {
			return err
		}
		if err := form.print(stdout, plan); err != nil {
			return err
		}
		for _, p := range plan {
			if exitCode && p.Something() {
				return codeError{exitNeeded, errors.New("there is something to do")}
			}
		}
		return nil
	}
	c.Flags().BoolVar(&form.json, "json", false, "print JSON")
	c.Flags().BoolVar(&form.csv, "csv", false, "print CSV: a line for each role of each user, with the reason")
	c.Flags().StringVar(&form.out, "out", "", "write the plan to a new file, as text, JSON or CSV")
	c.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when there is something to do")
	c.Flags().StringVar(&proposed, "proposed", "", "a configuration file, or one with mappings alone, to plan for")
	c.Flags().StringArrayVar(&supposed, "if", nil, "suppose a change of the directory, which is not made: 'leave GROUP USER', 'delete-group GROUP' or 'deactivate USER'; may be repeated")
	c.Flags().BoolVar(&fromVendors, "live", false, "read what the vendors have now, and show for each role of each user what sync would do: keep, adopt, grant, revoke …")
	c.MarkFlagsMutuallyExclusive("json", "csv")
	return c
}

// byName gives a file whose name ends in .json or .csv that form, unless a flag says otherwise.
func (f *planForm) byName() {
	switch ext := filepath.Ext(f.out); {
	case f.json || f.csv:
	case ext == ".json":
		f.json = true
	case ext == ".csv":
		f.csv = true
	}
}

// print prints a plan, or writes it to a file and prints a line for each backend.
func (f planForm) print(stdout io.Writer, plan []desk.Preview) error {
	const footer = "Nothing was called. " + planned.Uncertain
	f.byName()
	write := func(w io.Writer) error {
		switch {
		case f.csv:
			return planned.CSV(w, plan)
		case f.json:
			return printJSON(w, plan)
		}
		return planned.Text(w, plan, footer)
	}
	if f.out == "" {
		return write(stdout)
	}
	if err := bridge.CreateFile(f.out, func(tmp *os.File) error { return write(tmp) }); err != nil {
		return err
	}
	grants := 0
	for _, p := range plan {
		grants += len(p.Users)
		fmt.Fprintf(stdout, "%s: %s\n", legible.Text(p.Backend), p.Summary())
	}
	_, err := fmt.Fprintf(stdout, "%s: %d role(s) of users. %s\n", f.out, grants, footer)
	return err
}
