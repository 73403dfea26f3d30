package riskcloud_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/backendtest"
	"github.com/scimbridge/scimbridge/backend/examine"
	"github.com/scimbridge/scimbridge/backend/riskcloud"
	"github.com/scimbridge/scimbridge/backend/riskcloud/simulator"
)

// answering returns a client of a vendor with these answers. An answer of 0 to the request of a token gives one.
func answering(t *testing.T, answer func(r *http.Request) (status int, body string)) backend.Backend {
	t.Helper()
	v := &backendtest.Vendor{Answer: func(r *http.Request) (int, http.Header, string) {
		status, body := answer(r)
		if status == 0 {
			status, body = 200, `{"access_token":"SECRET-token"}`
		}
		return status, http.Header{}, body
	}}
	c, err := riskcloud.New(riskcloud.Config{Caller: backend.Caller{URL: "https://vendor.example", Transport: v}, ClientID: backend.NewSecret("id"), ClientSecret: backend.NewSecret(backendtest.Secret)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func isToken(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }
func isRoles(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/roles") }

func add(id string) backend.Delta {
	return backend.Delta{Target: "t1", Changes: []backend.Change{{Account: backend.Account{ID: id}, Op: backend.Add, Roles: []string{riskcloud.Member}}}}
}

// A credential that gets no token is Unauthorized with any status: it concerns every account.
func TestNoToken(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 422} {
		c := answering(t, func(r *http.Request) (int, string) { return status, `{"error":"invalid_client"}` })
		_, applying := c.Apply(t.Context(), add("a1"))
		for what, err := range map[string]error{"applying": applying, "inviting": c.Invite(t.Context(), "t1", "a@example.com"), "ending": c.Offboard(t.Context(), "t1", backend.Account{ID: "a1"})} {
			var e *backend.Error
			if !errors.As(err, &e) || e.Kind != backend.Unauthorized || e.Status == http.StatusForbidden || !e.Unsent {
				t.Errorf("%s, the token is refused with %d: %+v", what, status, err)
			}
		}
	}
}

// Pages with fewer users than they count do not prove that an account has no role.
func TestIncompleteListing(t *testing.T) {
	const roles = `[{"id":"t1","name":"Role","users":[],"userCount":0}]`
	page := func(n, pages, total int, ids ...string) string {
		var people []string
		for _, id := range ids {
			people = append(people, fmt.Sprintf(`{"id":%q,"email":"%s@example.com","status":"Active"}`, id, id))
		}
		return fmt.Sprintf(`{"content":[%s],"number":%d,"totalElements":%d,"totalPages":%d,"last":%v}`, strings.Join(people, ","), n, total, pages, n+1 >= pages)
	}
	for name, c := range map[string]struct {
		pages []string
		whole bool
	}{
		"whole":                         {[]string{page(0, 2, 3, "b2", "c3"), page(1, 2, 3, "d4")}, true},
		"it shrank between two pages":   {[]string{page(0, 2, 4, "b2", "c3"), page(1, 2, 3, "d4")}, false},
		"one twice in place of another": {[]string{page(0, 2, 3, "b2", "c3"), page(1, 2, 3, "c3")}, false},
		"an empty page in the middle":   {[]string{page(0, 3, 0, "b2", "c3"), page(1, 3, 0)}, false},
		"version two counts elsewhere":  {[]string{`{"content":[{"id":"b2","status":"Active"}],"page":{"totalElements":2,"totalPages":1}}`}, false},
	} {
		b := answering(t, func(r *http.Request) (int, string) {
			switch {
			case isToken(r):
				return 0, ""
			case isRoles(r):
				return 200, roles
			}
			n := 0
			_, _ = fmt.Sscan(cmp.Or(r.URL.Query().Get("page"), "0"), &n)
			return 200, c.pages[n]
		})
		o, err := b.Observe(t.Context(), "t1")
		if o.Complete != c.whole || c.whole && err != nil {
			t.Errorf("%s: complete %v, %v", name, o.Complete, err)
		}
	}
	// an incomplete list of roles does not prove that a role is missing
	b := answering(t, func(r *http.Request) (int, string) {
		if isToken(r) {
			return 0, ""
		}
		return 200, `{"content":[{"id":"other"}],"number":0,"totalElements":2,"totalPages":1,"last":true}`
	})
	if _, err := b.Observe(t.Context(), "t1"); backend.KindOf(err) != backend.Transient {
		t.Errorf("a role that an incomplete list does not have: %v", err)
	}
}

// Of two accounts with one address the active one is chosen, otherwise always the same in any order.
func TestAddressOfTwoAccounts(t *testing.T) {
	for name, c := range map[string]struct{ people, want string }{
		"an old one": {`[{"id":"a1","email":"a@example.com","status":"Disabled"},{"id":"b2","email":"A@example.com","status":"Active"}]`, "b2"},
		"a new one":  {`[{"id":"a1","email":"a@example.com","status":"Active"},{"id":"b2","email":"A@example.com","status":"Disabled"}]`, "a1"},
		"both":       {`[{"id":"b2","email":"a@example.com","status":"Active"},{"id":"a1","email":"A@example.com","status":"Active"}]`, "a1"},
		"neither":    {`[{"id":"b2","email":"a@example.com","status":"Locked"},{"id":"a1","email":"A@example.com","status":"Disabled"}]`, "a1"},
	} {
		for range 20 { // a map has no order
			b := answering(t, func(r *http.Request) (int, string) {
				if isToken(r) {
					return 0, ""
				}
				return 200, c.people
			})
			if found, err := b.Resolve(t.Context(), "t1", nil); err != nil || found["a@example.com"].ID != c.want {
				t.Fatalf("%s: %v, %v", name, found, err)
			}
		}
	}
}

// A locked role is granted to no account. A revocation is tried, because an off-boarded user must lose
// the role. A locked role of a super-admin is not changed at all.
func TestLockedRole(t *testing.T) {
	locked := func(more string) string {
		return `[{"id":"t1","name":"Role","locked":true,"users":[{"id":"b2"}],"userCount":1` + more + `}]`
	}
	change := func(id string, op backend.Op) backend.Change {
		return backend.Change{Account: backend.Account{ID: id}, Op: op, Roles: []string{riskcloud.Member}}
	}
	for name, c := range map[string]struct {
		role    string
		delta   backend.Delta
		code    string
		written bool
	}{
		"added":                          {locked(""), add("a1"), "locked", false},
		"removed":                        {locked(""), backend.Delta{Changes: []backend.Change{change("b2", backend.Remove)}}, "", true},
		"both":                           {locked(""), backend.Delta{Changes: []backend.Change{change("b2", backend.Remove), change("a1", backend.Add)}}, "locked", false},
		"a permission set added":         {locked(""), backend.Delta{PermissionSetsToAdd: []string{"ps1"}}, "locked", false},
		"a permission set removed":       {locked(""), backend.Delta{PermissionSetsToRemove: []string{"ps1"}}, "", true},
		"an administrator's":             {locked(`,"moduleEntitlements":["ADMIN_ALL"]`), backend.Delta{Changes: []backend.Change{change("b2", backend.Remove)}}, "super_admin", false},
		"provisioned from elsewhere too": {locked(`,"autoprovisioned":true`), backend.Delta{Changes: []backend.Change{change("b2", backend.Remove)}}, "managed_elsewhere", false},
	} {
		written := false
		b := answering(t, func(r *http.Request) (int, string) {
			switch {
			case isToken(r):
				return 0, ""
			case r.Method == http.MethodPut:
				written = true
				return 200, `{"id":"t1"}`
			case isRoles(r):
				return 200, c.role
			}
			return 200, `[{"id":"a1","email":"a@example.com","status":"Active"},{"id":"b2","email":"b@example.com","status":"Active"}]`
		})
		c.delta.Target = "t1"
		_, err := b.Apply(t.Context(), c.delta)
		var e *backend.Error
		if errors.As(err, &e); written != c.written || (c.code == "") != (err == nil) || e != nil && (e.Code != c.code || e.Kind != backend.Rejected || !e.Unsent) {
			t.Errorf("%s: %v, written: %v", name, err, written)
		}
	}
}

// An incomplete user list gives the accounts that it has, and ErrPartial; a missing user may have an
// account all the same.
func TestResolveFromAnIncompleteList(t *testing.T) {
	for total, whole := range map[int]bool{1: true, 2: false} {
		b := answering(t, func(r *http.Request) (int, string) {
			switch {
			case isToken(r):
				return 0, ""
			case r.Method == http.MethodPut:
				return 200, `{"id":"t1"}`
			case isRoles(r):
				return 200, `[{"id":"t1","name":"Role","users":[],"userCount":0}]`
			}
			return 200, fmt.Sprintf(`{"content":[{"id":"a1","email":"a@example.com","status":"Active"}],"totalElements":%d,"totalPages":1,"last":true}`, total)
		})
		found, err := b.Resolve(t.Context(), "t1", nil)
		if errors.Is(err, backend.ErrPartial) == whole || err != nil && whole || found["a@example.com"].ID != "a1" {
			t.Errorf("of %d: %v, %v", total, found, err)
		}
		if _, err := b.Apply(t.Context(), add("a1")); err != nil {
			t.Errorf("of %d: a listed account: %v", total, err)
		}
		_, err = b.Apply(t.Context(), add("b2"))
		want := map[bool]string{true: "unknown_user", false: "not_shown"}[whole]
		var e *backend.Error
		if !errors.As(err, &e) || e.Kind != backend.Rejected || e.Code != want || !e.Unsent {
			t.Errorf("of %d: an account that is not listed: %v, want %s", total, err, want)
		}
		reported := slices.ContainsFunc(b.(examine.Examiner).Examine(t.Context(), []string{"t1"}), func(f examine.Finding) bool {
			return f.Level == examine.Note && strings.Contains(f.What, "more users than it shows") && f.Remedy != ""
		})
		if reported == whole {
			t.Errorf("of %d: an examination reports: %v", total, reported)
		}
	}
}

// Concurrent calls with an invalid token request one new token together. At a vendor where a new token
// ends the old one, two calls would invalidate each other's token again and again.
func TestOneTokenForAll(t *testing.T) {
	const callers = 16
	sim := simulator.New(simulator.Options{ClientID: "id", ClientSecret: backendtest.Secret}) // strict: a new token ends the old one
	sim.AddPerson("a@example.com")
	var tokens atomic.Int64
	var refused sync.WaitGroup // all are refused before one gets its answer
	var old atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isToken(r) {
			tokens.Add(1)
		} else if token := r.Header.Get("Authorization"); token == old.Load() {
			refused.Done()
			refused.Wait()
		} else if old.Load() == nil {
			defer old.Store(token)
		}
		sim.ServeHTTP(w, r)
	}))
	defer srv.Close()
	b := newClient(t, srv.URL)
	if _, err := b.Resolve(t.Context(), "t1", nil); err != nil {
		t.Fatal(err)
	}
	sim.ForgetTokens()
	refused.Add(callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			if _, err := b.Resolve(t.Context(), "t1", nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := tokens.Load(); n != 2 {
		t.Errorf("%d tokens, want the first and one more", n)
	}
}
