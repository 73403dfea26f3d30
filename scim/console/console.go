package console

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/mapping/live"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
)

// Engine is what the console needs of the worker of a backend.
type Engine interface {
	Health() (state, reason string)
	PausedUntil() time.Time
	Holds(ctx context.Context) ([]desk.Hold, error)
	CountHolds(ctx context.Context) (int, error)
	HoldSizes(ctx context.Context) ([]desk.HoldSize, error)
	ShowHolds(ctx context.Context) ([]desk.Hold, error) // to an operator, who decides about what is listed
	Decide(ctx context.Context, id string, d desk.Decision) (more bool, err error)
	Retry(ctx context.Context) error
	Resync(ctx context.Context) error
	Explain(ctx context.Context, who, role string) ([]desk.Why, error)
	OldestRemoval(ctx context.Context) (time.Time, error)
}

// Backend is a configured backend.
type Backend struct {
	Name   string
	Kind   string
	Mode   func() string // which may change with a reload
	Engine Engine
}

// Console is the operator's listener. Its fields are set before Handler is called.
type Console struct {
	Store    store.Store
	Backends []Backend // in the order to show them
	Metrics  *Metrics
	Shared   store.Shared // the store, if replicas share it; nil: no replicas
	Self     string       // the id of this replica
	Version  string
	Now      func() time.Time // nil: time.Now
	Key      backend.Secret   // of the operator "local"; zero: there is none
	// Operators returns the configured operators; nil: none. Without any key the operator API is closed.
	Operators func() auth.Operators
	// Approvals is how many operators must approve a hold; nil: one.
	Approvals func() int
	Tokens    []Token
	Signing   []string // the identity providers that sign tokens
	Traffic   *Traffic // nil: not recorded
	Uses      *Uses    // of credentials that are not stored yet; may be nil
	Ignored   *Ignored
	Omitted   *Omissions
	Exposed   func() []string // what the configuration exposes, as "key: text"; nil: nothing
	// Grants lists what the rules in force grant to members of a group; may be nil.
	Grants func(tx store.Tx, idp string, g store.Group) []desk.GroupGrant
	Access func() *access.Source // what a report of access is read from
	// Plan computes the calls under a proposed file, or under the rules in force if proposed is
	// nil; errors name the file. Reload reads the configuration again. Their errors are for the
	// operator.
	Plan   func(ctx context.Context, asked PlanRequest) ([]desk.Preview, error)
	Reload func(ctx context.Context, asked ReloadRequest) (Reloaded, error)
	// Live compares every backend with what its vendor has now.
	Live func(ctx context.Context) ([]live.Report, error)
	// Backup and Export write the whole store as of one moment; an errors.ErrUnsupported is for the
	// operator. Resume ends the observe-only state of a restored store.
	Backup, Export func(ctx context.Context, to io.Writer) error
	PieceTime      time.Duration                            // how long a client may take over a piece of a copy; 0: 30 s
	BrokeOff       func(path string, err error)             // logs why a copy of the store or of the audit trail broke off; may be nil
	Rejected       func(r *http.Request, why *auth.Refusal) // records a call to the operator API without a key; may be nil
	Resume         func(ctx context.Context, by Decision) (stoodBy bool, err error)

	challenger *auth.Challenger
}

// Handler serves /, /healthz, /readyz, /metrics and, with an operator's key, /api.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", c.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.Metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", homePage)
	c.challenger = &auth.Challenger{Now: c.Now}
	mux.HandleFunc("GET /api/challenge", c.challenge)
	mux.Handle("/api/", c.api())
	return http.NewCrossOriginProtection().Handler(headers(mux))
}

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // it fails only if the client has gone
}

type backendState struct {
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// exposed returns what the configuration exposes.
func (c *Console) exposed() []string {
	if c.Exposed == nil {
		return nil
	}
	return c.Exposed()
}

// ready answers 200 once SCIM requests can be stored durably. A backend that is down appears in the
// body and never changes the status, because requests are accepted anyway.
func (c *Console) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	status, body := http.StatusOK, struct {
		Store    string                  `json:"store"`
		Backends map[string]backendState `json:"backends"`
		Replicas []ReplicaStatus         `json:"replicas,omitempty"`
		Exposed  []string                `json:"exposed,omitempty"`
	}{"ok", map[string]backendState{}, nil, nil}
	for _, warning := range c.exposed() {
		key, _, _ := strings.Cut(warning, ": ") // the client has shown no credential
		body.Exposed = append(body.Exposed, key)
	}
	for _, b := range c.Backends {
		state, reason := b.Engine.Health()
		if state != delivery.Following { // the replica that delivers is in the body anyway
			reason = "" // it may name targets, and the client has shown no credential
		}
		body.Backends[b.Name] = backendState{state, reason}
	}
	select {
	case <-c.Store.Failed():
		status, body.Store = http.StatusServiceUnavailable, "failed"
	default:
		if err := c.Store.View(ctx, func(store.Tx) error { return nil }); err != nil {
			status, body.Store = http.StatusServiceUnavailable, "unavailable"
		} else if body.Replicas, _, err = c.replicas(ctx); err != nil {
			body.Replicas = nil
		}
		for i := range body.Replicas {
			body.Replicas[i].Version = "" // the client has shown no credential
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // it fails only if the client has gone
}

// homePageHTML names no version, backend or state: the client has shown no credential.
const homePageHTML = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Scimbridge</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1rem}</style>
<h1>Scimbridge</h1>
<p>This listener serves <a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a> and <a href="/metrics">/metrics</a>. The rest takes the
operator's key: <code>scimbridge status</code>, on the machine with the key, shows the state.</p>
</html>
`

func homePage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, homePageHTML) // it fails only if the client has gone
}
