package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/riskcloud"
	rcsimulator "github.com/scimbridge/scimbridge/backend/riskcloud/simulator"
	"github.com/scimbridge/scimbridge/backend/virustotal"
	vtsimulator "github.com/scimbridge/scimbridge/backend/virustotal/simulator"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
)

// standIn is a simulated vendor as the demo sees it.
type standIn interface {
	http.Handler
	AddPerson(email string) (id string)
	AddTarget(id string)
	Roles(email string) []string
}

// Client makes the client of a backend, and for `url: simulated` the stand-in it talks to, over real HTTP on loopback.
func (b *Bridge) Client(name string, metrics *console.Metrics) (backend.Backend, error) {
	c := b.Config.Backends[name]
	perTime, err := backend.ParseRate(c.RateLimit)
	if err != nil {
		return nil, err
	}
	way, err := c.Outgoing.Read()
	if err != nil {
		return nil, err
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
	secrets := map[string]backend.Secret{}
	for key, s := range map[string]config.Secret{"api_key": c.APIKey, "client_id": c.ClientID, "client_secret": c.ClientSecret, "token": c.Token} {
		if s.IsZero() {
			continue
		}
		v, err := s.Value()
		if err != nil && !c.Simulated() {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		secrets[key] = v
	}
	if c.Simulated() {
		if caller.URL, err = b.simulate(name, c); err != nil {
			return nil, err
		}
		whatever := backend.NewSecret("simulated")
		secrets = map[string]backend.Secret{"api_key": whatever, "client_id": whatever, "client_secret": whatever}
	}
	var client backend.Backend
	if c.Kind == "virustotal" {
		client, err = virustotal.New(virustotal.Config{Caller: caller, APIKey: secrets["api_key"]})
	} else {
		client, err = riskcloud.New(riskcloud.Config{Caller: caller, ClientID: secrets["client_id"], ClientSecret: secrets["client_secret"],
			Token: secrets["token"], UpdateMethod: c.UpdateRole.Method, UpdatePath: c.UpdateRole.Path})
	}
	if err == nil && c.Simulated() && b.People == nil {
		client = openHouse{Backend: client, vendor: b.standIns[name]}
	}
	return client, err
}

// openHouse is a simulated vendor at which everybody who is looked for has an account and every target exists, so that
// one can try the bridge without making them first.
type openHouse struct {
	backend.Backend
	vendor standIn
}

// Resolve makes the accounts that are missing and then asks the vendor.
func (o openHouse) Resolve(ctx context.Context, target string, keys []string) (map[string]backend.Account, error) {
	for _, k := range keys {
		o.vendor.AddPerson(k)
	}
	return o.Backend.Resolve(ctx, target, keys)
}

// Observe reads a target, which exists from then on.
func (o openHouse) Observe(ctx context.Context, target string) (backend.Observation, error) {
	o.vendor.AddTarget(target)
	return o.Backend.Observe(ctx, target)
}

// Apply makes also the accounts that an earlier process, whose stand-in is gone, found.
func (o openHouse) Apply(ctx context.Context, d backend.Delta) ([]backend.Outcome, error) {
	o.vendor.AddTarget(d.Target)
	for _, c := range d.Changes {
		o.vendor.AddPerson(c.Account.Key)
	}
	return o.Backend.Apply(ctx, d)
}

// simulate starts a stand-in that knows b.People and stops with the bridge.
func (b *Bridge) simulate(name string, c *config.Backend) (string, error) {
	_, profile, _ := strings.Cut(c.URL, ":")
	var s standIn
	if c.Kind == "virustotal" {
		s = vtsimulator.New(vtsimulator.Options{Profile: profile, AnyGroup: true})
	} else {
		rc := rcsimulator.New(rcsimulator.Options{Profile: profile, UpdateMethod: c.UpdateRole.Method, UpdatePath: c.UpdateRole.Path})
		for _, target := range b.simulatedTargets(name) {
			rc.AddTarget(target)
		}
		s = rc
	}
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
	if b.standIns == nil {
		b.standIns = map[string]standIn{}
	}
	b.standIns[name] = s
	return "http://" + l.Addr().String(), nil
}

// simulatedTargets are the roles that a simulated Risk Cloud has from the start: those the rules name.
func (b *Bridge) simulatedTargets(name string) []string {
	rules, err := b.Config.Rules()
	if err != nil {
		return nil
	}
	return append(rules.FixedTargets(name), b.Roles...)
}

// SimulatedRoles lists what a person holds at all simulated vendors: "backend target role".
func (b *Bridge) SimulatedRoles(person string) []string {
	out := []string{}
	for name, s := range b.standIns {
		for _, r := range s.Roles(person) {
			out = append(out, name+" "+r)
		}
	}
	slices.Sort(out)
	return out
}
