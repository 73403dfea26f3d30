package console

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/desk"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
)

// TestRoles is every route of the operator API for every role, and for keys that open nothing.
func TestRoles(t *testing.T) {
	c, server := newConsole(t)
	c.Key = backend.NewSecret("key-of-local")
	key := func(name string, role auth.Role, end time.Time) auth.OperatorKey {
		return auth.OperatorKey{Credential: auth.Credential{IdP: name, Hash: sha256.Sum256([]byte("key-of-" + name)), Expires: end}, Role: role}
	}
	all := auth.Operators{key("viewer", auth.Viewer, time.Time{}), key("approver", auth.Approver, time.Time{}), key("admin", auth.Admin, time.Time{}),
		key("expired", auth.Admin, time.Now().Add(-time.Minute))}
	c.Operators = func() auth.Operators { return all }
	var rejected []string
	c.Rejected = func(_ *http.Request, why *auth.Refusal) { rejected = append(rejected, why.Why) }
	c.Plan = func(context.Context, PlanRequest) ([]desk.Preview, error) { return nil, nil }
	c.Reload = func(context.Context, ReloadRequest) (Reloaded, error) { return Reloaded{}, nil }
	c.Resume = func(context.Context, Decision) (bool, error) { return true, nil }
	c.Backup = func(_ context.Context, to io.Writer) error { _, err := io.WriteString(to, "copy"); return err }
	c.Export = c.Backup
	needs := map[string]auth.Role{
		"GET /api/status": auth.Viewer, "GET /api/holds": auth.Viewer, "POST /api/plan": auth.Viewer, "GET /api/explain?user=ada": auth.Viewer,
		"GET /api/group": auth.Viewer, "GET /api/access": auth.Viewer, "GET /api/audit": auth.Viewer, "GET /api/audit/verify": auth.Viewer,
		"POST /api/holds/vt-7/approve": auth.Approver, "POST /api/holds/vt-7/reject": auth.Approver, "POST /api/retry": auth.Approver, "POST /api/resync": auth.Approver,
		"POST /api/reload": auth.Admin, "POST /api/resume": auth.Admin, "GET /api/backup": auth.Admin, "GET /api/export": auth.Admin,
	}
	roles := map[string]auth.Role{"viewer": auth.Viewer, "approver": auth.Approver, "admin": auth.Admin, "local": auth.Admin, "expired": 0, "eve": 0}
	for route, least := range needs {
		method, path, _ := strings.Cut(route, " ")
		if path == "/api/access" {
			continue // needs a source: its handler is that of the others
		}
		for name, role := range roles {
			status, body := callAs(t, server.URL, method, path, "key-of-"+name)
			switch {
			case role == 0 && status != 401, role > 0 && role < least && status != 403, role >= least && (status == 401 || status == 403):
				t.Errorf("%s as %s: %d %s", route, name, status, body)
			case status == 403 && !strings.Contains(body, "the operator "+name+" has the role "+role.String()+"; this needs "+least.String()):
				t.Errorf("%s as %s: %s", route, name, body)
			}
		}
	}
	if got := strings.Join(rejected, ", "); !strings.Contains(got, auth.NoOperator) || !strings.Contains(got, "an operator's key that has expired: expired") || strings.Contains(got, "key-of") {
		t.Errorf("%s", got)
	}
	if status, _ := callAs(t, server.URL, "GET", "/api/access", "key-of-eve"); status != 401 {
		t.Errorf("/api/access: %d", status)
	}
}

// callAs calls the operator API with a key.
func callAs(t *testing.T, url, method, path, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
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

// TestWhoDecided: every decision and every copy says whose it is, how they signed in, and why.
func TestWhoDecided(t *testing.T) {
	c, server := newConsole(t)
	c.Operators = func() auth.Operators {
		return auth.Operators{{Credential: auth.Credential{IdP: "ada", Hash: sha256.Sum256([]byte("key-of-ada"))}, Role: auth.Admin}}
	}
	var decisions []Decision
	c.Reload = func(_ context.Context, asked ReloadRequest) (Reloaded, error) {
		decisions = append(decisions, asked.By)
		return Reloaded{}, nil
	}
	c.Resume = func(_ context.Context, d Decision) (bool, error) { decisions = append(decisions, d); return true, nil }
	c.Backup = func(context.Context, io.Writer) error { return nil }
	c.Export = c.Backup
	for _, route := range []string{"POST /api/reload", "POST /api/resume", "POST /api/retry", "POST /api/resync", "GET /api/backup", "GET /api/export", "POST /api/holds/vt-7/approve"} {
		method, path, _ := strings.Cut(route, " ")
		if status, body := callAs(t, server.URL, method, path+"?backend=vt&reason=ticket+7", "key-of-ada"); status >= 300 {
			t.Errorf("%s: %d %s", route, status, body)
		}
		for _, reason := range []string{"a%0Ab", "%ff", strings.Repeat("x", 1001)} {
			if status, body := callAs(t, server.URL, method, path+"?reason="+reason, "key-of-ada"); status != 400 || !strings.Contains(body, "a reason is one line") {
				t.Errorf("%s, reason %.9s: %d %s", route, reason, status, body)
			}
		}
	}
	if vt, _ := c.Backends[0].Engine.(*engine); strings.Join(vt.asked, ", ") != "retry, resync, operator key:ada approve vt-7 ticket 7" {
		t.Errorf("%v", vt.asked)
	}
	var got []string
	for _, d := range decisions {
		e := d.Sign(store.Event{Type: "x"})
		got = append(got, e.Actor+" "+e.Token+" "+e.Reason)
		if e.Request == "" {
			t.Error("a decision without a request id")
		}
	}
	err := c.Store.View(t.Context(), func(tx store.Tx) error {
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			got = append(got, strings.Join([]string{e.Type, e.Backend, e.Actor, e.Token, e.Reason}, " "))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"operator key:ada ticket 7", "operator key:ada ticket 7", "retry vt operator key:ada ticket 7", "resync vt operator key:ada ticket 7",
		"backup  operator key:ada ticket 7", "export  operator key:ada ticket 7"}
	if a, b := lines(t, got), lines(t, want); a != b {
		t.Errorf("%s; want %s", a, b)
	}
}

func lines(t *testing.T, all []string) string {
	t.Helper()
	out, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
