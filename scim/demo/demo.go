package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
)

// Options of Run.
type Options struct {
	Out, Err io.Writer
	Version  string
	Exit     bool // end after the last scene instead of serving until ctx ends
}

// Run sends what Okta and Entra really send to a bridge with simulated backends, and shows the calls
// and the roles that follow. It fails if the roles are wrong at the end.
func Run(ctx context.Context, o Options) error {
	d := &demo{Options: o, ids: map[string]string{}}
	return d.run(ctx)
}

type demo struct {
	Options
	bridge *bridge.Bridge
	tokens map[string]string
	ids    map[string]string // names of the script -> ids that the server gave

	mu    sync.Mutex
	calls []string
}

func (d *demo) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "scimbridge-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := d.start(ctx, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.bridge.Stop()) }()
	d.introduce()
	for i, s := range script {
		if err := d.play(ctx, i+1, s); err != nil {
			return err
		}
	}
	if err := d.finish(); err != nil || d.Exit {
		return err
	}
	d.printf("\nStill serving. Ctrl-C ends the demo and deletes its store.\n  SCIM     %s\n  token    %s   (as Okta)\n  console  %s\n",
		d.bridge.URL(), d.tokens["okta"], d.bridge.ConsoleURL())
	return d.bridge.Wait(ctx)
}

func (d *demo) printf(format string, args ...any) { fmt.Fprintf(d.Out, format, args...) }

func (d *demo) start(ctx context.Context, dir string) error {
	d.tokens = map[string]string{}
	idps := map[string]config.IdentityProvider{}
	for _, idp := range []string{"okta", "entra"} {
		token, hash, err := auth.NewToken(rand.Reader)
		if err != nil {
			return fmt.Errorf("making a token: %w", err)
		}
		d.tokens[idp] = token
		idps[idp] = config.IdentityProvider{Tokens: []config.Token{{Secret: config.NewSecret(hash)}}}
	}
	simulated := func(kind string) *config.Backend {
		c := config.DefaultBackend()
		c.Kind, c.URL, c.Mode, c.RateLimit, c.Batch.Wait = kind, "simulated", "sync", "50/s", config.Duration(300*time.Millisecond)
		c.CallTimeout, c.StragglerWindow = config.Duration(5*time.Second), config.Duration(10*time.Second)
		return &c
	}
	d.bridge = &bridge.Bridge{
		Config: &config.Config{
			Server: config.Server{Listen: "127.0.0.1:0"}, Console: config.Console{Listen: "127.0.0.1:0"},
			Store:             config.Store{Driver: "bolt", Path: filepath.Join(dir, "scimbridge.db")},
			IdentityProviders: idps,
			Backends:          map[string]*config.Backend{"virustotal": simulated("virustotal"), "riskcloud": simulated("riskcloud")},
			Kinds:             bridge.Kinds(),
			Mappings:          rules,
		},
		Log:     slog.New(slog.NewTextHandler(d.Err, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Journal: d.journal, Version: d.Version, People: people, Roles: []string{"approver"},
	}
	return d.bridge.Start(ctx)
}

// journal keeps the calls that change something, as one line each.
func (d *demo) journal(name string) backend.Journal {
	return backend.Journal{Sent: func(_ time.Time, method, path string, body []byte) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls = append(d.calls, fmt.Sprintf("%s  %s %s\n             %s", name, method, path, d.readable(body)))
	}}
}

// readable returns a body without white space.
func (d *demo) readable(body []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, body) != nil {
		return string(body)
	}
	return b.String()
}

func (d *demo) introduce() {
	d.printf(`Scimbridge turns "who is in which group" (Okta, Entra ID) into "who has which role" (VirusTotal, Risk Cloud).

   Okta, Entra ──SCIM──▶ scimbridge ──▶ VirusTotal   add_roles / remove_roles
                                    └──▶ Risk Cloud   usersToAdd / usersToRemove

Rules of this demo:
`)
	for _, m := range rules {
		name := "group " + strings.Join(m.Group, ", ")
		if m.Match != "" {
			name = "groups like " + m.Match
		}
		d.printf("   %-40s ─▶ %s %s %s\n", name, m.Backend, m.Target, strings.Join(m.Roles, ", "))
	}
	d.printf("\nBoth backends are simulated on this machine, over real HTTP. What follows are requests as Okta and Entra send them.\n")
}

// play sends the requests of one scene, waits until everything is delivered, and shows calls and roles.
func (d *demo) play(ctx context.Context, n int, s scene) error {
	d.printf("\n%d. %s\n", n, s.title)
	for _, r := range s.requests {
		if err := d.send(ctx, r); err != nil {
			return err
		}
	}
	if err := d.settled(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	calls := d.calls
	d.calls = nil
	d.mu.Unlock()
	for _, c := range calls {
		d.printf("   call  ─▶  %s\n", c)
	}
	if len(calls) == 0 {
		d.printf("   call      none needed\n")
	}
	for _, p := range s.show {
		d.printf("   now       %-22s %s\n", p, d.rolesLine(p))
	}
	return nil
}

// send makes one request as the identity provider and remembers the id of what it created.
func (d *demo) send(ctx context.Context, r request) error {
	body := d.fill(r.body)
	req, err := http.NewRequestWithContext(ctx, r.method, d.bridge.URL()+d.fill(r.path), strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+d.tokens[r.idp])
	req.Header.Set("Content-Type", "application/scim+json")
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("demo: %s %s: %w", r.method, r.path, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("demo: %s %s: %w", r.method, r.path, err)
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("demo: %s %s was answered %d: %s", r.method, r.path, res.StatusCode, answer)
	}
	d.printf("   %-5s ─▶  %s %s  (%d)\n", r.idp, r.method, r.path, res.StatusCode)
	if !r.quiet {
		d.printf("             %s\n", d.unfill(d.readable([]byte(body))))
	}
	if r.as == "" {
		return nil
	}
	var created struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &created); err != nil || created.ID == "" {
		return fmt.Errorf("demo: %s %s answered without an id", r.method, r.path)
	}
	d.ids[r.as] = created.ID
	return nil
}

func (d *demo) fill(s string) string {
	for name, id := range d.ids {
		s = strings.ReplaceAll(s, "{"+name+"}", id)
	}
	return s
}

// unfill replaces ids by names, so that the output is readable.
func (d *demo) unfill(s string) string {
	for name, id := range d.ids {
		s = strings.ReplaceAll(s, id, "{"+name+"}")
	}
	return s
}

// settled waits until no backend has anything pending.
func (d *demo) settled(ctx context.Context) error {
	limit := time.Now().Add(20 * time.Second)
	for {
		left, err := d.bridge.Pending(ctx)
		if err != nil || left == 0 {
			return err
		}
		if time.Now().After(limit) {
			return fmt.Errorf("demo: %d change(s) are still not delivered after 20 s", left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *demo) rolesLine(person string) string {
	roles := d.bridge.SimulatedRoles(person)
	if len(roles) == 0 {
		return "no role"
	}
	return strings.Join(roles, ", ")
}

// finish compares the roles at the simulated vendors with the expected ones.
func (d *demo) finish() error {
	d.printf("\nWho has which role now, read from the simulated vendors:\n")
	var wrong []string
	for _, p := range people {
		got, want := d.bridge.SimulatedRoles(p), slices.Clone(expected[p])
		slices.Sort(want)
		mark := "as it must be"
		if !slices.Equal(got, want) {
			mark = "WRONG, must be: " + strings.Join(want, ", ")
			wrong = append(wrong, p)
		}
		d.printf("   %-22s %-62s %s\n", p, d.rolesLine(p), mark)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("demo: the roles of %s are not what they must be", strings.Join(wrong, ", "))
	}
	return nil
}
