package bridge

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
)

const (
	// lookEvery is how often a replica looks for what another has left it to do, and for a lease that nobody has.
	lookEvery = time.Second
	// announceEvery is how often a replica says that it lives.
	announceEvery = 5 * time.Second
)

// engine is the worker of a backend: one that always runs, or a candidate for the lease.
type engine interface {
	console.Engine
	Run(ctx context.Context) error
	Nudge()
	RulesChanged()
	Standby(on bool)
	Preview(ctx context.Context, rules *mapping.Rules) (delivery.Preview, error)
}

// replicas is what a bridge knows of those that share its store.
type replicas struct {
	shared store.Shared
	self   store.Replica
	clock  delivery.Clock
	known  atomic.Pointer[map[string]string] // id -> address
	reload string                            // the request to read the configuration again that was seen last
}

// reloadAsked names the setting by which one replica asks all to read their configuration again.
const reloadAsked = "asked/reload"

// open opens the store of the configuration.
func (b *Bridge) open(ctx context.Context) (store.Store, error) {
	if b.given != nil {
		return b.given, nil
	}
	return b.Config.Store.open(ctx)
}

// lease checks how long a lease lasts.
func (v *validation) lease(c StoreConfig) {
	if l := time.Duration(c.Lease); l < time.Second || l > 5*time.Minute {
		v.bad([]string{"store", "lease"}, "%s is not from 1s to 5m", l)
	}
}

// join makes this process known to the others, and their clock to it.
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
	err := b.store.View(ctx, func(tx store.Tx) error {
		r.reload = string(tx.Setting(reloadAsked))
		return nil
	})
	if err != nil {
		return fmt.Errorf("joining the other replicas: %w", err)
	}
	b.replicas = r
	return nil
}

// consoleAddress is the address of a console as operators of several machines know it: one that is bound to this machine alone does not
// say which machine that is.
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

// announce says that this replica lives, and sees who else does.
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

// who is what operators know a replica by.
func (r *replicas) who(id string) string {
	if a := (*r.known.Load())[id]; a != "" {
		return a
	}
	return id
}

// clock is the one that everything goes by: that of the store where replicas share one.
func (b *Bridge) clock() func() time.Time {
	if b.replicas == nil {
		return b.Now
	}
	return b.replicas.clock.Now
}

// engine makes what delivers to a backend.
func (b *Bridge) engine(name string, client backend.Backend, metrics *console.Metrics) engine {
	w := b.worker(name, b.store, client, metrics).Init()
	if b.replicas == nil {
		return w
	}
	lease := time.Duration(b.Config.Store.Lease)
	return &delivery.Candidate{Worker: w, Shared: b.replicas.shared, Owner: b.replicas.self.ID, Lease: lease, Poll: min(lookEvery, lease/5),
		Clock: &b.replicas.clock, Who: b.replicas.who, Term: func(s store.Store) *delivery.Worker {
			backend.Spend(b.limits[name]) // whoever delivered before may just have used it
			return b.worker(name, s, client, metrics)
		}}
}

// elsewhere lists the backends for which whoever delivers goes by other rules than this process: another replica, or its own worker
// where a reload has not reached it yet.
func (b *Bridge) elsewhere(tx store.Tx) []string {
	var out []string
	ours := b.prints()
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if theirs := delivery.InForce(tx, name); theirs != "" && theirs != ours[name] {
			out = append(out, name)
		}
	}
	return out
}

// prints are the fingerprints of the rules of this replica, computed once for each set of rules.
type prints struct {
	mu  sync.Mutex
	of  *mapping.Rules
	all map[string]string
}

func (b *Bridge) prints() map[string]string {
	b.printed.mu.Lock()
	defer b.printed.mu.Unlock()
	if r := b.rules.Load(); b.printed.of != r {
		b.printed.of, b.printed.all = r, map[string]string{}
		for name := range b.Config.Backends {
			b.printed.all[name] = r.Fingerprint(name)
		}
	}
	return b.printed.all
}

// follow does, until it is stopped, what other replicas leave this one to do.
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
		var announced time.Time
		failing := false
		for ctx.Err() == nil {
			err := b.catchUp(ctx)
			if err == nil && time.Since(announced) >= announceEvery {
				announced = time.Now()
				err = b.replicas.announce(ctx)
			}
			if err != nil && !failing && ctx.Err() == nil {
				b.Log.Warn("the store cannot be asked what other replicas do; it is tried again", "error", err)
			}
			failing = err != nil
			select {
			case <-ctx.Done():
			case <-time.After(lookEvery):
			}
		}
	}()
}

// catchUp takes from the store what an operator told another replica.
func (b *Bridge) catchUp(ctx context.Context) error {
	var since, reload string
	err := b.store.View(ctx, func(tx store.Tx) error {
		since, reload = string(tx.Setting(restored)), string(tx.Setting(reloadAsked))
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking what other replicas were told: %w", err)
	}
	for _, w := range b.workers {
		w.Standby(since != "")
	}
	b.reloading.Lock()
	defer b.reloading.Unlock()
	if reload == b.replicas.reload {
		return nil
	}
	rules, data, err := b.readRules()
	if err != nil {
		b.replicas.reload = reload // until it is asked again: the file is not going to mend itself
		b.Log.Error("another replica was told to read its configuration again; of this one the rules in force stay", "error", err)
		return nil
	}
	if _, err := b.takeRules(ctx, rules, data); err != nil {
		return fmt.Errorf("taking the rules that another replica was told to take: %w", err)
	}
	b.replicas.reload = reload
	return nil
}

// tellReload lets the other replicas read their configuration again, too.
func (b *Bridge) tellReload(ctx context.Context) error {
	if b.replicas == nil {
		return nil
	}
	word := rand.Text()
	err := b.store.Update(ctx, func(tx store.Tx) error { return tx.SetSetting(reloadAsked, []byte(word)) })
	if err != nil {
		return fmt.Errorf("the rules are in force here, but the other replicas could not be told: %w", err)
	}
	b.replicas.reload = word
	return nil
}

// showReplicas says who serves the store and who delivers.
func showReplicas(w io.Writer, s console.Status) error {
	if len(s.Replicas) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\nREPLICA\tVERSION\tSINCE\tLAST SEEN\tDELIVERS TO\n")
	for _, r := range s.Replicas {
		name, to := r.Address, []string{}
		if r.This {
			name += " (this one)"
		}
		if !r.Alive {
			name += " (silent)"
		}
		for _, b := range s.Backends {
			if b.Leader != nil && b.Leader.Replica == r.ID {
				to = append(to, fmt.Sprintf("%s (term %d)", b.Name, b.Leader.Term))
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", name, r.Version, moment(r.Since), moment(r.Seen), cmp.Or(strings.Join(to, ", "), "-"))
	}
	return t.Flush()
}
