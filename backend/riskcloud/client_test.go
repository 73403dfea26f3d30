package riskcloud_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/backendtest"
	"github.com/scimbridge/scimbridge/backend/riskcloud"
	"github.com/scimbridge/scimbridge/backend/riskcloud/simulator"
)

func newClient(t *testing.T, url string) backend.Backend {
	t.Helper()
	c, err := riskcloud.New(riskcloud.Config{Caller: backend.Caller{URL: url}, ClientID: backend.NewSecret("id"), ClientSecret: backend.NewSecret(backendtest.Secret)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestContract(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{New: newClient, Prepare: func(w http.ResponseWriter, r *http.Request) bool {
		body := ""
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			body = `{"access_token":"SECRET-token"}`
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/users"):
			body = `[{"status":"Active","id":"a1","email":"a@example.com","status":"Active"}]`
		case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/roles"):
			body = `[{"id":"t1","name":"Role","users":[],"userCount":0}]`
		default:
			return false
		}
		_, _ = w.Write([]byte(body)) // the client reports it
		return true
	}})
}

func TestAllProfiles(t *testing.T) {
	for _, profile := range []string{"strict", "lenient", "partial"} {
		t.Run(profile, func(t *testing.T) {
			sim := simulator.New(simulator.Options{Profile: profile, ClientID: "id", ClientSecret: backendtest.Secret})
			ids := []string{sim.AddPerson("a@Example.com"), sim.AddPerson("b@example.com"), sim.AddPerson("c@example.com")}
			for _, r := range []string{"r0", "r1", "r2"} {
				sim.AddRole(r, "Role "+r)
			}
			sim.Grant("r1", ids[2])
			srv := httptest.NewServer(sim)
			defer srv.Close()
			c := newClient(t, srv.URL)
			found, err := c.Resolve(t.Context(), "r1", nil)
			if err != nil || len(found) != 3 || found["a@example.com"] != (backend.Account{ID: ids[0], Key: "a@example.com", Status: "Active"}) {
				t.Fatalf("found %v, %v", found, err)
			}
			member := func(id string, op backend.Op) backend.Change {
				return backend.Change{Account: backend.Account{ID: id}, Op: op, Roles: []string{riskcloud.Member}}
			}
			d := backend.Delta{Target: "r1", Changes: []backend.Change{member(ids[0], backend.Add), member(ids[2], backend.Add)}, PermissionSetsToAdd: []string{"ps1"}}
			out, err := c.Apply(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			if profile != "partial" && !slices.Equal(out, []backend.Outcome{backend.Applied, backend.Already}) {
				t.Errorf("outcomes %v, want the second account to have the role already", out)
			}
			sim.ForgetTokens()
			d = backend.Delta{Target: "r1", Changes: []backend.Change{member(ids[0], backend.Remove), member(ids[1], backend.Add)}, PermissionSetsToRemove: []string{"ps1"}}
			if _, err := c.Apply(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			for i, want := range []int{0, 1, 1} {
				if got := sim.Roles(string(rune('a'+i)) + "@example.com"); len(got) != want {
					t.Errorf("user %d has %v", i, got)
				}
			}
			if name, sets := sim.Role("r1"); name != "Role r1" || len(sets) != 0 {
				t.Errorf("the role is called %q and carries %v", name, sets)
			}
			if sim.Status(ids[1]) != "Active" {
				t.Error("a status was changed")
			}
			if n := len(sim.Calls()); n != 2 {
				t.Errorf("%d updates, want one for each delta", n)
			}
		})
	}
}

func TestAutoprovisionedUsersAreNotChanged(t *testing.T) {
	sim := simulator.New(simulator.Options{})
	id := sim.AddPerson("a@example.com")
	sim.AddRole("r1", "Role")
	sim.Autoprovision(id)
	srv := httptest.NewServer(sim)
	defer srv.Close()
	_, err := newClient(t, srv.URL).Apply(t.Context(), backend.Delta{Target: "r1", Changes: []backend.Change{{Account: backend.Account{ID: id}, Op: backend.Add, Roles: []string{riskcloud.Member}}}})
	if e, ok := err.(*backend.Error); !ok || e.Code != "account_managed_elsewhere" || len(sim.Calls()) != 0 { //nolint:errorlint // the type itself is the contract
		t.Errorf("%v, with %d updates sent", err, len(sim.Calls()))
	}
}

// A tenant with many users has a list that exceeds the limit of other answers.
func TestLongUserList(t *testing.T) {
	const people = 20_000
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			_, _ = w.Write([]byte(`{"access_token":"SECRET-token"}`))
			return
		}
		sep := "["
		for i := range people {
			_, _ = fmt.Fprintf(w, `%s{"id":"a%d","email":"a%d@example.com","status":"Active","company":%q}`, sep, i, i, strings.Repeat("x", 300))
			sep = ","
		}
		_, _ = w.Write([]byte("]"))
	}))
	defer srv.Close()
	found, err := newClient(t, srv.URL).Resolve(t.Context(), "r1", nil)
	if err != nil || len(found) != people {
		t.Errorf("found %d, %v", len(found), err)
	}
}

// The update sends the status that the vendor shows at that moment: a disabled account stays disabled.
func TestStatusIsReadBeforeAnUpdate(t *testing.T) {
	sim := simulator.New(simulator.Options{Profile: "partial", ClientID: "id", ClientSecret: backendtest.Secret})
	id := sim.AddPerson("a@example.com")
	sim.AddRole("r1", "Role")
	sent := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.HasPrefix(r.URL.Path, "/api/v1/roles/") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			sent = string(body)
			r.Body = io.NopCloser(strings.NewReader(sent))
		}
		sim.ServeHTTP(w, r)
	}))
	defer srv.Close()
	c := newClient(t, srv.URL)
	a := backend.Account{ID: id, Key: "a@example.com", Status: "Active"}
	for _, op := range []backend.Op{backend.Add, backend.Remove} {
		_, err := c.Apply(t.Context(), backend.Delta{Target: "r1", Changes: []backend.Change{{Account: a, Op: op, Roles: []string{riskcloud.Member}, Recent: true}}})
		if err != nil {
			t.Fatal(err)
		}
		want := map[backend.Op]string{backend.Add: "Active", backend.Remove: "Disabled"}[op]
		if !strings.Contains(sent, `"status":"`+want+`"`) {
			t.Errorf("%v sent %s, want the status %s", op, sent, want)
		}
		if err := c.Offboard(t.Context(), "r1", a); err != nil { // an administrator disables the account
			t.Fatal(err)
		}
	}
}

// A list in pages of version 2 is read to its end.
func TestPagesOfVersionTwo(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `{"access_token":"SECRET-token"}`
		if r.Method == http.MethodGet {
			n := cmp.Or(r.URL.Query().Get("page"), "0")
			body = fmt.Sprintf(`{"content":[{"id":"a%s","email":"a%s@example.com","status":"Active"}],"page":{"size":1,"totalElements":2,"totalPages":2,"number":%s}}`, n, n, n)
		}
		_, _ = w.Write([]byte(body)) // the client reports it
	}))
	defer srv.Close()
	found, err := newClient(t, srv.URL).Resolve(t.Context(), "r1", nil)
	if err != nil || len(found) != 2 {
		t.Errorf("found %v, %v", found, err)
	}
}
