package bridge

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

const (
	// pollEvery is how often a replica looks for requests of other replicas and for a free lease.
	pollEvery = time.Second
	// announceEvery is how often a replica announces that it is alive.
	announceEvery = 5 * time.Second
)

// engine is the worker of a backend: one that always runs, or a candidate for the lease.
type engine interface {
	Run(ctx context.Context) error
	Health() (state, reason string)
	PausedUntil() time.Time
	Nudge()
	RulesChanged()
	Standby(on bool)
	StandsBy() bool
}

// served is a backend: what delivers to it, and what answers its operators.
type served struct {
	engine
	*desk.Desk
	vendor backend.Backend
}

// replicas is what a bridge knows of the replicas that share its store.
type replicas struct {
	shared store.Shared
	self   store.Replica
	clock  delivery.Clock
	known  atomic.Pointer[map[string]string] // id -> address
	reload string                            // the last request to reload that was seen
}

// reloadAsked returns the last request of a replica that all read their configuration again.
func reloadAsked(tx store.Tx) (string, error) {
	c, _, err := record.Get(tx, record.Command{Name: record.CommandReload})
	return c.Value, err
}

// join announces this process to the other replicas and learns the clock of the store.
func (b *Bridge) join(ctx context.Context) error {
	shared, ok := b.store.(store.Shared)
	if !ok {
		return nil
	}
	r := &replicas{shared: shared, self: store.Replica{ID: rand.Text(), Version: b.Version, Started: b.now().UTC()}}
	r.self.Address = consoleAddress(b.Config.Console.Listen)
	r.known.Store(&map[string]string{})
	if err := r.announce(ctx); err != nil {
		return err
	}
	err := b.store.View(ctx, func(tx store.Tx) (err error) {
		r.reload, err = reloadAsked(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("joining the other replicas: %w", err)
	}
	b.replicas = r
	return nil
}

// consoleAddress returns the address of a console as operators of several machines know it: a
// loopback address does not say which machine.
func consoleAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host != "" && host != "localhost" && (ip == nil || !ip.IsLoopback() && !ip.IsUnspecified()) {
		return listen
	}
	name, err := os.Hostname()
	if err != nil {
		return listen
	}
	return net.JoinHostPort(name, port)
}

// announce announces this replica and lists the others.
func (r *replicas) announce(ctx context.Context) error {
	if err := r.shared.Announce(ctx, r.self); err != nil {
		return fmt.Errorf("announcing this replica: %w", err)
	}
	asked := time.Now()
	all, err := r.shared.Replicas(ctx)
	if err != nil {
		return fmt.Errorf("listing the replicas: %w", err)
	}
	known := map[string]string{}
	for _, o := range all {
		known[o.ID] = o.Address
		if o.ID == r.self.ID {
			r.clock.Said(o.Now, asked)
		}
	}
	r.known.Store(&known)
	return nil
}

// who returns what operators know a replica by.
func (r *replicas) who(id string) string {
	if a := (*r.known.Load())[id]; a != "" {
		return a
	}
	return id
}

// clock returns the time of the store if replicas share one.
func (b *Bridge) clock() func() time.Time {
	if b.replicas == nil {
		return b.Now
	}
	return b.replicas.clock.Now
}

// engine returns what delivers to a backend.
func (b *Bridge) engine(name string, client backend.Backend, metrics *console.Metrics) engine {
	if b.replicas == nil {
		return b.worker(name, b.store, client, metrics).Init()
	}
	lease := time.Duration(b.Config.Store.Lease)
	return &delivery.Candidate{Name: name, Log: b.Log, Shared: b.replicas.shared, Owner: b.replicas.self.ID, Lease: lease, Poll: min(pollEvery, lease/5),
		Clock: &b.replicas.clock, Who: b.replicas.who, Term: func(s store.Store) *delivery.Worker {
			backend.Spend(b.vendors.limits[name]) // the previous leader may just have used it
			return b.worker(name, s, client, metrics)
		}}
}

// fingerprints are those of the rules of this replica, computed once for each set of rules.
type fingerprints struct {
	mu  sync.Mutex
	of  *mapping.Rules
	all map[string]string
}

// elsewhere lists the backends whose worker applies other rules than this process: a worker of
// another replica, or our own before a reload reached it.
func (f *fingerprints) elsewhere(tx store.Tx, rules *mapping.Rules, backends map[string]*config.Backend) (out []string) {
	ours := f.current(rules, backends)
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if theirs := memory.InForce(tx, name); theirs != "" && theirs != ours[name] {
			out = append(out, name)
		}
	}
	return out
}

func (f *fingerprints) current(rules *mapping.Rules, backends map[string]*config.Backend) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of != rules {
		f.of, f.all = rules, map[string]string{}
		for name := range backends {
			f.all[name] = rules.Fingerprint(name)
		}
	}
	return f.all
}

// follow does what other replicas ask, until it is stopped.
func (b *Bridge) follow() {
	if b.replicas == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	b.onStop("following the other replicas", func(context.Context) error {
		cancel()
		<-ended
		return nil
	})
	b.replicas.self.Address = consoleAddress(b.console.Addr().String())
	go func() {
		defer close(ended)
		b.replicas.follow(ctx, b.catchUp, b.Log)
	}()
}

// follow calls catchUp and announces this replica again and again until ctx ends.
func (r *replicas) follow(ctx context.Context, catchUp func(context.Context) error, log *slog.Logger) {
	var announced time.Time
	failing := false
	for ctx.Err() == nil {
		err := catchUp(ctx)
		if err == nil && time.Since(announced) >= announceEvery {
			announced = time.Now()
			err = r.announce(ctx)
		}
		if err != nil && !failing && ctx.Err() == nil {
			log.Warn("cannot read what other replicas ask; retrying", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// catchUp executes what an operator asked another replica.
func (b *Bridge) catchUp(ctx context.Context) error {
	var since, reload string
	err := b.store.View(ctx, func(tx store.Tx) (err error) {
		since = string(tx.Setting(restored))
		reload, err = reloadAsked(tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading what other replicas ask: %w", err)
	}
	for _, w := range b.workers {
		w.Standby(since != "")
	}
	b.reloading.Lock()
	defer b.reloading.Unlock()
	if reload == b.replicas.reload {
		return nil
	}
	rules, data, err := b.readRules("")
	if err != nil {
		b.replicas.reload = reload // until the next request: the file stays as it is
		b.Log.Error("a reload was requested, but this replica refuses its file; the rules in force stay", "error", err)
		return nil
	}
	if _, err := b.takeRules(ctx, rules, data, console.ReloadRequest{}); err != nil {
		return fmt.Errorf("taking the rules that another replica asked for: %w", err)
	}
	b.replicas.reload = reload
	return nil
}

// requestReload asks the other replicas to reload, too.
func (r *replicas) requestReload(ctx context.Context, s store.Store) error {
	if r == nil {
		return nil
	}
	word := rand.Text()
	err := s.Update(ctx, func(tx store.Tx) error {
		return record.Put(tx, record.Command{Name: record.CommandReload, Value: word})
	})
	if err != nil {
		return fmt.Errorf("the rules are in force here, but the other replicas could not be notified: %w", err)
	}
	r.reload = word
	return nil
}
