package bridge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/lead"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/notify"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/audit"
)

// startNotify notifies operators of conditions until the bridge stops. Of several replicas one does,
// under a lease.
func startNotify(b *Bridge, c *console.Console) error {
	now := b.now
	if b.replicas != nil {
		now = b.replicas.clock.Now
	}
	channels, err := b.Config.Channels()
	if err != nil {
		return err
	}
	open, names := []notify.Open{notify.ToLog(b.Log)}, []string{}
	for _, ch := range channels {
		sender, err := notify.NewSender(ch, now)
		if err != nil {
			return fmt.Errorf("notify: %s: %w", ch.Name, err)
		}
		open, names = append(open, notify.Open{Channel: ch, Sender: sender}), append(names, ch.Name)
	}
	count := c.Metrics.Channels(b.store, names)
	loop := func(s store.Store) *notify.Loop {
		return &notify.Loop{
			Outbox: notify.Outbox{Store: s, Channels: open, Now: now, Log: b.Log, Jitter: rand.Float64, Count: func(channel, outcome string) {
				if channel != open[0].Name {
					count(channel, outcome)
				}
			}},
			Facts: func(ctx context.Context) (notify.Facts, error) { return facts(ctx, b, c) },
			Verify: func(ctx context.Context) (bool, error) {
				report, err := audit.Verify(ctx, b.store, "")
				return report.Broken != "", err
			},
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		var err error
		if b.replicas == nil {
			err = loop(b.store).Run(ctx)
		} else {
			err = elector(b, loop).Run(ctx)
		}
		if err != nil {
			b.errs <- fmt.Errorf("notifications: %w", err)
		}
	})
	if b.replicas != nil {
		running.Go(func() { noteRejections(ctx, c) })
	}
	b.onStop("notifications", func(context.Context) error {
		cancel()
		running.Wait() // a message under way is cut, and sent again after the next start
		return nil
	})
	return nil
}

// facts are those of the console, and the end of the certificate.
func facts(ctx context.Context, b *Bridge, c *console.Console) (notify.Facts, error) {
	f, err := c.Facts(ctx)
	if end := b.Config.Server.TLS.End(); !end.IsZero() {
		f.Expiring = append(f.Expiring, notify.Credential{Kind: notify.Certificate, Name: "server.tls", Expires: end})
	}
	return f, err
}

// elector runs a loop while this replica has the lease.
func elector(b *Bridge, loop func(store.Store) *notify.Loop) *lead.Elector {
	lease := time.Duration(b.Config.Store.Lease)
	return &lead.Elector{Name: notify.Lease, Shared: b.replicas.shared, Owner: b.replicas.self.ID, Lease: lease, Poll: min(pollEvery, lease/5),
		Clock: &b.replicas.clock, Log: b.Log, Waits: func(store.Tx) (bool, error) { return false, nil },
		Begin: func(s store.Store, _ func(backend.Backend) backend.Backend) lead.Deliverer { return loop(s) }}
}

// noteRejections stores how many requests were rejected here, for the replica that notifies.
func noteRejections(ctx context.Context, c *console.Console) {
	var noted int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(announceEvery):
		}
		if n, err := c.NoteRejections(ctx, noted); err == nil {
			noted = n
		}
	}
}
