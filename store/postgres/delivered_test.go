package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// counter counts the statements, and the messages with which they are sent: each waits for an answer.
type counter struct{ statements, messages atomic.Int64 }

// TraceQueryStart implements pgx.QueryTracer.
func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	c.messages.Add(1)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (c *counter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.messages.Add(1)
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (c *counter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {
	c.statements.Add(1)
}

// TraceBatchEnd implements pgx.BatchTracer.
func (*counter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// vendor is a vendor without faults, which has an account for every address.
type vendor struct{ users, changes int }

func (*vendor) Traits() backend.Traits      { return backend.Traits{Replace: true, ShowsAll: true} }
func (*vendor) Ready(context.Context) error { return nil }
func (v *vendor) Resolve(context.Context, string, []string) (map[string]backend.Account, error) {
	out := map[string]backend.Account{}
	for i := range v.users {
		key := fmt.Sprintf("u%d@example.com", i)
		out[key] = backend.Account{ID: fmt.Sprint("a", i), Key: key, Status: "Active"}
	}
	return out, nil
}
func (*vendor) Invite(context.Context, string, string) error            { return nil }
func (*vendor) Offboard(context.Context, string, backend.Account) error { return nil }
func (*vendor) Observe(context.Context, string) (backend.Observation, error) {
	return backend.Observation{}, nil
}

func (v *vendor) Apply(_ context.Context, d backend.Delta) ([]backend.Outcome, error) {
	v.changes += len(d.Changes)
	out := make([]backend.Outcome, len(d.Changes))
	for i := range out {
		out[i] = backend.Applied
	}
	return out, nil
}

// rules are the rules of one replica.
type rules struct{ *mapping.Rules }

func (rules) GroupNamed(store.Tx, string, store.Group, store.Group, store.Origin) error { return nil }
func (r rules) OtherRules(tx store.Tx) []string {
	if !strings.HasPrefix(string(tx.Setting("mapping/vt")), r.Fingerprint("vt")+" ") { // as the bridge does
		return []string{"vt"}
	}
	return nil
}

// delivered is a bridge over PostgreSQL with a clock of its own.
type delivered struct {
	t       *testing.T
	clock   time.Time
	counter *counter
	store   *postgres.Store
	vendor  *vendor
	worker  *delivery.Worker
	handler http.Handler
}

func newDelivered(t *testing.T, users int) *delivered {
	t.Helper()
	d := &delivered{t: t, clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), counter: &counter{}, vendor: &vendor{users: users}}
	now := func() time.Time { return d.clock }
	var err error
	if d.store, err = postgres.Open(t.Context(), postgrestest.Database(t), postgres.Options{Tracer: d.counter}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.store.Close() })
	compiled, err := mapping.Compile([]mapping.Rule{
		{Groups: []string{"Admins"}, Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}},
		{Groups: []string{"Staff"}, Backend: "vt", Target: "acme", Roles: []string{"SCAN"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := d.store.Take(t.Context(), "vt", "me", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	limit := view.Limit{Count: 1000, Percent: 100, Window: time.Hour}
	policy := view.Policy{Rules: compiled, Brakes: view.Brakes{Mode: view.Sync, MaxRemovals: limit, MaxOffboardings: limit}}
	w := &delivery.Worker{
		Name: "vt", Store: d.store.Under(lease), Backend: d.vendor, Policy: func() view.Policy { return policy },
		RetryInitial: time.Second, RetryMax: 5 * time.Minute, CallTimeout: 30 * time.Second,
		Now: now, Jitter: func() float64 { return 0 },
	}
	w.BatchSize, w.BatchWait, w.Straggler = 25, time.Second, 75*time.Second
	d.worker = w.Init()
	d.handler = (&scim.Server{
		Store: d.store, PublicURL: "https://scim.example.com/scim/v2", Now: now, Rules: rules{compiled},
		Auth: auth.Verifier{Credentials: []auth.Credential{{IdP: "okta", Hash: sha256.Sum256([]byte("secret"))}}},
	}).Handler()
	err = d.store.Update(t.Context(), func(tx store.Tx) error {
		for i := range users {
			mail := fmt.Sprintf("u%d@example.com", i)
			u := store.User{ID: fmt.Sprintf("u%d", i), UserName: mail, Emails: []string{mail}, Active: true, Attributes: []byte(`{}`), Created: d.clock, Modified: d.clock}
			if err := tx.Directory("okta").PutUser(u); err != nil {
				return err
			}
		}
		for _, g := range []string{"Admins", "Staff"} {
			if err := tx.Directory("okta").PutGroup(store.Group{ID: g, DisplayName: g, Attributes: []byte(`{}`), Created: d.clock, Modified: d.clock}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// patch sends a PATCH of a group as an identity provider does.
func (d *delivered) patch(group, op string, from, to int) {
	d.t.Helper()
	body := &strings.Builder{}
	fmt.Fprintf(body, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":%q,"path":"members","value":[`, op)
	for i := from; i < to; i++ {
		if i > from {
			body.WriteString(",")
		}
		fmt.Fprintf(body, `{"value":"u%d"}`, i)
	}
	body.WriteString(`]}]}`)
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodPatch, "/scim/v2/Groups/"+group, strings.NewReader(body.String()))
	r.Header.Set("Authorization", "Bearer secret")
	r.Header.Set("Content-Type", "application/scim+json")
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	if w.Code/100 != 2 {
		d.t.Fatalf("%s", w.Body)
	}
}

// settle lets the worker do what is due until no mark is left.
func (d *delivered) settle() {
	d.t.Helper()
	for range 1000 {
		next, err := d.worker.RunOnce(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		if next.IsZero() || next.After(d.clock.Add(10*time.Second)) {
			return
		}
		if next.After(d.clock) {
			d.clock = next
		}
	}
	d.t.Fatal("the worker never comes to rest")
}

// count changes memberships of users, and counts until their roles are delivered and settled.
func (d *delivered) count(op string, from, to int) (statements, messages int64) {
	d.t.Helper()
	d.vendor.changes = 0
	d.counter.statements.Store(0)
	d.counter.messages.Store(0)
	d.patch("Admins", op, from, to)
	d.clock = d.clock.Add(2 * time.Second)
	d.settle()
	if d.vendor.changes != to-from {
		d.t.Errorf("%d changes of %d were delivered", d.vendor.changes, to-from)
	}
	return d.counter.statements.Load(), d.counter.messages.Load()
}

// TestStatementsOfADelivery bounds the statements from a PATCH to the settled marks. docs/performance.md has
// the numbers of earlier versions.
func TestStatementsOfADelivery(t *testing.T) {
	d := newDelivered(t, 300)
	d.patch("Staff", "add", 0, 300)
	d.settle()
	d.clock = d.clock.Add(10 * time.Minute)
	d.settle()
	d.patch("Admins", "add", 0, 1)
	for _, op := range []string{"add", "remove"} { // a connection has each statement described once
		d.patch("Admins", op, 2, 3)
		d.settle()
	}
	for _, c := range []struct {
		what, op                     string
		from, to                     int
		mostStatements, mostMessages int64
	}{
		{"one grant", "add", 1, 2, 41, 34},
		{"one revocation", "remove", 1, 2, 46, 40},
		{"a hundred grants", "add", 200, 300, 900, 390},
		{"a hundred revocations", "remove", 200, 300, 910, 500},
	} {
		statements, messages := d.count(c.op, c.from, c.to)
		t.Logf("%s: %d statements in %d messages", c.what, statements, messages)
		if statements > c.mostStatements || messages > c.mostMessages {
			t.Errorf("%s: %d statements in %d messages, more than %d in %d", c.what, statements, messages, c.mostStatements, c.mostMessages)
		}
	}
}
