package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	simTimeout = 30 * time.Second // of a call
	simLate    = 90 * time.Second // after it was sent a call may still take effect
	simLag     = 14 * time.Second // reads may show what was so long ago
)

var (
	simGroups = map[string]mapping.Rule{
		"Admins": {Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}},
		"Bosses": {Backend: "vt", Target: "acme", Roles: []string{"ADMIN", "SCAN"}},
		"Betas":  {Backend: "vt", Target: "beta", Roles: []string{"SCAN"}},
	}
	simReloaded = map[string]mapping.Rule{ // what an operator changes the rules to, and back
		"Admins": {Backend: "vt", Target: "acme", Roles: []string{"SCAN"}},
		"Bosses": {Backend: "vt", Target: "acme", Roles: []string{"ADMIN"}},
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
		seeds = 500
	}
	if v := os.Getenv(simSeed); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds, first = 1, n
	}
	var virtual, calls, crashes, ended atomic.Int64
	for i := range seeds {
		seed := first + uint64(i)
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSimulation(t, seed)
				s.run()
				virtual.Add(int64(time.Since(s.began)))
				calls.Add(int64(s.calls))
				crashes.Add(int64(s.crashes))
				ended.Add(int64(s.ended))
			})
		})
		if !ok {
			t.Fatalf("to repeat: %s=%d go test ./mapping/delivery -run TestSimulation", simSeed, seed)
		}
	}
	t.Logf("%d seeds, %.0f virtual hours, %d calls, %d crashes, %d accounts ended", seeds, time.Duration(virtual.Load()).Hours(), calls.Load(), crashes.Load(), ended.Load())
}

type simGrant struct{ target, account, role string }

// simEvent is that a grant came to be there, or not, at a moment.
type simEvent struct {
	grant simGrant
	has   bool
	at    time.Time
}

// simulation is one seed: a store, a vendor, a worker that crashes and comes back.
type simulation struct {
	*simWorld
	t     *testing.T
	rnd   *rand.Rand
	store store.Store
	rules atomic.Pointer[mapping.Rules]
	other *mapping.Rules // what a reload brings
	began time.Time
	holds bool // small limits, and an operator who approves

	approves time.Duration // how often

	mu     sync.Mutex
	worker *delivery.Worker // of the process that runs
	clock  time.Duration    // by how much the machine's clock is wrong
	has    map[simGrant]bool
	past   []simEvent // of has
	byHand map[simGrant]bool
	faults bool
	hidden bool // the vendor does not show roles

	wish      map[simGrant]bool
	changed   map[simGrant]time.Time // when the wish last changed
	confirmed map[simGrant]simEvent  // the newest clean answer
	inFlight  map[string]int         // target -> generation
	gen       int                    // of the process
	toggled   map[string]time.Time   // user -> when it became active, or was deactivated
	calls     int
	ended     int // accounts
	crashes   int
	violation string
	trace     []string // what happened, for whoever repeats one seed
}

// maxTrace is how many lines of the trace a failure shows if no seed is repeated.
const maxTrace = 400

// lastTrace returns all of the trace if a seed is repeated, else its end. Goroutines may run in
// another order when it is repeated.
func (s *simulation) lastTrace() []string {
	if os.Getenv(simSeed) != "" {
		return s.trace
	}
	return s.trace[max(0, len(s.trace)-maxTrace):]
}

// traceWriter adds what the worker logs to the trace.
type traceWriter struct{ *simulation }

func (w traceWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell("log %s", strings.TrimSpace(string(line)))
	return len(line), nil
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func (s *simulation) tell(format string, args ...any) {
	s.trace = append(s.trace, time.Since(s.began).Round(time.Millisecond).String()+" "+fmt.Sprintf(format, args...))
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
	rnd := rand.New(rand.NewPCG(seed, 7))
	sim := &simulation{simWorld: newSimWorld(rnd, seed), t: t, rnd: rnd, store: s, began: time.Now(), faults: true, hidden: rnd.IntN(3) == 0, holds: rnd.IntN(4) == 0, approves: []time.Duration{7 * time.Minute, 11 * time.Second}[rnd.IntN(2)],
		has: map[simGrant]bool{}, byHand: map[simGrant]bool{}, inFlight: map[string]int{},
		wish: map[simGrant]bool{}, changed: map[simGrant]time.Time{}, confirmed: map[simGrant]simEvent{}, toggled: map[string]time.Time{}}
	sim.rules.Store(sim.compile(t, simGroups))
	sim.other = sim.compile(t, simReloaded)
	sim.remember()
	sim.partner = !sim.hidden && sim.moves && rnd.IntN(3) == 0
	return sim
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
		for _, name := range append(s.groups, simFloating) {
			if err := d.PutGroup(store.Group{ID: name, DisplayName: name, Attributes: []byte(`{}`)}); err != nil {
				return err
			}
		}
		return nil
	}))
	if s.partner {
		s.hand(simGrant{"acme", "p", "ADMIN"})
		s.hand(simGrant{"beta", "p", "SCAN"})
	}
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
	s.faults, s.stuck = false, false
	s.restore()
	s.mu.Unlock()
	for range 12 { // calm: stragglers end, resyncs repair, the operator approves
		time.Sleep(5 * time.Minute)
	}
	close(stop)
	<-ended
	s.compare()
	s.blame()
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

func (s *simulation) hand(g simGrant) {
	s.set(g, true)
	s.byHand[g] = true
}

// set changes what is there; the past is kept for reads that lag.
func (s *simulation) set(g simGrant, has bool) {
	s.tell("%+v: there %v", g, has)
	s.has[g] = has
	s.past = append(s.past, simEvent{g, has, time.Now()})
}

// now is the machine's clock.
func (s *simulation) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.clock)
}

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
		w := p.start()
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		approve := time.NewTicker(s.approves)
		for running := true; running; {
			select {
			case <-p.died: // the process is gone at once; what it had under way goes on at the vendor
				running = false
				s.mu.Lock()
				s.crashes++
				s.tell("crash")
				p.hangUp()
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
	late  []lateCall
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
	c.p.mu.Lock()
	full, again := c.p.faults && c.p.chance(1), c.p.faults && c.p.chance(5)
	c.p.mu.Unlock()
	if full && survives {
		return fmt.Errorf("no space: %w", store.ErrFull)
	}
	update := c.Store.Update
	if again {
		update = twice{c.Store}.Update
	}
	if err := update(ctx, fn); err != nil || survives {
		return err
	}
	return errCrashed
}

func (p *process) start() *delivery.Worker {
	began := time.Now()
	w := &delivery.Worker{
		Name: "vt", Store: crashingStore{p.store, p}, Backend: p, Rules: p.rules.Load, Mode: delivery.Sync,
		BatchSize: 3, BatchWait: time.Second, RetryInitial: time.Second, RetryMax: 10 * time.Second, CallTimeout: simTimeout, Straggler: simWindow,
		Now: p.now, Steady: func() time.Duration { return time.Since(began) },
		ResyncEvery: 10 * time.Minute, AccountCache: p.age, Repaired: p.repaired, Protect: []string{simEmail(0)},
		MaxRemovals: delivery.Limit{Count: 100, Window: time.Hour}, MaxOffboardings: delivery.Limit{Count: 100, Window: time.Hour},
		Log: slog.New(slog.NewTextHandler(traceWriter{p.simulation}, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: withoutTime})),
	}
	w.Offboard, w.Invite = p.ends, p.ends
	if p.holds {
		w.MaxRemovals = delivery.Limit{Count: 2, Window: 10 * time.Minute}
		w.MaxOffboardings = w.MaxRemovals
	}
	w.Init()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.simulation.worker = w
	return w
}

// approveAll is the operator: everything goes but what is protected, and accounts of others.
func (p *process) approveAll(w *delivery.Worker) {
	holds, err := w.ShowHolds(context.Background())
	if err != nil {
		return
	}
	for _, h := range holds {
		switch h.Why {
		case "protected":
		case "changed_value": // a partner's account
			_ = w.Reject(context.Background(), h.ID, "operator", "req")
		default:
			_ = w.Approve(context.Background(), h.ID, "operator", "req") // it may have gone meanwhile, or the process
		}
	}
	w.Nudge()
}

// change is a request of the identity provider, as package scim stores it, or somebody's hand at the vendor.
func (s *simulation) change() {
	s.mu.Lock() // no call is made between the change and the note of it
	defer s.mu.Unlock()
	i, kind := s.rnd.IntN(simPeople), s.rnd.IntN(40)
	group := s.groups[s.rnd.IntN(len(s.groups))]
	if s.many && s.chance(10) {
		s.stuck = !s.stuck
	}
	switch kind {
	case 0, 1:
		s.edit(i)
	case 4, 5:
		s.move()
	case 6:
		s.rename()
	case 7:
		s.readdress(i)
	case 2:
		s.clock += time.Duration(s.rnd.IntN(1200)-600) * time.Second
	case 3:
		s.other = s.rules.Swap(s.other)
		s.worker.RulesChanged()
	default:
		s.request(i, kind, group)
		if s.chance(50) {
			s.worker.Nudge()
		}
	}
	s.note()
	s.must(s.store.View(s.t.Context(), heldByNothing))
}

// request is one of the identity provider.
func (s *simulation) request(i, kind int, group string) {
	now := time.Now().Add(s.clock)
	s.must(s.store.Update(s.t.Context(), func(tx store.Tx) error {
		d, w := tx.Directory("idp"), tx.Work("vt")
		subject := store.Subject{IdP: "idp", User: simUser(i)}
		by, err := s.asked(tx, subject, now)
		if err != nil {
			return err
		}
		if kind < 12 {
			u, err := d.User(simUser(i))
			if err != nil {
				return err
			}
			u.Active = !u.Active
			s.toggled[u.ID] = time.Now()
			if err := d.PutUser(u); err != nil {
				return err
			}
			return s.mark(tx, subject, !u.Active, now, by)
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
		return w.Touch(s.target[group], now, by, subject)
	}))
}

// note remembers when a wish changed.
func (s *simulation) note() {
	after := s.wishes()
	for _, wishes := range []map[simGrant]bool{s.wish, after} {
		for g := range wishes {
			if s.wish[g] != after[g] {
				s.tell("%+v: wanted %v", g, after[g])
				s.changed[g] = time.Now()
			}
		}
	}
	s.wish = after
}

// edit is somebody's hand at the vendor: it takes a grant of ours away, or gives what no rule knows.
func (s *simulation) edit(i int) {
	switch {
	case s.chance(50):
		if id := s.account(simEmail(i)); id != "" {
			s.hand(simGrant{"acme", id, "OTHER"})
		}
	case !s.hidden: // where nobody can see it nobody can repair it
		if g := (simGrant{"beta", s.account(simEmail(i)), "SCAN"}); !s.byHand[g] {
			s.set(g, false)
		}
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
			for _, g := range s.rules.Load().Desired("idp", u, groups) {
				if id := s.account(u.Emails[0]); id != "" {
					out[simGrant{g.Target.Target, id, g.Role}] = true
				}
			}
		}
		return s.wishedSets(tx, out)
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
		if s.has[g] && !want[g] && g.account != simAccount(0) && s.exists(g.account) { // who is protected keeps what they had
			wrong = append(wrong, fmt.Sprintf("%+v is there and must not be", g))
		}
	}
	for g := range want {
		if !s.has[g] {
			wrong = append(wrong, fmt.Sprintf("%+v is missing", g))
		}
	}
	if s.byNet > 0 {
		wrong = append(wrong, fmt.Sprintf("the net repaired %d", s.byNet))
	}
	if s.violation != "" {
		wrong = append(wrong, s.violation)
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		wrong = append(wrong, s.lastTrace()...)
		s.t.Fatal(strings.Join(append(wrong, s.remains()...), "\n"))
	}
	remains := s.remains()
	s.must(s.store.View(s.t.Context(), func(tx store.Tx) error {
		if pending, blocked, _ := tx.Work("vt").Counts(); pending+blocked > 0 {
			return fmt.Errorf("at rest %d are pending and %d blocked: %s", pending, blocked, strings.Join(remains, "\n"))
		}
		return nil
	}))
	s.must(s.store.View(s.t.Context(), heldByNothing))
}

// heldByNothing finds somebody who waits for an operator who is asked nothing.
func heldByNothing(tx store.Tx) error {
	holds := map[string]bool{}
	for e, err := range tx.Ledger("vt").Entries("", "") {
		if err != nil {
			return err
		}
		holds[e.Hold] = true
	}
	for h, err := range store.List(tx, store.HeldOffboarding{Backend: "vt"}) {
		if err != nil {
			return err
		}
		holds[h.ID] = true
	}
	for m, err := range tx.Work("vt").Marks("") {
		if err != nil || m.State == store.Held && !holds[m.Reason] {
			return errors.Join(err, fmt.Errorf("%+v waits for a hold that is decided", m))
		}
	}
	return nil
}

// remains returns what the store says at the end, to explain a failure.
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
