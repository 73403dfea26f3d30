package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
)

func measureCommand(configFile *string, stdout, stderr io.Writer) *cobra.Command {
	c := &cobra.Command{Use: "measure", Short: "Measure this program on this machine", Args: noArgs, Example: "  scimbridge measure scale --help",
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(measureScaleCommand(configFile, stdout, stderr))
	return c
}

func measureScaleCommand(configFile *string, stdout, stderr io.Writer) *cobra.Command {
	m := measurement{progress: stderr}
	var file string
	var asJSON bool
	c := &cobra.Command{Use: "scale", Short: "Fill an empty store, serve it, and say how fast it is, how large, and how soon it starts", Args: noArgs,
		Long: `Fill an empty store with people, groups and memberships, serve it in a process of its own, and measure: changes and look-ups a second over
HTTP, the size of the store, the time to start, and memory. Without --store and --config the store is a file in a temporary folder, which
is removed at the end; the store of --config must be empty, and keeps what it was filled with.

Everybody is in one group of all, in one of ten large groups, and in others that are chosen at random.`,
		Example: "  scimbridge measure scale --users 100000\n  scimbridge measure scale --users 1000000 --store /data/scale.db --json\n  scimbridge measure scale --users 10000 --config postgres.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := m.setDefaults(); err != nil {
				return usageError{err}
			}
			dir, err := os.MkdirTemp("", "scimbridge-measure-")
			if err != nil {
				return fmt.Errorf("measuring: %w", err)
			}
			defer func() { _ = os.RemoveAll(dir) }() // of temporary files
			m.dir, m.store = dir, config.Store{Driver: config.DriverBolt, Path: filepath.Join(dir, "scale.db")}
			switch {
			case file != "":
				m.store.Path = file
			case c.Flags().Changed("config"):
				conf, err := config.LoadEndpoints(*configFile)
				if err != nil {
					return err
				}
				m.store = conf.Store
			}
			found, err := m.run(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(stdout, found)
			}
			return found.print(stdout)
		}}
	c.Flags().IntVar(&m.users, "users", 10_000, "how many people")
	c.Flags().IntVar(&m.groups, "groups", 0, "how many groups (0: one for every hundred people, at least 100)")
	c.Flags().IntVar(&m.memberships, "memberships", 0, "how many memberships (0: ten for each)")
	c.Flags().IntVar(&m.clients, "clients", 64, "how many clients at once")
	c.Flags().DurationVar(&m.each, "each", 5*time.Second, "how long to measure each kind of request")
	c.Flags().StringVar(&file, "store", "", "the file to fill, which must not hold anything yet")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// measurement is one run of `measure scale`.
type measurement struct {
	users, groups, memberships int
	clients                    int
	each                       time.Duration
	store                      config.Store
	dir                        string // for temporary files
	progress                   io.Writer
}

func (m *measurement) setDefaults() error {
	if m.groups == 0 {
		m.groups = max(100, m.users/100)
	}
	if m.memberships == 0 {
		m.memberships = 10 * m.users
	}
	switch {
	case m.users < 100:
		return errors.New("--users must be at least 100")
	case m.groups < allGroups+m.memberships/m.users:
		return fmt.Errorf("--groups must be at least %d", allGroups+m.memberships/m.users)
	case m.memberships < 2*m.users:
		return errors.New("--memberships must be at least two for each of the people")
	case m.clients < 1 || m.each <= 0:
		return errors.New("--clients and --each must be positive")
	}
	return nil
}

// measured is what a run found. Sizes are in bytes, times in seconds but where the name says otherwise.
type measured struct {
	Version string `json:"version"`
	Machine struct {
		System string `json:"system"`
		CPUs   int    `json:"cpus"`
		Memory int64  `json:"memory,omitempty"`
	} `json:"machine"`
	Driver      string `json:"driver"`
	Users       int    `json:"users"`
	Groups      int    `json:"groups"`
	Memberships int    `json:"memberships"`
	Fill        struct {
		Users       float64 `json:"users"`
		Memberships float64 `json:"memberships"`
	} `json:"fill_seconds"`
	Size struct {
		Store         int64   `json:"store"`
		File          int64   `json:"file,omitempty"` // with its free pages
		PerUser       float64 `json:"per_user"`
		PerMembership float64 `json:"per_membership"`
	} `json:"bytes"`
	Start    float64 `json:"start_seconds"`
	StartCPU float64 `json:"start_cpu_seconds"`
	Memory   struct {
		Started int64 `json:"started"` // resident, of the process that serves
		Peak    int64 `json:"peak"`
		Own     int64 `json:"own"` // without the pages of files, at the end
	} `json:"memory"`
	Requests []requests `json:"requests"`
}

// requests is how one kind of request went.
type requests struct {
	What    string  `json:"what"`
	Clients int     `json:"clients"`
	Count   int     `json:"count"`
	Rate    float64 `json:"per_second"`
	Median  float64 `json:"median_ms"`
	P99     float64 `json:"p99_ms"`
	CPU     float64 `json:"cpu_us"` // of the process that serves, for each: what other work on the machine disturbs least
}

func (m *measurement) run(ctx context.Context) (*measured, error) {
	found := &measured{Version: version(), Driver: m.store.Driver, Users: m.users}
	found.Machine.System, found.Machine.CPUs, found.Machine.Memory = runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), machineMemory()
	if err := m.fill(ctx, found); err != nil {
		return nil, fmt.Errorf("filling the store: %w", err)
	}
	if info, err := os.Stat(m.store.Path); err == nil && m.store.Driver == config.DriverBolt {
		found.Size.File = info.Size()
	}
	if err := m.serve(ctx, found); err != nil {
		return nil, fmt.Errorf("measuring: %w", err)
	}
	return found, nil
}

// sized is a store that can tell how much room it takes.
type sized interface {
	Size(ctx context.Context) (int64, error)
}

func size(ctx context.Context, s store.Store) (int64, error) {
	if s, ok := s.(sized); ok {
		return s.Size(ctx)
	}
	return 0, nil
}

func (r *measured) print(w io.Writer) error {
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
