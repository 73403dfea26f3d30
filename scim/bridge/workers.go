package bridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/where"
	"github.com/scimbridge/scimbridge/store"
)

// warnOfOrphans warns of backends and identity providers that the store knows and the configuration
// does not: their grants and groups stay.
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
				b.Log.Warn("grants of a backend that is not configured stay; to revoke them, configure it again without rules", "backend", name, "grants", grants)
			}
		}
		for _, idp := range tx.IdPs() {
			if _, ok := b.Config.IdentityProviders[idp]; !ok {
				b.Log.Warn("groups of an identity provider that is not configured keep their grants; to end them, configure it again and delete the groups", "idp", idp, "groups", tx.Directory(idp).GroupCount())
			}
		}
		return nil
	})
}

// startWorkers makes the client and the worker of each backend and starts the workers. They stop
// after the listeners, so that accepted changes are still delivered, and before the store.
func (b *Bridge) startWorkers(names []string, metrics *console.Metrics) error {
	since, err := observesSince(context.Background(), b.store)
	if err != nil {
		return err
	}
	if since != "" {
		b.Log.Warn("the store is a restored copy: observing only until `scimbridge resume`", "since", since)
	}
	b.vendors = newVendors(b.Config)
	b.vendors.now, b.vendors.journal, b.vendors.people, b.vendors.roles = b.clock(), b.Journal, b.People, b.Roles
	b.vendors.counted, b.vendors.onStop, b.vendors.errs = metrics.Call, b.onStop, b.errs
	b.workers = map[string]served{}
	for _, n := range names {
		client, err := b.vendors.client(n)
		if err != nil {
			return fmt.Errorf("backend %s: %w", n, err)
		}
		e := b.engine(n, client, metrics)
		b.workers[n] = served{e, newDesk(b, n, client, e), client}
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
			b.Log.Warn("a call to a backend is still unanswered; the next start reads its result back")
			return nil
		}
	})
	return nil
}

// worker returns the worker of a backend before Init.
func (b *Bridge) worker(name string, s store.Store, client backend.Backend, metrics *console.Metrics) *delivery.Worker {
	c := b.Config.Backends[name]
	return &delivery.Worker{
		Name: name, Store: s, Backend: client, Policy: func() view.Policy { return b.policy.Load().of(name) },
		Settings: settings(c), Where: where.Compile,
		RetryInitial: time.Duration(c.Retry.Initial), RetryMax: time.Duration(c.Retry.Max),
		CallTimeout: time.Duration(c.CallTimeout), ResyncEvery: time.Duration(c.ResyncEvery), Log: b.Log, Delivered: metrics.Delivered,
		Drift: func(kind string) { metrics.Drift(name, kind) }, Repaired: func() { metrics.Repaired(name) }, Now: b.clock(),
	}
}

// settings is what the configuration of a backend says about who has what.
func settings(c *config.Backend) view.Settings {
	return view.Settings{
		Match: c.Match, BatchSize: c.Batch.Size, BatchWait: time.Duration(c.Batch.Wait), Straggler: time.Duration(c.StragglerWindow),
		Invite: c.OnMissingUser != "wait", Offboard: c.OnDeactivate != "remove_roles", AccountCache: time.Duration(c.AccountCache),
	}
}

// newDesk returns what answers the operators of a backend.
func newDesk(b *Bridge, name string, client backend.Backend, e engine) *desk.Desk {
	v := view.NewView(name, settings(b.Config.Backends[name]), client.Traits)
	v.InForce, v.Standby, v.Clock, v.Where = func() view.Policy { return b.policy.Load().of(name) }, e.StandsBy, time.Now, where.Compile
	if now := b.clock(); now != nil {
		v.Clock = now
	}
	return &desk.Desk{View: v, Store: b.store, Nudge: e.Nudge, Log: b.Log}
}
