package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
)

// MaxSize bounds a configuration file.
const MaxSize = 1 << 20

// Error holds every problem of a configuration file, in the order of lines.
type Error struct {
	File     string
	Problems []string // "line 12: …"
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d problem(s)", e.File, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p)
	}
	return b.String()
}

// Load reads and checks a configuration file. A wrong file gives an *Error with every problem.
// Warnings are about what works but should be changed.
func Load(file string, kinds map[string]backend.Kind) (c *Config, warnings []string, err error) {
	data, err := ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	return Parse(file, data, kinds)
}

// Parse is Load of the contents of a file.
func Parse(file string, data []byte, kinds map[string]backend.Kind) (*Config, []string, error) {
	c, v, err := examine(file, data, kinds)
	if err != nil {
		return nil, nil, err
	}
	if err := v.err(file); err != nil {
		return nil, v.warnings, err
	}
	return c, v.warnings, nil
}

// examine reads and checks. Problems are in the validation; the error is about a file that cannot
// be read.
func examine(file string, data []byte, kinds map[string]backend.Kind) (*Config, *validation, error) {
	c, v, err := decode(file, data, kinds)
	if err != nil {
		return nil, nil, err
	}
	v.check(c)
	byLine := func(a, b string) int { return lineOf(a) - lineOf(b) }
	slices.SortStableFunc(v.warnings, byLine)
	slices.SortStableFunc(v.advice, byLine)
	c.advice = v.advice
	return c, v, nil
}

// ReadFile reads a configuration file, which must not be empty or too large.
func ReadFile(file string) ([]byte, error) {
	data, err := ReadAtMost(file, MaxSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading the configuration: %w; name it with --config, or start from config.example.yaml", err)
	case err != nil:
		return nil, fmt.Errorf("reading the configuration: %w", err)
	case len(data) > MaxSize:
		return nil, fmt.Errorf("reading the configuration: %s has more than 1 MiB", file)
	case len(bytes.TrimSpace(data)) == 0:
		return nil, fmt.Errorf("reading the configuration: %s is empty; start from config.example.yaml", file)
	}
	return data, nil
}

// ReadAtMost reads at most one byte more than a size: a device or a pipe has no size of its own.
func ReadAtMost(file string, size int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	return io.ReadAll(io.LimitReader(f, size+1))
}

// Recommendations returns what could be better but is not wrong, each with its line.
func (c *Config) Recommendations() []string { return c.advice }

// LoadEndpoints reads of a file only where the server and the store are. Secrets need not be
// available, and mistakes elsewhere do not matter.
func LoadEndpoints(file string) (*Config, error) {
	data, err := ReadFile(file)
	if err != nil {
		return nil, err
	}
	c, _, err := decode(file, data, nil)
	return c, err
}

// LoadWithoutSecrets is Load, except that a secret that cannot be read is not an error: it is
// returned as one of the absent ones, with its line.
func LoadWithoutSecrets(file string, kinds map[string]backend.Kind) (c *Config, absent, warnings []string, err error) {
	data, err := ReadFile(file)
	if err != nil {
		return nil, nil, nil, err
	}
	c, v, err := examine(file, data, kinds)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, p := range v.problems {
		if !p.absent {
			return nil, nil, nil, v.err(file)
		}
		absent = append(absent, p.text)
	}
	return c, absent, v.warnings, nil
}

// Propose compiles the mappings of another file, which may hold nothing else, against the identity
// providers and backends of c.
func (c *Config) Propose(file string, data []byte) (*mapping.Rules, error) {
	proposed, v, err := decode(file, data, c.Kinds)
	if err != nil {
		return nil, err
	}
	merged := *c
	merged.Mappings = proposed.Mappings
	v.mappings(&merged)
	if err := v.err(file); err != nil {
		return nil, err
	}
	rules, err := merged.compile(v)
	if err != nil {
		return nil, fmt.Errorf("compiling %s: %w", file, err)
	}
	return rules, nil
}

// ProposedBackends returns running backends with the mode and the brakes of another file. What the file does not have
// stays: a backend, or, of one without a kind, all but the mode.
func (c *Config) ProposedBackends(file string, data []byte, running map[string]*Backend) (map[string]*Backend, error) {
	proposed, v, err := decode(file, data, c.Kinds)
	if err != nil {
		return nil, err
	}
	out := map[string]*Backend{}
	for name, is := range running {
		b := *is
		if p := proposed.Backends[name]; p != nil && p.Kind != "" {
			b = b.Reloaded(p)
			brakes(v, name, p)
		}
		if p := proposed.Backends[name]; p != nil && p.Mode != "" {
			b.Mode = p.Mode
			v.mode(name, p.Mode)
		}
		if b.Mode == "" { // the key is there without a value
			b.Mode = is.Mode
		}
		out[name] = &b
	}
	return out, v.err(file)
}

// Reloaded is a running backend with what a reload takes from another file: the mode and the brakes.
func (c Backend) Reloaded(from *Backend) Backend {
	c.Mode, c.Protect, c.OwnAccount = from.Mode, from.Protect, from.OwnAccount
	c.MaxRemovals, c.MaxOffboardings = from.MaxRemovals, from.MaxOffboardings
	return c
}

// Reloadable lists the parts of a configuration, as Sections names them, that a reload applies.
func (c *Config) Reloadable() []string {
	out := []string{"mappings", "operators"}
	for name := range c.Backends {
		out = append(out, "backends."+name+".brakes")
	}
	return out
}

// lineOf returns the line that a warning or a recommendation begins with.
func lineOf(s string) (line int) {
	_, _ = fmt.Sscanf(s, "line %d:", &line) // 0 if it names none
	return line
}
