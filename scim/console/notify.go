package console

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/scim/notify"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// rejectionsKept is how long the store has the rejected requests of a replica that says no more.
const rejectionsKept = time.Hour

// refused counts the requests without a valid credential within the last hour, at this replica.
func (c *Console) refused(now time.Time) int64 {
	_, n, _ := c.Traffic.lastHour("", now)
	return n
}

// NoteRejections stores, for the replica that notifies, how many requests without a valid credential
// this one had. It writes only if that is more than a few and has changed.
func (c *Console) NoteRejections(ctx context.Context, noted int64) (int64, error) {
	now := c.now()
	n := c.refused(now)
	if n == noted || n < notify.FewRejected && noted == 0 {
		return noted, nil
	}
	if n < notify.FewRejected {
		n = 0
	}
	return n, c.Store.Update(ctx, func(tx store.Tx) error {
		r := record.Rejections{Replica: c.Self, Count: n, Expires: now.Add(rejectionsKept)}
		if n == 0 {
			return record.Delete(tx, r)
		}
		return record.Put(tx, r)
	})
}

// Channels adds the metrics of channels, and returns what counts the attempts to send a message.
func (m *Metrics) Channels(s store.Store, names []string) func(channel, outcome string) {
	sent := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_notify_sent_total",
		Help: "Attempts to send a message to a channel, by outcome."}, []string{"channel", "outcome"})
	for _, name := range names {
		for _, outcome := range []string{"ok", "failed", "gave_up"} {
			sent.WithLabelValues(name, outcome)
		}
	}
	m.registry.MustRegister(sent, &pendingMessages{s, names})
	return func(channel, outcome string) { sent.WithLabelValues(channel, outcome).Inc() }
}

// pendingMessages reads from the store how many messages each channel does not have yet.
type pendingMessages struct {
	store    store.Store
	channels []string
}

var waitingDesc = prometheus.NewDesc("scimbridge_notify_pending", "Messages that a channel does not have yet.", []string{"channel"}, nil)

// Describe implements prometheus.Collector.
func (p *pendingMessages) Describe(ch chan<- *prometheus.Desc) { ch <- waitingDesc }

// Collect implements prometheus.Collector.
func (p *pendingMessages) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), longestScrape)
	defer cancel()
	counts := map[string]int{}
	err := p.store.View(ctx, func(tx store.Tx) error {
		clear(counts)
		for m, err := range record.List(tx, record.Notification{}) {
			if err != nil {
				return err
			}
			counts[m.Channel]++
		}
		return nil
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(waitingDesc, err)
		return
	}
	for _, name := range p.channels {
		ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(counts[name]), name)
	}
}
