package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/measure"
)

func measureCommand(configFile *string, stdout, stderr io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "measure", Short: "Measure this program on this machine", Args: noArgs, Example: "  scimbridge measure scale --help",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(measureScaleCommand(configFile, stdout, stderr))
	return c
}

func measureScaleCommand(configFile *string, stdout, stderr io.Writer) *cobra.Command {
	m := measure.Scale{Progress: stderr, Version: version()}
	var file string
	var asJSON bool
	c := &cobra.Command{Use: "scale", Short: "Fill an empty store, serve it, and measure speed, size and start", Args: noArgs,
		Long: `Fill an empty store with users, groups and memberships, serve it in a process of its own, and measure: changes and look-ups a second over
HTTP, the size of the store, the time to start, and memory. Without --store and --config the store is a file in a temporary folder, which
is removed at the end; the store of --config must be empty, and keeps what it was filled with.

Every user is in one group of all, in one of ten large groups, and in others that are chosen at random.`,
		Example: "  scimbridge measure scale --users 100000\n  scimbridge measure scale --users 1000000 --store /data/scale.db --json\n  scimbridge measure scale --users 10000 --config postgres.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := m.SetDefaults(); err != nil {
				return usageError{err}
			}
			dir, err := os.MkdirTemp("", "scimbridge-measure-")
			if err != nil {
				return fmt.Errorf("measuring: %w", err)
			}
			defer func() { _ = os.RemoveAll(dir) }() // of temporary files
			m.Dir, m.Store = dir, config.Store{Driver: config.DriverBolt, Path: filepath.Join(dir, "scale.db")}
			switch {
			case file != "":
				m.Store.Path = file
			case c.Flags().Changed("config"):
				conf, err := config.LoadEndpoints(*configFile)
				if err != nil {
					return err
				}
				m.Store = conf.Store
			}
			found, err := m.Run(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, found)
			}
			return printMeasured(stdout, found)
		}}
	c.Flags().IntVar(&m.Users, "users", 10_000, "how many users")
	c.Flags().IntVar(&m.Groups, "groups", 0, "how many groups (0: one for every hundred users, at least 100)")
	c.Flags().IntVar(&m.Memberships, "memberships", 0, "how many memberships (0: ten for each)")
	c.Flags().IntVar(&m.Clients, "clients", 64, "how many clients at once")
	c.Flags().DurationVar(&m.Each, "each", 5*time.Second, "how long to measure each kind of request")
	c.Flags().StringVar(&file, "store", "", "the file to fill, which must not hold anything yet")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printMeasured prints what a run found as a page.
func printMeasured(w io.Writer, r *measure.Result) error {
	fmt.Fprintf(w, "scimbridge %s, %s store, on %s with %d CPUs and %s of memory\n\n", r.Version, r.Driver, r.Machine.System, r.Machine.CPUs, megabytes(r.Machine.Memory))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "users\t%d\n", r.Users)
	fmt.Fprintf(t, "groups\t%d\n", r.Groups)
	fmt.Fprintf(t, "memberships\t%d\n", r.Memberships)
	fmt.Fprintf(t, "filled in\t%.0f s and %.0f s\n", r.Fill.Users, r.Fill.Memberships)
	fmt.Fprintf(t, "store\t%s\n", megabytes(r.Size.Store))
	fmt.Fprintf(t, "… file, with its free pages\t%s\n", megabytes(r.Size.File))
	fmt.Fprintf(t, "… for a user\t%.0f bytes\n", r.Size.PerUser)
	fmt.Fprintf(t, "… for a membership\t%.0f bytes\n", r.Size.PerMembership)
	fmt.Fprintf(t, "start until ready\t%.2f s, of CPU %.2f s\n", r.Start, r.StartCPU)
	fmt.Fprintf(t, "memory after the start\t%s\n", megabytes(r.Memory.Started))
	fmt.Fprintf(t, "memory at most\t%s\n", megabytes(r.Memory.Peak))
	fmt.Fprintf(t, "… without pages of files\t%s\n", megabytes(r.Memory.Own))
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	fmt.Fprintln(t, "REQUEST\tCLIENTS\tA SECOND\tMEDIAN\tP99\tCPU")
	for _, q := range r.Requests {
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.2f ms\t%.2f ms\t%.0f µs\n", q.What, q.Clients, q.Rate, q.Median, q.P99, q.CPU)
	}
	return t.Flush()
}

func megabytes(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f MB", float64(n)/1e6)
}
