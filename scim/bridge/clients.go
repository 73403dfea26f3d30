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
	"github.com/scimbridge/scimbridge/scim/config"
)

// vendors makes the clients of backends, and runs the simulated vendors.
type vendors struct {
	config        *config.Config
	now           func() time.Time
	journal       func(backend string) backend.Journal // nil: none
	people, roles []string                             // at simulated vendors
	counted       func(backend, operation, outcome string)
	onStop        func(name string, stop func(context.Context) error)
	errs          chan<- error

	limits    map[string]*rate.Limiter
	simulated map[string]backend.Simulator
}

func newVendors(c *config.Config) *vendors {
	return &vendors{config: c, counted: func(string, string, string) {}, limits: map[string]*rate.Limiter{}, simulated: map[string]backend.Simulator{}}
}

// Connect makes the client of a backend that is not simulated. It does not call the vendor.
func Connect(c *config.Config, name string) (backend.Backend, error) {
	return newVendors(c).client(name)
}

// client makes the client of a backend. With `url: simulated` it starts the simulated vendor that the
// client calls, over real HTTP on loopback.
func (v *vendors) client(name string) (backend.Backend, error) {
	c := v.config.Backends[name]
	kind, known := v.config.Kinds[c.Kind]
	if !known {
		return nil, fmt.Errorf("%q is not a kind of vendor", c.Kind)
	}
	settings, err := c.Settings()
	if err != nil {
		return nil, err
	}
	if settings.Caller, err = v.caller(name); err != nil {
		return nil, err
	}
	if !c.Simulated() {
		return kind.New(settings)
	}
	if v.onStop == nil {
		return nil, errors.New("a simulated vendor needs a running bridge")
	}
	vendor := kind.Simulate(settings, v.simulation(name))
	if settings.URL, err = v.simulate(name, vendor); err != nil {
		return nil, err
	}
	for _, key := range kind.Credentials[0] {
		settings.Secrets[key] = backend.NewSecret("simulated")
	}
	client, err := kind.New(settings)
	if err == nil && v.people == nil {
		client = autoProvision{Backend: client, vendor: vendor}
	}
	return client, err
}

// caller returns the HTTP side of a client.
func (v *vendors) caller(name string) (backend.Caller, error) {
	c := v.config.Backends[name]
	perTime, err := backend.ParseRate(c.RateLimit)
	if err != nil {
		return backend.Caller{}, err
	}
	way, err := c.Connection()
	if err != nil {
		return backend.Caller{}, err
	}
	limiter := perTime.Limiter()
	v.limits[name] = limiter
	caller := backend.Caller{URL: c.URL, Limiter: limiter, Now: v.now, Timeout: time.Duration(c.CallTimeout), Transport: way.Transport(),
		Counted: func(operation, outcome string) { v.counted(name, operation, outcome) }}
	if v.journal != nil {
		caller.Journal = v.journal(name)
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
func (v *vendors) simulation(name string) backend.Simulation {
	s := v.config.Backends[name].Simulation()
	if rules, err := v.config.Rules(); err == nil {
		s.Targets = append(rules.FixedTargets(name), v.roles...)
	}
	return s
}

// simulate starts a simulated vendor that knows the people and stops with the bridge.
func (v *vendors) simulate(name string, s backend.Simulator) (url string, err error) {
	for _, p := range v.people {
		s.AddPerson(p)
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("starting the simulated vendor: %w", err)
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			v.errs <- fmt.Errorf("simulated %s: %w", name, err)
		}
	}()
	v.onStop("simulated "+name, srv.Shutdown)
	v.simulated[name] = s
	return "http://" + l.Addr().String(), nil
}

// SimulatedRoles lists the roles of an address at all simulated vendors: "backend target role".
func (b *Bridge) SimulatedRoles(person string) []string {
	out := []string{}
	for name, s := range b.vendors.simulated {
		for _, r := range s.Roles(person) {
			out = append(out, name+" "+r)
		}
	}
	slices.Sort(out)
	return out
}
