package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// engine is a worker that remembers what it is asked for.
type engine struct {
	state, reason, hold string
	asked               []string
}

func (e *engine) OldestRemoval(context.Context) (time.Time, error) { return time.Time{}, nil }

func (e *engine) Health() (string, string) { return e.state, e.reason }
func (e *engine) PausedUntil() time.Time   { return time.Time{} }
func (e *engine) Resync(context.Context) error {
	e.asked = append(e.asked, "resync")
	return nil
}

func (e *engine) Retry(context.Context) error {
	e.asked = append(e.asked, "retry")
	return nil
}

func (e *engine) CountHolds(ctx context.Context) (int, error) {
	all, err := e.Holds(ctx)
	return len(all), err
}

func (e *engine) HoldSizes(context.Context) ([]desk.HoldSize, error) { return nil, nil }

func (e *engine) Holds(context.Context) ([]desk.Hold, error) {
	if e.hold == "" {
		return nil, nil
	}
	return []desk.Hold{{ID: e.hold, Backend: "vt", Target: "acme", Why: "protected", Grants: []desk.HeldItem{{Person: "ada@example.com", Account: "a", Role: "R"}}}}, nil
}

func (e *engine) ShowHolds(ctx context.Context) ([]desk.Hold, error) { return e.Holds(ctx) }

func (e *engine) Explain(_ context.Context, who, _ string) ([]desk.Why, error) {
	if who != "ada" {
		return nil, nil
	}
	return []desk.Why{{Backend: e.state, IdP: "entra", UserID: "2", User: who}, {Backend: e.state, IdP: "okta", UserID: "1", User: who}}, nil
}

func (e *engine) Decide(_ context.Context, id string, d desk.Decision) (more bool, err error) {
	if id != e.hold || id == "" {
		return false, desk.ErrNoHold
	}
	word := map[bool]string{true: "approve", false: "reject"}[d.Approve]
	e.asked = append(e.asked, strings.TrimSuffix(d.By.Initiator+" "+d.By.Token+" "+word+" "+id+" "+d.Reason, " "))
	return false, nil
}

// failing is a store whose disk is gone.
type failing struct {
	store.Store
	failed chan struct{}
}

func (f failing) Failed() <-chan struct{} { return f.failed }

func newConsole(t *testing.T) (*Console, *httptest.Server) {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sync := func() string { return "sync" }
	c := &Console{Store: s, Metrics: NewMetrics(s, []string{"vt", "rc"}), Version: "v<1>",
		Backends: []Backend{
			{Name: "vt", Kind: "virustotal", Mode: sync, Engine: &engine{state: "ok", hold: "vt-7"}},
			{Name: "rc", Kind: "riskcloud", Mode: sync, Engine: &engine{state: "unauthorized", reason: "listing users: unauthorized (status 401)"}},
		}}
	server := httptest.NewServer(c.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	return c, server
}

func get(t *testing.T, url string) (int, string, http.Header) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

func TestReady(t *testing.T) {
	c, server := newConsole(t)
	status, body, _ := get(t, server.URL+"/readyz")
	var answer struct {
		Store    string
		Backends map[string]struct{ State, Reason string }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	if status != 200 || answer.Store != "ok" || answer.Backends["vt"].State != "ok" {
		t.Errorf("%d %s", status, body)
	}
	if rc := answer.Backends["rc"]; rc.State != "unauthorized" || rc.Reason != "" {
		t.Errorf("a backend that is down is named, without more, and does not change the status: %s", body)
	}
	gone := failing{c.Store, make(chan struct{})}
	c.Store = gone
	if status, _, _ = get(t, server.URL+"/readyz"); status != 200 {
		t.Errorf("before the failure: %d", status)
	}
	close(gone.failed)
	if status, body, _ = get(t, server.URL+"/readyz"); status != 503 || !strings.Contains(body, `"store":"failed"`) {
		t.Errorf("after a failed sync: %d %s", status, body)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	c.Store = gone.Store
	if status, body, _ = get(t, server.URL+"/readyz"); status != 503 {
		t.Errorf("closed: %d %s", status, body)
	}
	if status, body, _ = get(t, server.URL+"/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("healthz: %d %q", status, body)
	}
}

func TestHomePage(t *testing.T) {
	_, server := newConsole(t)
	status, body, header := get(t, server.URL+"/")
	if status != 200 || !strings.Contains(body, "Scimbridge") {
		t.Errorf("%d %s", status, body)
	}
	for _, told := range []string{"v<1>", "v&lt;1&gt;", "rc", "unauthorized", "401"} { // the client has shown no credential
		if strings.Contains(body, told) {
			t.Errorf("tells %s: %s", told, body)
		}
	}
	if !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("%v %s", header, body)
	}
	if status, _, _ = get(t, server.URL+"/scim/v2/Users"); status != 404 {
		t.Errorf("the console serves SCIM: %d", status)
	}
}

// TestMetricsFromTheStart: the metrics of the contract exist from the start, at 0, for every
// backend.
func TestMetricsFromTheStart(t *testing.T) {
	c, server := newConsole(t)
	_, body, _ := get(t, server.URL+"/metrics")
	for _, b := range []string{"vt", "rc"} {
		for _, m := range []string{
			`scimbridge_pending_changes{backend="` + b + `"} 0`, `scimbridge_held_changes{backend="` + b + `"} 0`,
			`scimbridge_blocked_users{backend="` + b + `",reason="no_account"} 0`, `scimbridge_drift_total{backend="` + b + `",kind="missing"} 0`,
		} {
			if !strings.Contains(body, m+"\n") {
				t.Errorf("no %s", m)
			}
		}
	}
	c.Metrics.Request("okta", "PATCH", "Group", 204)
	c.Metrics.Call("vt", "change_roles", "ok")
	c.Metrics.Delivered(2 * time.Second)
	now := time.Now()
	err := c.Store.Update(t.Context(), func(tx store.Tx) error {
		w := tx.Work("vt")
		for _, u := range []string{"a", "b", "c"} {
			if err := w.Touch("acme", now, store.Origin{}, store.Subject{IdP: "okta", User: u}); err != nil {
				return err
			}
		}
		for u, state := range map[string]store.MarkState{"a": store.Blocked, "b": store.Held} {
			m, err := w.Mark("acme", store.Subject{IdP: "okta", User: u})
			if err != nil {
				return err
			}
			m.State, m.Reason = state, "no_account"
			if _, err := w.Park(m); err != nil {
				return err
			}
		}
		for _, e := range []store.Entry{{Account: "a", Role: "r"}, {Account: "a", Role: "s"}, {Account: "b", Role: "r"}} { // two roles of one person
			e.Target, e.State = "acme", store.Present
			if e.Account == "a" {
				e.Hold = "vt-1"
			}
			if err := tx.Ledger("vt").PutEntry(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ = get(t, server.URL+"/metrics")
	for _, m := range []string{
		`scimbridge_scim_requests_total{code="204",idp="okta",method="PATCH",resource="Group"} 1`,
		`scimbridge_backend_calls_total{backend="vt",operation="change_roles",outcome="ok"} 1`,
		`scimbridge_delivery_seconds_sum 2`, `scimbridge_pending_changes{backend="vt"} 1`, `scimbridge_held_changes{backend="vt"} 1`,
		`scimbridge_blocked_users{backend="vt",reason="no_account"} 1`, `scimbridge_pending_changes{backend="rc"} 0`,
	} {
		if !strings.Contains(body, m+"\n") {
			t.Errorf("no %s", m)
		}
	}
}

// TestOperatorAPI: the operator API is closed without the key, and works with it.
func TestOperatorAPI(t *testing.T) {
	c, server := newConsole(t)
	const key = "canary-key-of-the-operator-for-tests"
	call := func(method, path, key string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	paths := map[string]string{"/api/status": "GET", "/api/holds": "GET", "/api/holds/vt-7/approve": "POST", "/api/resync": "POST", "/api/nothing": "GET", "/api/": "GET"}
	for _, given := range []string{"", key, "wrong"} {
		for path, method := range paths {
			if status, _ := call(method, path, given); status != 401 {
				t.Errorf("%s %s with %q, while there is no key: %d", method, path, given, status)
			}
		}
	}
	c.Key = backend.NewSecret(key)
	c.Plan = func(context.Context, PlanRequest) ([]desk.Preview, error) {
		return []desk.Preview{{Backend: "planned"}}, nil
	}
	c.Reload = func(context.Context, ReloadRequest) (Reloaded, error) { return Reloaded{}, errors.New("refused") }
	for path, method := range paths {
		if status, body := call(method, path, key[1:]); status != 401 || strings.Contains(body, "ada@") {
			t.Errorf("%s %s with another key: %d %s", method, path, status, body)
		}
	}
	for _, step := range []struct {
		method, path string
		status       int
		answer       string
	}{
		{"GET", "/api/status", 200, `"state":"unauthorized"`}, {"GET", "/api/status", 200, `"holds":1`}, {"GET", "/api/holds", 200, `"id":"vt-7"`},
		{"POST", "/api/holds/vt-8/approve", 404, "no such hold"}, {"POST", "/api/holds/vt-7/frobnicate", 404, "approved or rejected"},
		{"POST", "/api/holds/vt-7/approve", 200, "vt-7"}, {"POST", "/api/holds/vt-7/reject", 200, "vt-7"},
		{"POST", "/api/resync?backend=vt", 202, `["vt"]`}, {"POST", "/api/retry", 202, `["vt","rc"]`}, {"POST", "/api/resync?backend=x", 404, "no such backend"},
		{"POST", "/api/frobnicate", 404, "no such action"},
		{"GET", "/api/explain?user=ada", 200, `"user":"ada"`}, {"GET", "/api/explain?user=ada", 200, "entra entra okta okta"}, // each listed once
		{"GET", "/api/explain?user=ada", 200, `"condition":{"state":"unauthorized","reason":"listing users: unauthorized (status 401)"}`},
		{"GET", "/api/explain?user=bob", 404, "no identity provider"}, {"GET", "/api/explain", 400, "name a user"},
		{"POST", "/api/plan", 200, `"backend":"planned"`}, {"POST", "/api/reload", 422, "refused"},
	} {
		status, body := call(step.method, step.path, key)
		var whys []desk.Why
		if json.Unmarshal([]byte(body), &whys) == nil { // an account of two users is listed once for each
			for _, y := range whys {
				body += " " + y.IdP
			}
		}
		if status != step.status || !strings.Contains(body, step.answer) {
			t.Errorf("%s %s: %d %s", step.method, step.path, status, body)
		}
	}
	vt, _ := c.Backends[0].Engine.(*engine)
	if got := strings.Join(vt.asked, ", "); got != "operator key_file:local approve vt-7, operator key_file:local reject vt-7, resync, retry" {
		t.Errorf("the worker was asked for %s", got)
	}
}

// TestTrafficOfTheLastHour: the hour slides, and ordinary answers such as 404 are no failures.
func TestTrafficOfTheLastHour(t *testing.T) {
	var tr Traffic
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i := range 120 {
		tr.Note("okta", []int{200, 404, 409, 500, 401, 400}[i%6], at.Add(time.Duration(i)*time.Minute))
	}
	last := at.Add(119 * time.Minute)
	if got, n, bad := tr.lastHour("okta", last); !got.Equal(last) || n != 60 || bad != 30 {
		t.Errorf("%v, %d requests, %d failed", got, n, bad)
	}
	if got, n, bad := tr.lastHour("okta", last.Add(2*time.Hour)); !got.Equal(last) || n+bad != 0 {
		t.Errorf("two hours later: %v, %d requests, %d failed", got, n, bad)
	}
	if got, n, _ := tr.lastHour("entra", last); !got.IsZero() || n != 0 {
		t.Errorf("of another: %v, %d", got, n)
	}
}
