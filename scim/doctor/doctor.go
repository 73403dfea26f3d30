package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/examine"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
)

// Diagnosis is a finding about one part of the installation.
type Diagnosis struct {
	About string `json:"about"`
	examine.Finding
	Rules []string `json:"rules,omitempty"` // those that name the target: "line 12: mappings.3"
}

// Server is what the doctor asks a running server.
type Server interface {
	// Plan returns the plan under the mappings of a proposed file.
	Plan(ctx context.Context, file string, proposed []byte) ([]desk.Preview, error)
	Status(ctx context.Context) (console.Status, error)
}

// Options of Run.
type Options struct {
	File       string // the configuration
	Kinds      map[string]backend.Kind
	CanaryRole string                 // a Risk Cloud role on which to try an update; "": none
	Server     func() (Server, error) // connects to the running server
	Show       func(Diagnosis) error  // gets each diagnosis as it is found; nil: none
}

// Run examines the installation. Its error is about the examination: a configuration with mistakes,
// or a failure to show a diagnosis.
func Run(ctx context.Context, o Options) ([]Diagnosis, error) {
	d := &examination{Options: o}
	if err := d.load(); err != nil {
		return nil, err
	}
	d.machine(ctx)
	d.backends(ctx)
	return d.all, d.err
}

// Problems counts the diagnoses that need a remedy.
func Problems(all []Diagnosis) int {
	n := 0
	for _, one := range all {
		if one.Level == examine.Problem {
			n++
		}
	}
	return n
}

type examination struct {
	Options
	config *config.Config
	rules  *mapping.Rules // with their lines; nil until they are read
	all    []Diagnosis
	err    error
}

// load reads the configuration. A secret that cannot be read is a diagnosis; the rest is still
// examined.
func (d *examination) load() error {
	c, absent, warnings, err := config.LoadWithoutSecrets(d.File, d.Kinds)
	if err != nil {
		return err
	}
	d.config = c
	for _, problem := range absent {
		d.say("configuration", bad(problem, remedyFor(problem)))
	}
	for _, w := range slices.Concat(warnings, c.Recommendations()) {
		d.say("configuration", examine.Finding{Level: examine.Note, What: w})
	}
	return nil
}

// remedyFor returns what to do about a secret or a certificate that cannot be used here.
func remedyFor(problem string) string {
	if strings.Contains(problem, ": server.tls.") {
		return "see that cert_file and key_file are there, can be read by this user and belong together; `scimbridge serve` does not start before"
	}
	return "give it to `scimbridge serve`, which does not start without it, and to the doctor"
}

// untried returns the finding about a part that needs a secret that cannot be read.
func untried(err error) examine.Finding {
	return examine.Finding{Level: examine.Note, What: "not tried: " + err.Error()}
}

func (d *examination) say(about string, findings ...examine.Finding) {
	for _, f := range findings {
		one := Diagnosis{About: about, Finding: f, Rules: d.naming(about, f.Target)}
		d.all = append(d.all, one)
		if d.Show != nil {
			d.err = errors.Join(d.err, d.Show(one))
		}
	}
}

// naming lists the rules that name a target of a backend outright.
func (d *examination) naming(name, target string) []string {
	if d.rules == nil || target == "" {
		return nil
	}
	var out []string
	for _, r := range d.rules.Naming(mapping.Target{Backend: name, Target: target}) {
		out = append(out, fmt.Sprintf("line %d: mappings.%d", r.Line, r.Index))
	}
	return out
}

func fine(format string, args ...any) examine.Finding {
	return examine.Finding{Level: examine.Fine, What: fmt.Sprintf(format, args...)}
}

func bad(what, remedy string) examine.Finding {
	return examine.Finding{Level: examine.Problem, What: what, Remedy: remedy}
}
