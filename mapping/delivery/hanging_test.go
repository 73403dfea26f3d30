package delivery_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/virustotal"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// hangingVendor answers for VirusTotal: some groups hang, some do not exist, all others are fine.
type hangingVendor struct {
	mu      sync.Mutex
	hangs   map[string]bool
	missing func(target string) bool
	users   int
	changes []string // "t29 remove_roles a0"
	at      []time.Time
	calls   map[string]int // by target
	flights map[string]int
	broken  string
}

func (v *hangingVendor) RoundTrip(req *http.Request) (*http.Response, error) {
	httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{})
	target, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/groups/"), "/")
	v.mu.Lock()
	v.calls[target]++
	if v.flights[target]++; v.flights[target] > 1 {
		v.broken = "two calls in flight on " + target
	}
	hangs, missing := v.hangs[target], v.missing(target)
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.flights[target]--
	}()
	if hangs {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	time.Sleep(200 * time.Millisecond)
	v.mu.Lock()
	defer v.mu.Unlock()
	status, body := http.StatusOK, "{}"
	switch {
	case missing:
		status, body = http.StatusNotFound, `{"error":{"code":"NotFoundError"}}`
	case req.Method == http.MethodPatch:
		sent, _ := io.ReadAll(req.Body)
		v.changes, v.at = append(v.changes, target+" "+string(sent)), append(v.at, time.Now())
	default:
		var people []string
		for i := range v.users {
			people = append(people, fmt.Sprintf(`{"type":"user","id":"a%d","attributes":{"email":"u%d@example.com"},"context_attributes":{"roles":["USER_ROLE_GROUP_ADMIN"]}}`, i, i))
		}
		body = `{"data":[` + strings.Join(people, ",") + `]}`
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

// revoked returns when a role was taken from an account on a target.
func (v *hangingVendor) revoked(target, account string) (at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, c := range v.changes {
		if strings.HasPrefix(c, target+" ") && strings.Contains(c, `"`+account+`"`) && strings.Contains(c, "remove_roles") {
			at = v.at[i]
		}
	}
	return at
}

// manyTargets is a directory of users that are members of every group, each of which gives a role on a target.
type manyTargets struct {
	t      *testing.T
	store  store.Store
	vendor *hangingVendor
	worker *delivery.Worker
}

const manyUsers = 8

func newManyTargets(t *testing.T, role string, groups ...string) *manyTargets {
	s, err := bolt.Open(filepath.Join(inMemory(t), "m.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := &hangingVendor{hangs: map[string]bool{}, missing: func(string) bool { return false }, users: manyUsers, calls: map[string]int{}, flights: map[string]int{}}
	rules, err := mapping.Compile([]mapping.Rule{{Match: `Team (?P<id>.*)`, Backend: "vt", Target: "${id}", Roles: []string{role}}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := virustotal.New(virustotal.Config{APIKey: backend.NewSecret("key"), Caller: backend.Caller{URL: "http://127.0.0.1",
		Rate: backend.Rate{N: 60, Per: time.Minute}, Timeout: 30 * time.Second, Transport: v}})
	if err != nil {
		t.Fatal(err)
	}
	w := &delivery.Worker{Name: "vt", Store: s, Backend: client, Policy: func() view.Policy { return view.Policy{Rules: rules, Brakes: usualBrakes()} }, RetryInitial: time.Second, RetryMax: 5 * time.Minute, CallTimeout: 30 * time.Second,
		ResyncEvery: time.Hour, Log: canary.Log(t),
		Settings: view.Settings{BatchSize: 25, BatchWait: time.Second, Straggler: 75 * time.Second},
	}
	m := &manyTargets{t, s, v, w.Init()}
	m.update(func(tx store.Tx) error {
		for i := range manyUsers {
			u := store.User{ID: simUser(i), UserName: simEmail(i), Emails: []string{simEmail(i)}, Active: true, Attributes: []byte(`{}`)}
			if err := tx.Directory("idp").PutUser(u); err != nil {
				return err
			}
		}
		return nil
	})
	m.groups(groups...)
	for i := range manyUsers {
		m.member(i, true, groups...)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if v.broken != "" {
			t.Error(v.broken)
		}
		_ = s.Close()
	})
	return m
}

func (m *manyTargets) update(fn func(store.Tx) error) {
	m.t.Helper()
	if err := m.store.Update(context.Background(), fn); err != nil {
		m.t.Fatal(err)
	}
}

func (m *manyTargets) groups(groups ...string) {
	m.update(func(tx store.Tx) error {
		for _, g := range groups {
			if err := tx.Directory("idp").PutGroup(store.Group{ID: g, DisplayName: "Team " + g, Attributes: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// member makes a user a member of groups, or ends that.
func (m *manyTargets) member(user int, in bool, groups ...string) {
	m.update(func(tx store.Tx) error {
		for _, g := range groups {
			change := tx.Directory("idp").AddMembers
			if !in {
				change = tx.Directory("idp").RemoveMembers
			}
			if _, err := change(g, simUser(user)); err != nil {
				return err
			}
			if err := tx.Work("vt").Touch(g, time.Now(), store.Origin{}, store.Subject{IdP: "idp", User: simUser(user)}); err != nil {
				return err
			}
		}
		return nil
	})
	m.worker.Nudge()
}

// deactivate off-boards a user.
func (m *manyTargets) deactivate(user int, groups ...string) {
	m.update(func(tx store.Tx) error {
		u, err := tx.Directory("idp").User(simUser(user))
		if err != nil {
			return err
		}
		u.Active = false
		if err := tx.Directory("idp").PutUser(u); err != nil {
			return err
		}
		for _, g := range groups {
			if err := tx.Work("vt").TouchUrgent(g, time.Now(), store.Origin{}, store.Subject{IdP: "idp", User: simUser(user)}); err != nil {
				return err
			}
		}
		return nil
	})
	m.worker.Nudge()
}

// settled waits until nothing is pending, and a minute more: the rate limit is not used up.
func (m *manyTargets) settled() {
	m.t.Helper()
	for range 10_000 {
		pending := 0
		if err := m.store.View(context.Background(), func(tx store.Tx) error {
			pending, _, _ = tx.Work("vt").Counts()
			return nil
		}); err != nil {
			m.t.Fatal(err)
		}
		if pending == 0 {
			time.Sleep(time.Minute)
			return
		}
		time.Sleep(time.Second)
	}
	m.t.Fatal("it never comes to rest")
}

// within waits for a revocation and fails if it takes longer than a bound.
func (m *manyTargets) within(bound time.Duration, target, account string) {
	m.t.Helper()
	began := time.Now()
	for m.vendor.revoked(target, account).Before(began) {
		time.Sleep(100 * time.Millisecond)
		if time.Since(began) > 30*time.Minute {
			break
		}
	}
	if took := time.Since(began); took > bound {
		m.t.Errorf("it took %s, at most %s are allowed", took, bound)
	} else {
		m.t.Logf("it took %s", took)
	}
}

// thirty are the targets of the bounds: the last one is healthy.
func thirty() (all, hang []string, healthy string) { return targets(30) }

// targets are n targets, of which the last one is healthy.
func targets(n int) (all, hang []string, healthy string) {
	for i := range n {
		all = append(all, fmt.Sprintf("t%02d", i))
	}
	return all, all[:n-1], all[n-1]
}

func (m *manyTargets) hang(targets ...string) {
	m.vendor.mu.Lock()
	defer m.vendor.mu.Unlock()
	clear(m.vendor.hangs)
	for _, t := range targets {
		m.vendor.hangs[t] = true
	}
}

// An off-boarding has a place even if every place for other work is taken.
func TestHangingTargetsTakeAllPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, hang, healthy := targets(61)
		m := newManyTargets(t, "USER_ROLE_SCAN", all...)
		m.settled()
		m.hang(hang...)
		m.member(1, false, hang...)
		time.Sleep(25 * time.Second)
		m.deactivate(2, healthy)
		m.within(4*time.Second, healthy, "a2")
	})
}

// A target that failed last time waits behind those that did not.
func TestFailedTargetWaitsBehind(t *testing.T) {
	gammas := mapping.Rule{Groups: []string{"Gammas"}, Backend: "vt", Target: "gamma", Roles: []string{"ADMIN"}}
	w := newWorld(t, admins, betas, gammas)
	team(w, 1, "Admins", "Betas", "Gammas")
	for _, g := range []string{"Admins", "Betas", "Gammas"} {
		w.join("okta", "u0", g)
	}
	w.pass(5 * time.Minute)
	w.leave("okta", "u0", "Admins")
	w.vendor.answers = []answer{{err: &backend.Error{Kind: backend.Transient, Doing: "changing roles", Status: 503}}}
	w.pass(1100 * time.Millisecond)
	w.calls()
	w.leave("okta", "u0", "Betas")
	w.leave("okta", "u0", "Gammas")
	w.clock = w.clock.Add(3 * time.Second)
	w.pass(time.Second)
	w.expectCalls("remove beta: a0=ADMIN", "remove gamma: a0=ADMIN", "remove acme: a0=ADMIN")
}

// Twenty-nine of thirty targets hang, with work on each of them, for a while before the change.
func TestHangingTargets(t *testing.T) {
	sinces := []time.Duration{0, 45 * time.Second}
	if os.Getenv("SCIMBRIDGE_LONG") != "" {
		sinces = append(sinces, time.Second, 10*time.Second, 10*time.Minute)
	}
	for _, role := range []string{"USER_ROLE_SCAN", "USER_ROLE_GROUP_ADMIN"} {
		for _, since := range sinces {
			t.Run(fmt.Sprintf("%s since %s/off-boarding on the healthy one", role, since), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					all, hang, healthy := thirty()
					m := newManyTargets(t, role, all...)
					m.settled()
					m.member(2, false, hang...)
					m.settled()
					m.hang(hang...)
					m.member(1, false, hang...)
					time.Sleep(since)
					m.deactivate(2, healthy)
					m.within(10*time.Second, healthy, "a2")
				})
			})
			t.Run(fmt.Sprintf("%s since %s/revocation", role, since), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					all, hang, healthy := thirty()
					m := newManyTargets(t, role, all...)
					m.settled()
					m.hang(hang...)
					m.member(1, false, hang...)
					time.Sleep(since)
					m.member(1, false, healthy)
					m.within(30*time.Second, healthy, "a1")
				})
			})
			t.Run(fmt.Sprintf("%s since %s/off-boarding on all", role, since), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					all, hang, healthy := thirty()
					m := newManyTargets(t, role, all...)
					m.settled()
					m.hang(hang...)
					m.member(1, false, hang...)
					time.Sleep(since)
					m.deactivate(0, all...)
					bound := 10 * time.Second
					if since < 45*time.Second { // it is not known yet which ones hang: each takes a call
						bound = 30 * time.Second
					}
					m.within(bound, healthy, "a0")
				})
			})
		}
	}
}
