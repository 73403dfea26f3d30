package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/door"
	"github.com/scimbridge/scimbridge/store"
)

// grace is how long a stop may take altogether.
const grace = 10 * time.Second

// Bridge is one running instance: the SCIM listener, the console's, one worker per backend. Fields are set before
// Start.
type Bridge struct {
	Config *Config
	Log    *slog.Logger
	// LogDropped reads how many lines of the log were dropped; nil: none ever is.
	LogDropped func() float64
	Journal    func(backend string) backend.Journal // nil: none
	Version    string
	Path       string           // of the configuration, to read it again; "": it cannot be
	Now        func() time.Time // nil: time.Now
	// People and Roles exist at simulated vendors from the start. Without People everybody has an account there.
	People, Roles []string

	given     store.Store // in tests
	store     store.Store
	workers   map[string]engine
	replicas  *replicas // nil: the store is ours alone
	limits    map[string]*rate.Limiter
	rules     atomic.Pointer[mapping.Rules] // those in force
	printed   prints
	reloading sync.Mutex
	standIns  map[string]standIn
	notices   *notices
	uses      console.Uses
	ignored   console.Ignored
	omissions console.Omissions
	tokens    []console.Token // that are configured
	stops     []named         // run in reverse order by Stop
	errs      chan error
	scim      net.Listener
	console   net.Listener
}

type named struct {
	name string
	stop func(context.Context) error
}

// Start opens everything and returns once requests are accepted. On an error everything opened is closed again.
func (b *Bridge) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Stop())
		}
	}()
	b.errs = make(chan error, 8)
	s, err := b.open(ctx)
	if err != nil {
		return err
	}
	b.store = s
	b.onStop("store", func(context.Context) error { return s.Close() })
	if err := b.join(ctx); err != nil {
		return err
	}
	b.startSealer()
	rules, data, err := b.startRules()
	if err != nil {
		return err
	}
	if err := b.bindNames(ctx, rules); err != nil {
		return err
	}
	b.rules.Store(rules)
	if err := b.loaded(ctx, "start", "bridge", "", data); err != nil {
		return err
	}
	if err := b.warnOfOrphans(ctx); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(b.Config.Backends))
	metrics := console.NewMetrics(s, names)
	metrics.LogDropped(b.LogDropped)
	metrics.Providers(slices.Sorted(maps.Keys(b.Config.IdentityProviders)))
	b.watchOmissions(metrics)
	if err := b.startWorkers(names, metrics); err != nil {
		return err
	}
	credentials, err := b.credentials()
	if err != nil {
		return err
	}
	traffic := &console.Traffic{}
	reading, stop := context.WithCancel(context.Background())
	b.onStop("keys of identity providers", func(context.Context) error { stop(); return nil })
	signed, err := b.signed(reading)
	if err != nil {
		return err
	}
	issuer, err := b.issuer(ctx, reading)
	if err != nil {
		return err
	}
	if issuer != nil {
		signed = append(signed, issuer.Verifier())
	}
	b.tokens = listed(credentials, issuer)
	b.startNotices()
	handler := b.scimHandler(auth.Verifier{Credentials: credentials, Signed: signed, Now: b.Now, Used: b.used}, issuer, func(idp, method, resource string, code int) {
		metrics.Request(idp, method, resource, code)
		traffic.Note(idp, code, b.now())
	}, metrics)
	if err := b.serve(handler); err != nil {
		return err
	}
	key, err := operatorKey(b.Config.Store.keyFile())
	if err != nil {
		return err
	}
	c := &console.Console{Store: s, Metrics: metrics, Version: b.Version, Now: b.Now, Key: key, Plan: b.plan, Reload: b.reload,
		Traffic: traffic, Backup: b.Backup, Export: b.Export, BrokeOff: b.brokeOff, Resume: b.Resume, Rejected: b.notices.keyless,
		Ignored: &b.ignored, Omitted: &b.omissions, Grants: func(tx store.Tx, idp string, g store.Group) []delivery.GroupGrant {
			return delivery.GroupGrants(tx, b.rules.Load(), idp, g)
		}}
	for _, n := range names {
		c.Backends = append(c.Backends, console.Backend{Name: n, Kind: b.Config.Backends[n].Kind, Mode: b.Config.Backends[n].Mode, Engine: b.workers[n]})
	}
	c.Tokens, c.Signing = b.tokens, b.signing()
	if err := c.NoteTokens(ctx, b.now()); err != nil {
		return err
	}
	if b.replicas != nil {
		c.Shared, c.Self = b.replicas.shared, b.replicas.self.ID
	}
	if b.console, err = b.listen("console", b.Config.Console.Listen, nil, nil, c.Handler()); err != nil {
		return err
	}
	b.follow()
	return nil
}

// startRules compiles the mapping, with the lines that explanations name if there is a file.
func (b *Bridge) startRules() (*mapping.Rules, []byte, error) {
	if b.Path != "" {
		return b.readRules()
	}
	rules, err := b.Config.rules(nil)
	return rules, nil, err
}

// warnOfOrphans names what the store remembers and the configuration does not: grants under a backend that nobody serves any
// more stay at the vendor, and a directory that nobody can change any more goes on giving.
func (b *Bridge) warnOfOrphans(ctx context.Context) error {
	return b.store.View(ctx, func(tx store.Tx) error {
		for _, name := range tx.Backends() {
			if b.Config.Backends[name] != nil {
				continue
			}
			grants := 0
			for _, err := range tx.Ledger(name).Entries("", "") {
				if err != nil {
					return err
				}
				grants++
			}
			if grants > 0 {
				b.Log.Warn("the store has grants under a backend that is not configured; they stay as they are: configure it again, without rules, to have them revoked", "backend", name, "grants", grants)
			}
		}
		for _, idp := range tx.IdPs() {
			if _, ok := b.Config.IdentityProviders[idp]; !ok {
				b.Log.Warn("the store has the directory of an identity provider that is not configured; its groups go on giving: configure it again and delete them to end that", "idp", idp, "groups", tx.Directory(idp).GroupCount())
			}
		}
		return nil
	})
}

// startWorkers makes the client and the worker of each backend and sets the workers going. They are stopped
// after the listeners, so that what was answered is still marked and delivered, and before the store.
func (b *Bridge) startWorkers(names []string, metrics *console.Metrics) error {
	since, err := b.standsBy(context.Background())
	if err != nil {
		return err
	}
	if since != "" {
		b.Log.Warn("the store was put back from a copy: nothing is changed at any backend before `scimbridge resume`", "since", since)
	}
	b.workers, b.limits = map[string]engine{}, map[string]*rate.Limiter{}
	for _, n := range names {
		client, err := b.client(n, metrics)
		if err != nil {
			return fmt.Errorf("backend %s: %w", n, err)
		}
		b.workers[n] = b.engine(n, client, metrics)
		b.workers[n].Standby(since != "")
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for name, w := range b.workers {
		running.Go(func() {
			if err := w.Run(ctx); err != nil {
				b.errs <- fmt.Errorf("delivery to %s: %w", name, err)
			}
		})
	}
	b.onStop("delivery", func(limit context.Context) error {
		cancel()
		done := make(chan struct{})
		go func() { running.Wait(); close(done) }()
		select {
		case <-done:
			return nil
		case <-limit.Done():
			b.Log.Warn("a call to a backend has not been answered; it is read back after the next start")
			return nil
		}
	})
	return nil
}

// worker makes what delivers to a backend, but for Init.
func (b *Bridge) worker(name string, s store.Store, client backend.Backend, metrics *console.Metrics) *delivery.Worker {
	c := b.Config.Backends[name]
	w := &delivery.Worker{
		Name: name, Store: s, Backend: client, Rules: b.rules.Load,
		Match: c.Match, Mode: delivery.Mode(c.Mode), BatchSize: c.Batch.Size, BatchWait: time.Duration(c.Batch.Wait),
		RetryInitial: time.Duration(c.Retry.Initial), RetryMax: time.Duration(c.Retry.Max),
		CallTimeout: time.Duration(c.CallTimeout), Straggler: time.Duration(c.StragglerWindow),
		OwnAccount: c.OwnAccount, MaxRemovals: limit(c.MaxRemovals), MaxOffboardings: limit(c.MaxOffboardings),
		Invite: c.OnMissingUser != "wait", Offboard: c.OnDeactivate != "remove_roles",
		ResyncEvery: time.Duration(c.ResyncEvery), AccountCache: time.Duration(c.AccountCache), Log: b.Log, Delivered: metrics.Delivered,
		Drift: func(kind string) { metrics.Drift(name, kind) }, Repaired: func() { metrics.Repaired(name) }, Now: b.clock(),
	}
	for _, p := range c.Protect {
		w.Protect = append(w.Protect, backend.Fold(p))
	}
	return w
}

func limit(l RemovalsLimit) delivery.Limit {
	return delivery.Limit{Count: l.Count, Percent: l.Percent, Window: time.Duration(l.Window)}
}

// credentials are the tokens of the identity providers.
func (b *Bridge) credentials() ([]auth.Credential, error) {
	var all []auth.Credential
	for _, name := range slices.Sorted(maps.Keys(b.Config.IdentityProviders)) {
		some, err := credentials(name, b.Config.IdentityProviders[name].Tokens)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// used notes when a credential was last accepted.
func (b *Bridge) used(who auth.Identity) { b.uses.Note(who.IdP, who.Token, b.now()) }

// listed are the credentials that the configuration names: tokens, and the secrets of clients, which go with the client.
func listed(credentials []auth.Credential, issuer *auth.Issuer) []console.Token {
	var all []console.Token
	for _, c := range credentials {
		all = append(all, console.Token{IdP: c.IdP, Token: c.Name(), Expires: c.Expires})
	}
	if issuer == nil {
		return all
	}
	for _, c := range issuer.Clients {
		all = append(all, console.Token{IdP: c.IdP, Token: c.Name(), Expires: c.Expires()})
	}
	return all
}

// signing are the identity providers that sign tokens.
func (b *Bridge) signing() (names []string) {
	for name, c := range b.Config.IdentityProviders {
		if c.JWT.configured() {
			names = append(names, name)
		}
	}
	return names
}

func credentials(idp string, tokens []TokenConfig) ([]auth.Credential, error) {
	var all []auth.Credential
	for _, t := range tokens {
		value, err := t.Secret.Value()
		if err != nil {
			return nil, fmt.Errorf("identity provider %s: %w", idp, err)
		}
		c, err := auth.Parse(idp, value.Reveal())
		if err != nil {
			return nil, fmt.Errorf("identity provider %s: %w", idp, err)
		}
		c.Expires = t.Expires
		all = append(all, c)
	}
	return all, nil
}

func (b *Bridge) scimHandler(verifier auth.Verifier, issuer *auth.Issuer, observed func(idp, method, resource string, code int), metrics *console.Metrics) http.Handler {
	public := b.Config.Server.PublicURL
	if public == "" {
		public = b.Config.Server.scheme() + b.Config.Server.Listen + "/scim/v2"
	}
	s := &scim.Server{
		Store: b.store, Auth: verifier, PublicURL: public, Log: b.Log, Now: b.clock(), Observed: observed, Rejected: b.notices.rejected,
		BodyMemory: int64(b.Config.Server.BodyMemory),
		Schemes:    b.schemes(),
		Rules:      rulesInForce{b},
		Ignored: func(idp, resource string, attributes []string) {
			metrics.IgnoredAttributes(idp, resource, len(attributes))
			b.ignored.Note(idp, attributes)
		},
		ClearsMembers: b.clearsMembers,
		PutMembers:    b.omissions.Put,
		Nudge: func(name string) {
			if w := b.workers[name]; w != nil {
				w.Nudge()
			}
		},
	}
	if issuer != nil {
		issuer.Issued, issuer.Admit = b.notices.issued, b.admitted
		issuer.Rejected = func(r *http.Request, why *auth.Refusal) {
			b.notices.rejected(r, why)
			door.Of(r).Failed(r.Context())
		}
		s.Tokens = issuer
	}
	return s.Handler()
}

// Wait returns when ctx ends (nil) or something fails for good: the store, a listener, a worker.
func (b *Bridge) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-b.store.Failed():
		return fmt.Errorf("the store failed and nothing more can be accepted: %w", store.ErrPoisoned)
	case err := <-b.errs:
		return err
	}
}

// Stop ends in the reverse order of the start: no new requests, those accepted are answered, deliveries end their
// call, the store closes. It is idempotent and takes at most ten seconds.
func (b *Bridge) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), grace-2*time.Second)
	defer cancel()
	var errs []error
	for _, s := range slices.Backward(b.stops) {
		if err := s.stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", s.name, err))
		}
	}
	b.stops = nil
	return errors.Join(errs...)
}

func (b *Bridge) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

func (b *Bridge) onStop(name string, stop func(context.Context) error) {
	b.stops = append(b.stops, named{name, stop})
}

// URL is where SCIM is served on this machine.
func (b *Bridge) URL() string { return b.Config.Server.scheme() + b.scim.Addr().String() + "/scim/v2" }

// ConsoleURL is where the console is served.
func (b *Bridge) ConsoleURL() string { return "http://" + b.console.Addr().String() }
