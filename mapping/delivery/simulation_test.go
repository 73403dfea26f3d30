package delivery_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// The simulation runs the production worker, with its own clock and goroutines, against a vendor and a machine that
// fail: SCIMBRIDGE_SIM_SEEDS is how many seeds, SCIMBRIDGE_SEED repeats one.
const (
	simSeeds = "SCIMBRIDGE_SIM_SEEDS"
	simSeed  = "SCIMBRIDGE_SEED"

	simPeople  = 8
	simChanges = 120
	simWindow  = 75 * time.Second
)

var (
	simTargets = []string{"acme", "beta"}
	simGroups  = map[string]mapping.Rule{
		"Admins": {Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}},
		"Bosses": {Backend: "vt", Target: "acme", Roles: []string{"ADMIN", "SCAN"}},
		"Betas":  {Backend: "vt", Target: "beta", Roles: []string{"SCAN"}},
	}
)

func TestSimulation(t *testing.T) {
	seeds, first := 40, uint64(1)
	if v := os.Getenv(simSeeds); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		seeds = n
	} else if os.Getenv("SCIMBRIDGE_LONG") != "" {
		seeds = 1000
	}
	if v := os.Getenv(simSeed); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds, first = 1, n
	}
	var virtual, calls, crashes atomic.Int64
	for i := range seeds {
		seed := first + uint64(i)
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, seed)
				s.run()
				virtual.Add(int64(time.Since(s.began)))
				calls.Add(int64(s.calls))
				crashes.Add(int64(s.crashes))
			})
		})
		if !ok {
			t.Fatalf("to repeat: %s=%d go test ./mapping/delivery -run TestSimulation", simSeed, seed)
		}
	}
	t.Logf("%d seeds, %.0f virtual hours, %d calls, %d crashes", seeds, time.Duration(virtual.Load()).Hours(), calls.Load(), crashes.Load())
}

type simGrant struct{ target, account, role string }

// simulation is one seed: a store, a vendor, a worker that crashes and comes back.
type simulation struct {
	t     *testing.T
	rnd   *rand.Rand
	store store.Store
	rules *mapping.Rules
	began time.Time
	holds bool // small limits, and an operator who approves

	mu        sync.Mutex
	has       map[simGrant]bool
	byHand    map[simGrant]bool
	faults    bool
	hidden    bool                   // the vendor does not show roles
	lastRead  map[string][]simGrant  // what a stale read shows
	changed   map[simGrant]time.Time // when the wish last changed
	inFlight  map[string]int         // target -> generation
	gen       int                    // of the process
	calls     int
	crashes   int
	violation string
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	dir := t.TempDir()
	if shm, err := os.MkdirTemp("/dev/shm", "sim"); err == nil { // syncs cost nothing there
		dir = shm
		t.Cleanup(func() { _ = os.RemoveAll(shm) })
	}
	s, err := bolt.Open(filepath.Join(dir, "sim.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var rules []mapping.Rule
	for _, name := range slices.Sorted(maps.Keys(simGroups)) {
		r := simGroups[name]
		r.Groups = []string{name}
		rules = append(rules, r)
	}
	compiled, err := mapping.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(seed, 7))
	return &simulation{t: t, rnd: rnd, store: s, rules: compiled, began: time.Now(), faults: true, hidden: rnd.IntN(3) == 0, holds: rnd.IntN(4) == 0,
		has: map[simGrant]bool{}, byHand: map[simGrant]bool{}, lastRead: map[string][]simGrant{}, changed: map[simGrant]time.Time{}, inFlight: map[string]int{}}
}

func (s *simulation) chance(percent int) bool { return s.rnd.IntN(100) < percent }

func simUser(i int) string    { return fmt.Sprint("u", i) }
func simAccount(i int) string { return fmt.Sprint("a", i) }
func simEmail(i int) string   { return fmt.Sprintf("u%d@example.com", i) }

func (s *simulation) run() {
	s.must(s.store.Update(s.t.Context(), func(tx store.Tx) error {
		d := tx.Directory("idp")
		for i := range simPeople {
			u := store.User{ID: simUser(i), UserName: simEmail(i), Emails: []string{simEmail(i)}, Active: true, Attributes: []byte(`{}`)}
			if err := d.PutUser(u); err != nil {
				return err
			}
		}
		for _, name := range slices.Sorted(maps.Keys(simGroups)) {
			if err := d.PutGroup(store.Group{ID: name, DisplayName: name, Attributes: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return nil
	}))
	s.hand(simGrant{"acme", "root", "ADMIN"}) // foreign, and stays so
	s.hand(simGrant{"beta", "root", "OTHER"})
	stop := make(chan struct{})
	ended := make(chan struct{})
	go s.machine(stop, ended)
	for range simChanges {
		time.Sleep(time.Duration(s.random(10_000)) * time.Millisecond)
		s.change()
	}
	s.mu.Lock()
	s.faults = false
	s.mu.Unlock()
	for range 12 { // calm: stragglers end, resyncs repair, the operator approves
		time.Sleep(5 * time.Minute)
	}
	close(stop)
	<-ended
	s.compare()
}

func (s *simulation) random(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rnd.IntN(n)
}

func (s *simulation) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *simulation) hand(g simGrant) { s.has[g], s.byHand[g] = true, true }

// machine runs one process after the other: each crashes at some step of its work.
func (s *simulation) machine(stop, ended chan struct{}) {
	defer close(ended)
	for {
		s.mu.Lock()
		s.gen++
		p := &process{simulation: s, gen: s.gen, left: 20 + s.rnd.IntN(150), after: s.rnd.IntN(2) == 0, died: make(chan struct{})}
		if !s.faults {
			p.left = 1 << 30
		}
		s.mu.Unlock()
		ctx, cancel := context.WithCancel(context.Background())
		w := p.worker()
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		approve := time.NewTicker(7 * time.Minute)
		for running := true; running; {
			select {
			case <-p.died: // the process is gone at once; what it had under way goes on at the vendor
				running = false
				s.mu.Lock()
				s.crashes++
				s.mu.Unlock()
				time.Sleep(time.Duration(s.random(5000)) * time.Millisecond)
			case <-approve.C:
				p.approveAll(w)
			case <-stop:
				cancel()
				<-done
				approve.Stop()
				return
			}
		}
		cancel()
		approve.Stop()
	}
}

// process is the store and the vendor as one process sees them, until it crashes.
type process struct {
	*simulation
	gen   int
	left  int  // steps until the crash
	after bool // it crashes after the step took effect, not before
	dead  bool
	died  chan struct{}
}

var errCrashed = fmt.Errorf("crashed: %w", store.ErrClosed)

// step counts down to the crash and says whether the step happens.
func (p *process) step() (happens, survives bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false, false
	}
	if p.left--; p.left > 0 {
		return true, true
	}
	p.dead = true
	close(p.died)
	return p.after, false
}

// crashingStore is the store of a process.
type crashingStore struct {
	store.Store
	p *process
}

func (c crashingStore) View(ctx context.Context, fn func(store.Tx) error) error {
	if happens, survives := c.p.step(); !happens || !survives {
		return errCrashed
	}
	return c.Store.View(ctx, fn)
}

func (c crashingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	happens, survives := c.p.step()
	if !happens {
		return errCrashed
	}
	if err := c.Store.Update(ctx, fn); err != nil || survives {
		return err
	}
	return errCrashed
}

func (p *process) worker() *delivery.Worker {
	w := &delivery.Worker{
		Name: "vt", Store: crashingStore{p.store, p}, Backend: p, Rules: func() *mapping.Rules { return p.rules }, Mode: delivery.Sync,
		BatchSize: 3, BatchWait: time.Second, RetryInitial: time.Second, RetryMax: 10 * time.Second, CallTimeout: 10 * time.Second, Straggler: simWindow,
		ResyncEvery: 10 * time.Minute, Protect: []string{simEmail(0)},
		MaxRemovals: delivery.Limit{Count: 100, Window: time.Hour}, MaxOffboardings: delivery.Limit{Count: 100, Window: time.Hour},
	}
	if p.holds {
		w.MaxRemovals = delivery.Limit{Count: 2, Window: 10 * time.Minute}
	}
	return w.Init()
}

// approveAll is the operator: everything goes but what is protected.
func (p *process) approveAll(w *delivery.Worker) {
	holds, err := w.Holds(context.Background())
	if err != nil {
		return
	}
	for _, h := range holds {
		if h.Why != "protected" {
			_ = w.Approve(context.Background(), h.ID, "operator") // it may have gone meanwhile, or the process
		}
	}
	w.Nudge()
}

// change is a request of the identity provider, as package scim stores it, or somebody's hand at the vendor.
func (s *simulation) change() {
	s.mu.Lock()
	i, kind := s.rnd.IntN(simPeople), s.rnd.IntN(20)
	group := slices.Sorted(maps.Keys(simGroups))[s.rnd.IntN(len(simGroups))]
	s.mu.Unlock()
	if kind == 0 {
		s.edit(i)
		return
	}
	before := s.wishes()
	s.must(s.store.Update(s.t.Context(), func(tx store.Tx) error {
		d, w, now := tx.Directory("idp"), tx.Work("vt"), time.Now()
		subject := store.Subject{IdP: "idp", User: simUser(i)}
		if kind < 4 {
			u, err := d.User(simUser(i))
			if err != nil {
				return err
			}
			u.Active = !u.Active
			if err := d.PutUser(u); err != nil {
				return err
			}
			for _, t := range simTargets {
				touch := w.Touch
				if !u.Active {
					touch = w.Hurry
				}
				if err := touch(t, now, subject); err != nil {
					return err
				}
			}
			return nil
		}
		in, err := d.IsMember(group, simUser(i))
		if err == nil && in {
			_, err = d.RemoveMembers(group, simUser(i))
		} else if err == nil {
			_, err = d.AddMembers(group, simUser(i))
		}
		if err != nil {
			return err
		}
		return w.Touch(simGroups[group].Target, now, subject)
	}))
	after := s.wishes()
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range before {
		if !after[g] {
			s.changed[g] = time.Now()
		}
	}
	for g := range after {
		if !before[g] {
			s.changed[g] = time.Now()
		}
	}
}

// edit takes a grant of ours away by hand, now and then.
func (s *simulation) edit(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hidden { // where nobody can see it nobody can repair it
		delete(s.has, simGrant{"beta", simAccount(i), "SCAN"})
	}
}

// wishes is what the rules say now.
func (s *simulation) wishes() map[simGrant]bool {
	out := map[simGrant]bool{}
	s.must(s.store.View(s.t.Context(), func(tx store.Tx) error {
		clear(out)
		for i := range simPeople {
			u, err := tx.Directory("idp").User(simUser(i))
			if err != nil {
				return err
			}
			var groups []store.Group
			for g, err := range tx.Directory("idp").GroupsOf(u.ID) {
				if err != nil {
					return err
				}
				groups = append(groups, g)
			}
			for _, g := range s.rules.Desired("idp", u, groups) {
				out[simGrant{g.Target.Target, simAccount(i), g.Role}] = true
			}
		}
		return nil
	}))
	return out
}

func (s *simulation) compare() {
	want := s.wishes()
	for g := range s.byHand {
		want[g] = true
	}
	var wrong []string
	for g := range s.has {
		if s.has[g] && !want[g] && g.account != simAccount(0) { // who is protected keeps what they had
			wrong = append(wrong, fmt.Sprintf("%+v is there and must not be", g))
		}
	}
	for g := range want {
		if !s.has[g] {
			wrong = append(wrong, fmt.Sprintf("%+v is missing", g))
		}
	}
	if s.violation != "" {
		wrong = append(wrong, s.violation)
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		s.t.Fatal(strings.Join(append(wrong, s.remains()...), "\n"))
	}
	s.must(s.store.View(s.t.Context(), func(tx store.Tx) error {
		if pending, blocked, _ := tx.Work("vt").Counts(); pending+blocked > 0 {
			return fmt.Errorf("at rest %d are pending and %d blocked", pending, blocked)
		}
		return nil
	}))
}

// remains is what the store says at the end, for whoever looks into a failure.
func (s *simulation) remains() (out []string) {
	s.must(s.store.View(s.t.Context(), func(tx store.Tx) error {
		for m, err := range tx.Work("vt").Marks("") {
			if err != nil {
				return err
			}
			out = append(out, fmt.Sprintf("mark %+v", m))
		}
		for e, err := range tx.Ledger("vt").Entries("", "") {
			if err != nil {
				return err
			}
			out = append(out, fmt.Sprintf("entry %+v", e))
		}
		return nil
	}))
	return out
}

// The process is also the vendor's client.

func (p *process) Traits() backend.Traits { return backend.Traits{Replace: true, ShowsAll: true} }

func (p *process) Ready(ctx context.Context) error { return ctx.Err() }

func (p *process) read() error {
	if happens, survives := p.step(); !happens || !survives {
		return errCrashed
	}
	time.Sleep(time.Duration(20+p.random(300)) * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.faults && p.chance(10) {
		return &backend.Error{Kind: backend.Transient, Doing: "reading", Status: 503}
	}
	return nil
}

func (p *process) Resolve(context.Context, string, []string) (map[string]backend.Account, error) {
	if err := p.read(); err != nil {
		return nil, err
	}
	out := map[string]backend.Account{}
	for i := range simPeople {
		out[simEmail(i)] = backend.Account{ID: simAccount(i), Key: simEmail(i)}
	}
	return out, nil
}

func (p *process) Invite(context.Context, string, string) error { return nil }

func (p *process) Offboard(context.Context, string, backend.Account) error { return nil }

func (p *process) Observe(_ context.Context, target string) (backend.Observation, error) {
	if err := p.read(); err != nil {
		return backend.Observation{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := backend.Observation{Complete: true, Roles: !p.hidden, Members: map[string]backend.Account{}, Holders: map[string][]string{}}
	empty, truncated, stale := p.faults && p.chance(4), p.faults && p.chance(4), p.faults && p.chance(5)
	if empty {
		return o, nil
	}
	for i := range simPeople {
		o.Members[simAccount(i)] = backend.Account{ID: simAccount(i), Key: simEmail(i)}
	}
	o.Members["root"] = backend.Account{ID: "root"}
	shown := p.shown(target)
	if stale {
		shown = p.lastRead[target]
	}
	p.lastRead[target] = p.shown(target)
	for _, g := range shown {
		if truncated && p.chance(50) {
			o.Complete = false
			continue
		}
		o.Holders[g.account] = append(o.Holders[g.account], g.role)
	}
	return o, nil
}

func (s *simulation) shown(target string) []simGrant {
	var out []simGrant
	for g := range s.has {
		if s.has[g] && g.target == target {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b simGrant) int { return strings.Compare(a.account+a.role, b.account+b.role) })
	return out
}

// Apply is the vendor: most calls are fine, some fail before or after they take effect, some take effect later.
func (p *process) Apply(_ context.Context, d backend.Delta) ([]backend.Outcome, error) {
	if happens, survives := p.step(); !happens {
		return nil, errCrashed
	} else if !survives { // sent, and nobody is there to hear the answer
		p.mu.Lock()
		p.apply(d, len(d.Changes))
		p.mu.Unlock()
		return nil, errCrashed
	}
	p.mu.Lock()
	p.check(d)
	p.inFlight[d.Target] = p.gen
	p.calls++
	dice, wait := 100, time.Duration(20+p.rnd.IntN(500))*time.Millisecond
	if p.faults {
		dice = p.rnd.IntN(100)
	}
	straggle := time.Duration(p.rnd.IntN(70_000)) * time.Millisecond
	part := p.rnd.IntN(len(d.Changes) + 1)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.inFlight[d.Target] == p.gen {
			delete(p.inFlight, d.Target)
		}
	}()
	failed := func(kind backend.Kind, status int) error {
		return &backend.Error{Kind: kind, Doing: "changing roles", Status: status}
	}
	time.Sleep(wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case dice < 8: // a clean failure
		return nil, failed(backend.Transient, 503)
	case dice < 14: // reset after it took effect
		p.apply(d, len(d.Changes))
		return nil, failed(backend.Transient, 0)
	case dice < 22: // a timeout: it takes effect later
		time.AfterFunc(straggle, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.apply(d, len(d.Changes))
		})
		return nil, failed(backend.Transient, 0)
	case dice < 25:
		e := &backend.Error{Kind: backend.Throttled, Doing: "changing roles", Status: 429, Until: time.Now().Add(30 * time.Second)}
		return nil, e
	case dice < 28 && len(d.Changes) > 1: // some of a batch, and then a refusal
		p.apply(d, part)
		return nil, failed(backend.Rejected, 404)
	case dice < 30:
		return nil, failed(backend.Unauthorized, 401)
	}
	p.apply(d, len(d.Changes))
	out := make([]backend.Outcome, len(d.Changes))
	for i := range out {
		out[i] = backend.Applied
	}
	return out, nil
}

func (s *simulation) apply(d backend.Delta, n int) {
	for _, c := range d.Changes[:n] {
		for _, role := range c.Roles {
			s.has[simGrant{d.Target, c.Account.ID, role}] = c.Op == backend.Add
		}
	}
}

// check holds every call to what is always true.
func (p *process) check(d backend.Delta) {
	broken := func(format string, args ...any) {
		if p.violation == "" {
			p.violation = fmt.Sprintf(format, args...)
		}
	}
	if p.inFlight[d.Target] == p.gen {
		broken("two calls in flight on %s", d.Target)
	}
	for _, c := range d.Changes {
		for _, role := range c.Roles {
			g := simGrant{d.Target, c.Account.ID, role}
			switch {
			case c.Op == backend.Remove && p.byHand[g]:
				broken("%+v was granted by hand and is removed", g)
			case c.Op == backend.Remove && c.Account.ID == simAccount(0):
				broken("%+v is protected and is removed", g)
			}
		}
	}
}
