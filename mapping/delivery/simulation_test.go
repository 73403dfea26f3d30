package delivery_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
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
	trace     []string // what happened, for the developer who repeats one seed
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
	s, err := bolt.Open(filepath.Join(inMemory(t), "sim.db"), bolt.Options{})
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

func simUser(i int) string { return fmt.Sprint("u", i) }

func simAccount(i int) string { return fmt.Sprint("a", i) }

func simEmail(i int) string { return fmt.Sprintf("u%d@example.com", i) }

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
