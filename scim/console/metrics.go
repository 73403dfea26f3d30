package console

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/scimbridge/scimbridge/mapping/reason"
	"github.com/scimbridge/scimbridge/store"
)

// Metrics holds the metrics that other systems rely on. Its methods may be called
// concurrently.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	calls    *prometheus.CounterVec
	drift    *prometheus.CounterVec
	repaired *prometheus.CounterVec
	delivery prometheus.Histogram
	ignored  *prometheus.CounterVec
	omitted  *prometheus.CounterVec
	unknown  *unknownMembers
	file     func() FileState
	called   sync.Map // the backends that were called since the start
}

// NewMetrics returns registered metrics, with the gauges of every backend at 0 from the start.
func NewMetrics(s store.Store, backends []string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_scim_requests_total",
			Help: "SCIM requests answered."}, []string{"idp", "method", "resource", "code"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_backend_calls_total",
			Help: "Calls made to a backend, by outcome."}, []string{"backend", "operation", "outcome"}),
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_drift_total",
			Help: "Differences between a backend and the ledger found by a resync."}, []string{"backend", "kind"}),
		repaired: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_repaired_total",
			Help: "Grants that differed from the directory without a mark, found by a resync: each is a defect of the bridge."}, []string{"backend"}),
		delivery: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "scimbridge_delivery_seconds",
			Help:    "From the answer to the identity provider to the answer of the backend.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}}),
		ignored: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_ignored_attributes_total",
			Help: "Attributes of SCIM requests that had no effect: the schemas do not know them."}, []string{"idp", "resource"}),
		omitted: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "scimbridge_put_without_members_total",
			Help: "PUTs that left out the members of a group that has some, from an identity provider that sends them at other times."}, []string{"idp"}),
		unknown: &unknownMembers{store: s, now: time.Now, many: manyRows},
	}
	for _, b := range backends {
		for _, kind := range []string{"missing", "foreign"} {
			m.drift.WithLabelValues(b, kind)
		}
		m.repaired.WithLabelValues(b)
	}
	m.file = func() FileState { return FileState{} }
	gauge := func(name, help string, is func(FileState) bool) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			if is(m.file()) {
				return 1
			}
			return 0
		})
	}
	m.registry.MustRegister(gauge("scimbridge_config_file_differs", "Whether the configuration file on disk is another than what runs.", func(f FileState) bool { return f.Differs }),
		gauge("scimbridge_config_file_invalid", "Whether the server could not start with the configuration file on disk.", func(f FileState) bool { return f.Invalid }))
	m.registry.MustRegister(m.requests, m.calls, m.drift, m.repaired, m.delivery, m.ignored, m.omitted, m.unknown,
		&workCollector{store: s, backends: backends},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// LogDropped adds the metric of dropped log lines; nil: no line is ever dropped.
func (m *Metrics) LogDropped(read func() float64) {
	if read == nil {
		read = func() float64 { return 0 }
	}
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "scimbridge_log_dropped_total",
		Help: "Lines of the log that were dropped, because its reader is too slow or gone."}, read))
}

// ConfigFile sets how the configuration file on disk is compared with what runs. It is called before Handler.
func (m *Metrics) ConfigFile(read func() FileState) { m.file = read }

// Request counts a SCIM request.
func (m *Metrics) Request(idp, method, resource string, code int) {
	m.requests.WithLabelValues(idp, method, resource, strconv.Itoa(code)).Inc()
}

// Call counts a call to a backend.
func (m *Metrics) Call(backend, operation, outcome string) {
	m.calls.WithLabelValues(backend, operation, outcome).Inc()
	m.called.Store(backend, true)
}

// Delivered observes how long a change took to reach the backend.
func (m *Metrics) Delivered(d time.Duration) { m.delivery.Observe(d.Seconds()) }

// Drift counts a difference that a resync found.
func (m *Metrics) Drift(backend, kind string) { m.drift.WithLabelValues(backend, kind).Inc() }

// Repaired counts a difference between directory and ledger that nothing had marked.
func (m *Metrics) Repaired(backend string) { m.repaired.WithLabelValues(backend).Inc() }

// Providers starts the counters of identity providers at 0.
func (m *Metrics) Providers(names []string) {
	for _, idp := range names {
		m.ignored.WithLabelValues(idp, "User")
		m.omitted.WithLabelValues(idp)
	}
}

// IgnoredAttributes counts attributes of a request that had no effect.
func (m *Metrics) IgnoredAttributes(idp, resource string, n int) {
	m.ignored.WithLabelValues(idp, resource).Add(float64(n))
}

// PutWithoutMembers counts a PUT that omitted the members of a group.
func (m *Metrics) PutWithoutMembers(idp string) { m.omitted.WithLabelValues(idp).Inc() }

// workCollector reads the gauges from the store at each scrape: they are what is there, not what was counted by this process.
type workCollector struct {
	store    store.Store
	backends []string
}

const (
	manyRows      = 10_000           // to read takes some ten milliseconds, with PostgreSQL some fifty
	recountAfter  = 30 * time.Second // when more were read
	longestScrape = 50 * time.Second // the client has given up by then
)

var (
	pendingDesc = prometheus.NewDesc("scimbridge_pending_changes", "Changes not yet delivered; 0 is converged.", []string{"backend"}, nil)
	heldDesc    = prometheus.NewDesc("scimbridge_held_changes", "Changes held until an operator decides.", []string{"backend"}, nil)
	overDesc    = prometheus.NewDesc("scimbridge_over_limit", "Targets on which changes are held because a limit is exceeded.", []string{"backend", "limit"}, nil)
	blockedDesc = prometheus.NewDesc("scimbridge_blocked_users", "Users whose change waits for an operator, the vendor or the identity provider.", []string{"backend", "reason"}, nil)
)

func (c *workCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- pendingDesc
	ch <- heldDesc
	ch <- overDesc
	ch <- blockedDesc
}

func (c *workCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), longestScrape)
	defer cancel()
	var found []prometheus.Metric
	err := c.store.View(ctx, func(tx store.Tx) error {
		found = nil
		for _, b := range c.backends {
			more, err := backendGauges(tx, b)
			if err != nil {
				return err
			}
			found = append(found, more...)
		}
		return nil
	})
	if err != nil {
		ch <- prometheus.NewInvalidMetric(pendingDesc, err)
		return
	}
	for _, m := range found {
		ch <- m
	}
}

// backendGauges reads the gauges of a backend from the tallies of the store.
func backendGauges(tx store.Tx, backend string) (found []prometheus.Metric, err error) {
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		found = append(found, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), append([]string{backend}, labels...)...))
	}
	pending, _, _ := tx.Work(backend).Counts()
	held, err := readHeld(tx, backend)
	if err != nil {
		return nil, err
	}
	_, blocked, err := tx.Work(backend).BlockedUsers()
	if err != nil {
		return nil, err
	}
	gauge(pendingDesc, pending)
	gauge(heldDesc, held.changes)
	for _, limit := range reason.Limits() {
		gauge(overDesc, len(held.over[limit]), limit)
	}
	for _, r := range reason.Blocks() { // an alert on any of them always has data
		blocked[r.Code] += 0
	}
	for r, n := range blocked {
		gauge(blockedDesc, n, r)
	}
	return found, nil
}
