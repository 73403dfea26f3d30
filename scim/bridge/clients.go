package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/console"
)

// Client makes the client of a backend. With `url: simulated` it starts the simulated vendor that the
// client calls, over real HTTP on loopback.
func (b *Bridge) Client(name string, metrics *console.Metrics) (backend.Backend, error) {
	c := b.Config.Backends[name]
	kind, known := b.Config.Kinds[c.Kind]
	if !known {
		return nil, fmt.Errorf("%q is not a kind of vendor", c.Kind)
	}
	settings, err := c.Settings()
	if err != nil {
		return nil, err
	}
	if settings.Caller, err = b.caller(name, metrics); err != nil {
		return nil, err
	}
	if !c.Simulated() {
		return kind.New(settings)
	}
	vendor := kind.Simulate(settings, b.simulation(name))
	if settings.URL, err = b.simulate(name, vendor); err != nil {
		return nil, err
	}
	for _, key := range kind.Credentials[0] {
		settings.Secrets[key] = backend.NewSecret("simulated")
	}
	client, err := kind.New(settings)
	if err == nil && b.People == nil {
		client = autoProvision{Backend: client, vendor: vendor}
	}
	return client, err
}

// caller returns the HTTP side of a client.
func (b *Bridge) caller(name string, metrics *console.Metrics) (backend.Caller, error) {
	c := b.Config.Backends[name]
	perTime, err := backend.ParseRate(c.RateLimit)
	if err != nil {
		return backend.Caller{}, err
	}
	way, err := c.Outgoing.Read()
	if err != nil {
		return backend.Caller{}, err
	}
	limiter := perTime.Limiter()
	if b.limits == nil {
		b.limits = map[string]*rate.Limiter{}
	}
	b.limits[name] = limiter
	caller := backend.Caller{URL: c.URL, Limiter: limiter, Now: b.clock(), Timeout: time.Duration(c.CallTimeout), Transport: way.Transport(),
		Counted: func(operation, outcome string) { metrics.Call(name, operation, outcome) }}
	if b.Journal != nil {
		caller.Journal = b.Journal(name)
	}
	return caller, nil
}

// autoProvision is the client of a simulated vendor at which every user has an account and every
// target exists, so that a bridge can be tried without making them first.
type autoProvision struct {
	backend.Backend
	vendor backend.Simulator
}

// Resolve makes the missing accounts and then asks the vendor.
func (o autoProvision) Resolve(ctx context.Context, target string, keys []string) (map[string]backend.Account, error) {
	for _, k := range keys {
		o.vendor.AddPerson(k)
	}
	return o.Backend.Resolve(ctx, target, keys)
}

// Observe makes the target and then reads it.
func (o autoProvision) Observe(ctx context.Context, target string) (backend.Observation, error) {
	o.vendor.AddTarget(target)
	return o.Backend.Observe(ctx, target)
}

// Apply also makes the accounts that the simulated vendor of an earlier process had.
func (o autoProvision) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	o.vendor.AddTarget(d.Target)
	for _, c := range d.Changes {
		o.vendor.AddPerson(c.Account.Key)
	}
	return o.Backend.Apply(ctx, d)
}

// simulation returns how the simulated vendor of a backend behaves, with the targets that rules name.
func (b *Bridge) simulation(name string) backend.Simulation {
	s := b.Config.Backends[name].Simulation()
	if rules, err := b.Config.Rules(); err == nil {
		s.Targets = append(rules.FixedTargets(name), b.Roles...)
	}
	return s
}

// simulate starts a simulated vendor that knows b.People and stops with the bridge.
func (b *Bridge) simulate(name string, s backend.Simulator) (url string, err error) {
	for _, p := range b.People {
		s.AddPerson(p)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("starting the simulated vendor: %w", err)
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			b.errs <- fmt.Errorf("simulated %s: %w", name, err)
		}
	}()
	b.onStop("simulated "+name, srv.Shutdown)
	if b.simulated == nil {
		b.simulated = map[string]backend.Simulator{}
	}
	b.simulated[name] = s
	return "http://" + l.Addr().String(), nil
}

// SimulatedRoles lists the roles of an address at all simulated vendors: "backend target role".
func (b *Bridge) SimulatedRoles(person string) []string {
	out := []string{}
	for name, s := range b.simulated {
		for _, r := range s.Roles(person) {
			out = append(out, name+" "+r)
		}
	}
	slices.Sort(out)
	return out
}
