package console

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
)

// Metrics holds the metrics of the contract (design, section 3). Its methods may be called concurrently.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	calls    *prometheus.CounterVec
	drift    *prometheus.CounterVec
	delivery prometheus.Histogram
}

// NewMetrics registers everything, with the gauges of every backend at 0 from the start.
func NewMetrics(s store.Store, backends []string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_scim_requests_total",
			Help: "SCIM requests answered."}, []string{"idp", "method", "resource", "code"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_backend_calls_total",
			Help: "Calls made to a backend, by outcome."}, []string{"backend", "operation", "outcome"}),
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_drift_total",
			Help: "Differences between a backend and the ledger found by a resync."}, []string{"backend", "kind"}),
		delivery: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scimbridge_delivery_seconds",
			Help:    "From the answer to the identity provider to the answer of the backend.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}}),
	}
	for _, b := range backends {
		for _, kind := range []string{"missing", "foreign"} {
			m.drift.WithLabelValues(b, kind)
		}
	}
	m.registry.MustRegister(m.requests, m.calls, m.drift, m.delivery, &workCollector{store: s, backends: backends},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts a SCIM request.
func (m *Metrics) Request(idp, method, resource string, code int) {
	m.requests.WithLabelValues(idp, method, resource, strconv.Itoa(code)).Inc()
}

// Call counts a call to a backend.
func (m *Metrics) Call(backend, operation, outcome string) {
	m.calls.WithLabelValues(backend, operation, outcome).Inc()
}

// Delivered observes how long a change took to reach the backend.
func (m *Metrics) Delivered(d time.Duration) { m.delivery.Observe(d.Seconds()) }

// Drift counts a difference that a resync found.
func (m *Metrics) Drift(backend, kind string) { m.drift.WithLabelValues(backend, kind).Inc() }

// workCollector reads the gauges from the store at each scrape: they are what is there, not what was counted.
type workCollector struct {
	store    store.Store
	backends []string
}

var (
	pendingDesc = prometheus.NewDesc("scimbridge_pending_changes", "Changes not yet delivered; 0 is converged.", []string{"backend"}, nil)
	heldDesc    = prometheus.NewDesc("scimbridge_held_changes", "Changes held until an operator decides.", []string{"backend"}, nil)
	blockedDesc = prometheus.NewDesc("scimbridge_blocked_users", "People whose change waits for somebody.", []string{"backend", "reason"}, nil)
)

// reasons exist from the start at 0, so that an alert on them is never without data.
var reasons = []string{"no_account", "rejected", "managed_elsewhere", "super_admin", "locked", "no_target", "forbidden"}

func (c *workCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- pendingDesc
	ch <- heldDesc
	ch <- blockedDesc
}

func (c *workCollector) Collect(ch chan<- prometheus.Metric) {
	err := c.store.View(context.Background(), func(tx store.Tx) error {
		for _, b := range c.backends {
			pending, blocked, held := tx.Work(b).Counts()
			if held > 0 {
				var err error
				if held, err = heldPeople(tx, b); err != nil {
					return err
				}
			}
			strangers, err := delivery.HeldByPin(tx, b)
			if err != nil {
				return err
			}
			held += strangers
			byReason := map[string]int{}
			if blocked > 0 {
				for m, err := range tx.Work(b).Marks("") {
					if err != nil {
						return err
					}
					if m.State == store.Blocked {
						byReason[m.Reason]++
					}
				}
			}
			for _, r := range reasons {
				byReason[r] += 0
			}
			gauge := func(d *prometheus.Desc, v int, labels ...string) {
				ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
			}
			gauge(pendingDesc, pending, b)
			gauge(heldDesc, held, b)
			for r, n := range byReason {
				gauge(blockedDesc, n, b, r)
			}
		}
		return nil
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(pendingDesc, err)
	}
}
