package bridge

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
)

// Bridge is one running server: the SCIM listener, the console, one worker per backend. Fields are
// set before Start.
type Bridge struct {
	Config *config.Config
	Log    *slog.Logger
	// LogDropped returns how many lines of the log were dropped; nil: none ever are.
	LogDropped func() float64
	Journal    func(backend string) backend.Journal // nil: none
	Version    string
	Path       string           // of the configuration, for reloads; "": there is no file
	Now        func() time.Time // nil: time.Now
	// People and Roles exist at simulated vendors from the start. Without People every user has an
	// account there.
	People, Roles []string

	given     store.Store // in tests
	store     store.Store
	workers   map[string]served
	file      fileState
	replicas  *replicas              // nil: no other server shares the store
	policy    atomic.Pointer[policy] // in force
	operators atomic.Pointer[auth.Operators]
	printed   fingerprints
	reloading sync.Mutex
	vendors   *vendors
	notices   *notices
	ignored   console.Ignored
	omissions console.Omissions
	stops     []named // run in reverse order by Stop
	errs      chan error
	scim      net.Listener
	console   net.Listener
}

// Start opens everything and returns once requests are accepted. After an error everything is
// closed again.
func (b *Bridge) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Stop())
		}
	}()
	b.errs = make(chan error, 8)
	if err := b.bind(); err != nil {
		return err
	}
	s := b.given
	if s == nil {
		if s, err = OpenStore(ctx, b.Config.Store); err != nil {
			return err
		}
	}
	b.store = s
	b.onStop("store", func(context.Context) error { return s.Close() })
	if err := b.join(ctx); err != nil {
		return err
	}
	b.startSealer()
	rules, data, err := startRules(b)
	if err != nil {
		return err
	}
	if err := b.bindNames(ctx, rules); err != nil {
		return err
	}
	first := newPolicy(rules, b.Config.Backends)
	first.approvals = b.Config.Operators.Approvals
	b.policy.Store(first)
	b.file.path, b.file.kinds = b.Path, b.Config.Kinds
	b.file.took(data)
	if err := b.loaded(ctx, store.Event{Actor: "bridge", Detail: "start"}, data); err != nil {
		return err
	}
	if err := b.warnOfOrphans(ctx); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(b.Config.Backends))
	metrics := console.NewMetrics(s, names)
	metrics.LogDropped(b.LogDropped)
	metrics.ConfigFile(b.file.now)
	metrics.Providers(slices.Sorted(maps.Keys(b.Config.IdentityProviders)))
	b.watchOmissions(metrics)
	if err := b.startWorkers(names, metrics); err != nil {
		return err
	}
	who := b.identities()
	credentials, err := who.credentials()
	if err != nil {
		return err
	}
	traffic := &console.Traffic{}
	reading, stop := context.WithCancel(context.Background())
	b.onStop("keys of identity providers", func(context.Context) error { stop(); return nil })
	signed, err := who.signed(reading)
	if err != nil {
		return err
	}
	issuer, err := who.issuer(ctx, reading)
	if err != nil {
		return err
	}
	if issuer != nil {
		signed = append(signed, issuer.Verifier())
	}
	tokens := listed(credentials, issuer)
	b.notices = &notices{now: b.now, log: b.Log, tokens: tokens}
	b.onStop("notes", b.notices.start(s))
	handler := b.scimHandler(auth.Verifier{Credentials: credentials, Signed: signed, Now: b.Now, Used: b.notices.used}, issuer, func(idp, method, resource string, code int) {
		metrics.Request(idp, method, resource, code)
		traffic.Note(idp, code, b.now())
	}, metrics)
	if err := b.serve(handler); err != nil {
		return err
	}
	operators, err := b.Config.Operators.List()
	if err != nil {
		return err
	}
	b.operators.Store(&operators)
	key, err := operatorKey(b.Config.Store.OperatorKeyFile())
	if err != nil {
		return err
	}
	c := &console.Console{Store: s, Metrics: metrics, Version: b.Version, Now: b.Now, Key: key, Plan: b.plan, Live: liveReports(b), Reload: b.Reload,
		Traffic: traffic, Uses: &b.notices.uses, Backup: b.Backup, Export: b.Export, BrokeOff: b.brokeOff, Resume: b.Resume, Rejected: b.notices.rejectedOperator, Operators: func() auth.Operators { return *b.operators.Load() }, Access: func() *access.Source { return reportSource(b) },
		Ignored: &b.ignored, Omitted: &b.omissions, Approvals: func() int { return b.policy.Load().approvals }, Exposed: func() []string { return b.Config.Exposures(b.now()) }, Grants: func(tx store.Tx, idp string, g store.Group) []desk.GroupGrant {
			return desk.GroupGrants(tx, b.policy.Load().rules, idp, g)
		}}
	for _, n := range names {
		c.Backends = append(c.Backends, console.Backend{Name: n, Kind: b.Config.Backends[n].Kind, Mode: func() string { return b.policy.Load().backends[n].Mode }, Engine: b.workers[n]})
	}
	c.Tokens, c.Signing = tokens, signing(b.Config)
	if err := c.NoteTokens(ctx, b.now()); err != nil {
		return err
	}
	if b.replicas != nil {
		c.Shared, c.Self = b.replicas.shared, b.replicas.self.ID
	}
	guard, err := consoleIngress(b.Config)
	if err != nil {
		return err
	}
	if err := startNotify(b, c); err != nil {
		return err
	}
	b.accept("console", b.console, nil, nil, guard.Handler(c.Handler()))
	b.follow()
	return nil
}

// startRules compiles the rules, with their lines if there is a file.
func startRules(b *Bridge) (*mapping.Rules, []byte, error) {
	if b.Path != "" {
		return b.readRules("")
	}
	rules, err := b.Config.Rules()
	return rules, nil, err
}

func (b *Bridge) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

// URL is where SCIM is served on this machine.
func (b *Bridge) URL() string { return b.Config.Server.Scheme() + b.scim.Addr().String() + "/scim/v2" }

// ConsoleURL is where the console is served.
func (b *Bridge) ConsoleURL() string { return "http://" + b.console.Addr().String() }

// Pending counts the changes that are not delivered yet, over all backends.
func (b *Bridge) Pending(ctx context.Context) (n int, err error) {
	err = b.store.View(ctx, func(tx store.Tx) error {
		n = 0
		for name := range b.Config.Backends {
			pending, _, _ := tx.Work(name).Counts()
			n += pending
		}
		return nil
	})
	return n, err
}
