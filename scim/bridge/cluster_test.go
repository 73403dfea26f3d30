package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	rcsimulator "github.com/scimbridge/scimbridge/backend/riskcloud/simulator"
	vtsimulator "github.com/scimbridge/scimbridge/backend/virustotal/simulator"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres"
)

// cluster is several replicas over one database, each a process of its own, with an independent record of
// the requests and of their effects.
type cluster struct {
	t        *testing.T
	seed     uint64
	vt       *vtsimulator.Server
	rc       *rcsimulator.Server
	journal  *journal
	replicas []*member
	dsn      string
	people   []string // e-mail addresses
	ids      map[string]string
	groups   []string // ids, besides granted
	client   *http.Client
	away     atomic.Pointer[member] // gets no more requests
	shared   store.Shared           // knows the leader

	mu     sync.Mutex
	wishes map[[2]string][]wish // by address and group
	unsure map[[2]string]bool   // the last wish has no answer: the next waits until its outcome is known
}

// member is one replica.
type member struct {
	*setup
	ways []*proxy // to the databases
	asks string   // its address, from its first start on
	p    *process
}

// granted are the groups of the cluster, and the grant of each.
var granted = []struct{ group, role string }{
	{"VT Admins", "acme USER_ROLE_GROUP_ADMIN"},
	{"team-1", "acme USER_ROLE_INTELLIGENCE"},
	{"risk-approver", "approver"},
}

// shortLease is how long a lease lasts in these tests.
const shortLease = 3 * time.Second

func newCluster(t *testing.T, replicas int, skews []time.Duration, databases ...*database) *cluster {
	t.Helper()
	f := &cluster{t: t, seed: rand.Uint64(), vt: vtsimulator.New(vtsimulator.Options{}), rc: rcsimulator.New(rcsimulator.Options{}),
		dsn: databases[0].dsn(), ids: map[string]string{}, wishes: map[[2]string][]wish{}, unsure: map[[2]string]bool{},
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	t.Logf("seed %d", f.seed)
	for i := range 60 {
		f.people = append(f.people, fmt.Sprintf("p%02d@example.com", i))
	}
	f.journal = newJournal(func(p string) []string { return append(f.vt.Roles(p), f.rc.Roles(p)...) }, f.people)
	vt, rc := httptest.NewServer(f.journal.before(f.vt)), httptest.NewServer(f.journal.before(f.rc))
	t.Cleanup(vt.Close)
	t.Cleanup(rc.Close)
	f.rc.AddRole("approver", "Role approver")
	f.vt.Grant("acme", f.vt.AddPerson("credential@example.com"), "USER_ROLE_GROUP_ADMIN")
	for _, p := range f.people {
		f.vt.Join("acme", f.vt.AddPerson(p))
		f.rc.AddPerson(p)
	}
	for n := range replicas {
		m := &member{setup: &setup{t: t, vt: f.vt, rc: f.rc}}
		var hosts, ports []string
		for _, d := range databases {
			way := newProxy(t, d.address())
			host, port, err := net.SplitHostPort(way.address)
			if err != nil {
				t.Fatal(err)
			}
			m.ways, hosts, ports = append(m.ways, way), append(hosts, host), append(ports, port)
		}
		dsn := fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres sslmode=disable target_session_attrs=read-write connect_timeout=3", strings.Join(hosts, ","), strings.Join(ports, ","))
		dir := t.TempDir()
		m.path = filepath.Join(dir, "config.yaml")
		backends := "mode: sync, rate_limit: 1000/s, call_timeout: 2s, straggler_window: 2s, resync_every: 20s, retry: {initial: 100ms, max: 1s}, batch: {size: 10, wait: 20ms}, max_removals: {count: 1000, percent: 100, window: 1h}"
		configFile := fmt.Sprintf(`
server: {listen: 127.0.0.1:%d}
console: {listen: 127.0.0.1:%d}
store: {driver: postgres, dsn: %q, key_file: %s, lease: %s}
identity_providers: {entra: {tokens: [%s]}}
backends:
  vt: {kind: virustotal, url: %s, api_key: key-of-the-tests, %s}
  rc: {kind: riskcloud, url: %s, client_id: id, client_secret: secret, %s}
mappings:
  - {group: VT Admins, backend: vt, target: acme, roles: [USER_ROLE_GROUP_ADMIN]}
  - {group: team-1, backend: vt, target: acme, roles: [USER_ROLE_INTELLIGENCE]}
  - {group: risk-approver, backend: rc, target: approver}
`, freePort(t), freePort(t), dsn, filepath.Join(dir, "operator.key"), shortLease, entraToken, vt.URL, backends, rc.URL, backends)
		if err := os.WriteFile(m.path, []byte(configFile), 0o600); err != nil {
			t.Fatal(err)
		}
		if n < len(skews) {
			m.skew = skews[n]
		}
		f.replicas = append(f.replicas, m)
	}
	return f
}

// leader returns the replica that delivers to a backend; any if none does.
func (f *cluster) leader(backend string) *member {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	replicas, err := f.shared.Replicas(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	leases, err := f.shared.Leases(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, l := range leases {
		for _, r := range replicas {
			for _, m := range f.replicas {
				_, port, _ := strings.Cut(strings.TrimPrefix(m.console, "http://"), ":")
				if l.Name == backend && r.ID == l.Owner && strings.HasSuffix(r.Address, ":"+port) {
					return m
				}
			}
		}
	}
	return f.replicas[0]
}

// start launches every replica and makes users and groups.
func (f *cluster) start() {
	f.t.Helper()
	for _, m := range f.replicas {
		m.p = m.launch()
		m.asks = m.scim
	}
	s, err := postgres.Open(context.Background(), f.dsn, postgres.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = s.Close() })
	f.shared = s
	first := f.replicas[0]
	for _, p := range f.people {
		f.ids[p] = first.user(p)
	}
	for _, g := range granted {
		f.groups = append(f.groups, first.group(g.group))
	}
}

// load changes memberships with eight clients until ctx ends, each at a replica that answers.
func (f *cluster) load(ctx context.Context, round int) {
	const clients = 8
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			r := rand.New(rand.NewPCG(f.seed, uint64(round*clients+c)))
			for ctx.Err() == nil {
				person := f.people[c+clients*r.IntN((len(f.people)-c+clients-1)/clients)]
				f.ask(r, person, r.IntN(len(granted)), r.IntN(2) == 0)
			}
		})
	}
	all.Wait()
}

// ask makes one request. Only after a refused connection, which changed nothing, it goes to the next replica.
func (f *cluster) ask(r *rand.Rand, person string, group int, in bool) {
	key := [2]string{person, granted[group].group}
	f.mu.Lock()
	busy := f.unsure[key]
	f.mu.Unlock()
	if busy {
		return
	}
	id := f.ids[person]
	op := `{"op":"remove","path":"members[value eq \"` + id + `\"]"}`
	if in {
		op = `{"op":"add","path":"members","value":[{"value":"` + id + `"}]}`
	}
	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + op + `]}`
	at := f.replicas[r.IntN(len(f.replicas))]
	if at == f.away.Load() {
		return
	}
	w := wish{sent: time.Now(), in: in}
	req, err := http.NewRequestWithContext(context.Background(), "PATCH", at.asks+"/Groups/"+f.groups[group], strings.NewReader(body))
	if err != nil {
		f.t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+entraToken)
	res, err := f.client.Do(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode == http.StatusNoContent {
			w.acked = time.Now()
		} else if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
			f.t.Errorf("PATCH: %d", res.StatusCode)
		}
	}
	var op2 *net.OpError
	if errors.As(err, &op2) && op2.Op == "dial" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wishes[key] = append(f.wishes[key], w)
	f.unsure[key] = w.acked.IsZero()
}

// ready waits until a replica accepts requests durably.
func (m *member) ready() {
	m.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	client, answer := &http.Client{Timeout: patience / 10}, ""
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		res, err := client.Get(m.console + "/readyz")
		if err != nil {
			answer = err.Error()
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
		answer = fmt.Sprintf("%d %s", res.StatusCode, body)
	}
	m.t.Fatalf("a replica does not become ready: %s\n%s", answer, m.p.stands())
}

// compare checks what every replica serves against the answers, and learns the outcome of requests without an answer.
func (f *cluster) compare() {
	f.t.Helper()
	for _, m := range f.replicas {
		m.ready()
	}
	for g, id := range f.groups {
		for n, m := range f.replicas {
			status, body := m.send(entraToken, "GET", "/Groups/"+id, "")
			var group struct{ Members []struct{ Value string } }
			if err := json.Unmarshal(body, &group); status != 200 || err != nil {
				f.t.Fatalf("%d %s", status, body)
			}
			members := map[string]bool{}
			for _, m := range group.Members {
				members[m.Value] = true
			}
			for _, p := range f.people {
				key := [2]string{p, granted[g].group}
				is, all := members[f.ids[p]], f.wishes[key]
				switch {
				case len(all) == 0 && is:
					f.t.Errorf("replica %d: %v is a member without a request", n, key)
				case len(all) == 0:
				case !f.unsure[key] && all[len(all)-1].in != is:
					f.t.Errorf("replica %d: %v was answered %t and is %t", n, key, all[len(all)-1].in, is)
				case f.unsure[key] && n == 0: // now the outcome is known, and the other replicas must agree
					f.unsure[key] = false
					now := time.Now()
					f.wishes[key] = append(all, wish{sent: now, acked: now, in: is})
				}
			}
		}
	}
}

// converge waits until the roles at the vendors follow the groups and every replica reports nothing pending.
func (f *cluster) converge() {
	f.t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	wrong := ""
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		wrong = ""
		for _, p := range f.people {
			want := []string{}
			for _, g := range granted {
				if all := f.wishes[[2]string{p, g.group}]; len(all) > 0 && all[len(all)-1].in {
					want = append(want, g.role)
				}
			}
			slices.Sort(want)
			got := append(f.vt.Roles(p), f.rc.Roles(p)...)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				wrong += fmt.Sprintf("%s has %q, want %q\n", p, got, want)
			}
		}
		for n, m := range f.replicas {
			for _, b := range []string{"vt", "rc"} {
				if left := m.metric(`scimbridge_pending_changes{backend="` + b + `"}`); left != "0" {
					wrong += fmt.Sprintf("replica %d, %s: %s pending\n", n, b, left)
				}
			}
		}
		if wrong == "" {
			return
		}
	}
	f.t.Fatalf("not converged:\n%s", wrong)
}

// end converges and then checks the journal against the requests.
func (f *cluster) end() {
	f.t.Helper()
	f.compare()
	f.converge()
	for _, u := range f.journal.justify(func(person, role string) []wish {
		for _, g := range granted {
			if g.role == role {
				return f.wishes[[2]string{person, g.group}]
			}
		}
		return nil
	}) {
		f.t.Error(u)
	}
	if f.journal.most > 1 {
		f.t.Errorf("%d calls were under way at once on one target", f.journal.most)
	}
}
