package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
)

// Scale is one run of `measure scale`.
type Scale struct {
	Users, Groups, Memberships int
	Clients                    int
	Each                       time.Duration // of each kind of request
	Store                      config.Store  // empty
	Dir                        string        // for temporary files
	Progress                   io.Writer
	Version                    string
}

// SetDefaults sets the numbers that are 0 and returns an error if the numbers do not fit.
func (m *Scale) SetDefaults() error {
	if m.Groups == 0 {
		m.Groups = max(100, m.Users/100)
	}
	if m.Memberships == 0 {
		m.Memberships = 10 * m.Users
	}
	switch {
	case m.Users < 100:
		return errors.New("--users must be at least 100")
	case m.Groups < allGroups+m.Memberships/m.Users:
		return fmt.Errorf("--groups must be at least %d", allGroups+m.Memberships/m.Users)
	case m.Memberships < 2*m.Users:
		return errors.New("--memberships must be at least two for each of the users")
	case m.Clients < 1 || m.Each <= 0:
		return errors.New("--clients and --each must be positive")
	}
	return nil
}

// Result is what a run found: sizes in bytes, times in seconds unless the name says otherwise.
type Result struct {
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
	Requests []Requests `json:"requests"`
}

// Requests are the results of one kind of request.
type Requests struct {
	What    string  `json:"what"`
	Clients int     `json:"clients"`
	Count   int     `json:"count"`
	Rate    float64 `json:"per_second"`
	Median  float64 `json:"median_ms"`
	P99     float64 `json:"p99_ms"`
	CPU     float64 `json:"cpu_us"` // of the process that serves, for each request: other work on the machine disturbs it least
}

// Run fills the store, serves it and measures.
func (m *Scale) Run(ctx context.Context) (*Result, error) {
	found := &Result{Version: m.Version, Driver: m.Store.Driver, Users: m.Users}
	found.Machine.System, found.Machine.CPUs, found.Machine.Memory = runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU(), machineMemory()
	if err := m.fill(ctx, found); err != nil {
		return nil, fmt.Errorf("filling the store: %w", err)
	}
	if info, err := os.Stat(m.Store.Path); err == nil && m.Store.Driver == config.DriverBolt {
		found.Size.File = info.Size()
	}
	if err := m.serve(ctx, found); err != nil {
		return nil, fmt.Errorf("measuring: %w", err)
	}
	return found, nil
}

// sized is a store that knows its size.
type sized interface {
	Size(ctx context.Context) (int64, error)
}

func size(ctx context.Context, s store.Store) (int64, error) {
	if s, ok := s.(sized); ok {
		return s.Size(ctx)
	}
	return 0, nil
}
