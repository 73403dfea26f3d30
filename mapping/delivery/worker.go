package delivery

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/plan"
	"github.com/scimbridge/scimbridge/store"
)

// Mode says what a worker may do to its backend.
type Mode = plan.Mode

// Observe writes nothing, AddOnly never removes, Sync does both.
const (
	Observe = plan.Observe
	AddOnly = plan.AddOnly
	Sync    = plan.Sync
)

// Worker delivers to one backend. Its fields are set before Run and not changed afterwards; Run and RunOnce are
// called from one goroutine, Nudge and Health from any. What it remembers is reached by the goroutine that has
// the turn: see flight.
type Worker struct {
	Name    string
	Store   store.Store
	Backend backend.Backend
	Rules   func() *mapping.Rules // the mapping that is to be in force: see inForce
	Match   string                // email | userName | externalId
	Mode    Mode                  // see Standby

	BatchSize    int           // people in one call
	BatchWait    time.Duration // how long to gather before calling
	Targets      int           // worked on at once; 0: eight, 1: one after the other
	RetryInitial time.Duration
	RetryMax     time.Duration
	CallTimeout  time.Duration // deadline of one call, which the backend keeps; a stop waits as long
	Straggler    time.Duration // how long a call without a clean answer may still take effect

	Protect         []string // never lose a role: folded keys
	OwnAccount      string   // the credential's own account: id, or folded key
	MaxRemovals     Limit
	MaxOffboardings Limit
	Invite          bool          // ask the vendor for an account for users who have none
	Offboard        bool          // end more than roles for users who leave: see backend.Backend
	AccountCache    time.Duration // the greatest age of what is known of accounts; 0: an hour
	ResyncEvery     time.Duration // compare what is there with what should be; 0: never by itself
	ResyncFirst     time.Duration // how long after the start that comes for the first time; 0: ResyncEvery

	Now       func() time.Time     // nil: time.Now
	Steady    func() time.Duration // a clock that is never set; nil: the one of time.Now, or what Now says if that is given
	Jitter    func() float64       // in [0,1); nil: random
	Log       *slog.Logger
	Delivered func(time.Duration) // from the IdP's answer to the backend's; may be nil
	Drift     func(kind string)   // DriftMissing or DriftForeign; may be nil
	Repaired  func()              // a difference between directory and ledger that nothing had marked; may be nil

	nudge  chan struct{}
	health health
	ahead  atomic.Int64      // nanoseconds that Now is before Steady, as last looked at: see now
	lag    time.Time         // until then no read is trusted: calls of a former process, or before the clock was set
	pauses map[string]pause  // by target; "" is the whole backend
	admins map[string]window // targets on which a last administrator is held: see recheckAdmins
	noted  Condition         // what the store knows

	before *mapping.Rules // of a Preview: those that it is compared with

	standby    atomic.Bool
	remapAsked atomic.Bool
	remapped   atomic.Pointer[mapping.Rules] // see inForce
	resyncAt   time.Time
	looks      map[string]time.Time       // targets to compare, and when
	touched    map[spot]time.Time         // that a call changed: reads of them lag
	taken      map[foreignGrant]time.Time // that was taken over from users who leave
	revoked    map[foreignGrant]time.Time // a moment ago: a read may still show it
	unread     map[foreignGrant]time.Time // removals that were refused, and until when no read can say whether they are done
	suspects   map[foreignGrant]bool      // seen once, and to be removed if it is seen again
	foreigners map[foreignGrant]bool
	found      map[string]map[foreignGrant]bool
	forbidden  map[string]int // refusals in a row, by target
	putOff     map[string]int // listings in a row that were postponed for off-boardings, by target

	turn    chan struct{} // see flight
	landed  chan struct{} // a flight has ended
	lists   chan struct{} // see oneList
	flights map[string]*flight
	failure error                    // of a flight that ended
	busy    bool                     // something was under way when the last round ended
	visits  map[string]time.Time     // when work on a target last began or ended
	ending  map[string]chan struct{} // see claimEnd
	left    int                      // targets that are due and for which there was no room
	rest    time.Time                // no round begins before: gathering takes long

	refreshed   map[string]time.Time // listings, and when they were last read
	resyncBegan time.Time
	net         *netPass // the comparison of directory and ledger that is under way
}

// Init prepares a worker whose fields are set.
func (w *Worker) Init() *Worker {
	if w.Now == nil {
		w.Now = time.Now
		if began := time.Now(); w.Steady == nil {
			w.Steady = func() time.Duration { return time.Since(began) }
		}
	}
	if began := w.Now(); w.Steady == nil {
		w.Steady = func() time.Duration { return w.Now().Sub(began) }
	}
	w.ahead.Store(w.Now().UnixNano() - int64(w.Steady()))
	if w.Jitter == nil {
		w.Jitter = rand.Float64
	}
	if w.Log == nil {
		w.Log = slog.New(slog.DiscardHandler)
	}
	if w.Delivered == nil {
		w.Delivered = func(time.Duration) {}
	}
	if w.Drift == nil {
		w.Drift = func(string) {}
	}
	if w.Repaired == nil {
		w.Repaired = func() {}
	}
	if w.AccountCache == 0 {
		w.AccountCache = time.Hour
	}
	w.refreshed = map[string]time.Time{}
	if w.Targets == 0 {
		w.Targets = targetsAtOnce
	}
	w.nudge, w.landed = make(chan struct{}, 1), make(chan struct{}, 1)
	w.turn, w.lists = make(chan struct{}, 1), make(chan struct{}, 1)
	w.flights, w.visits, w.ending = map[string]*flight{}, map[string]time.Time{}, map[string]chan struct{}{}
	w.putOff = map[string]int{}
	w.Backend = vendor{w.Backend, w}
	w.forbidden = map[string]int{}
	w.pauses, w.looks = map[string]pause{}, map[string]time.Time{}
	w.touched, w.taken, w.unread = map[spot]time.Time{}, map[foreignGrant]time.Time{}, map[foreignGrant]time.Time{}
	w.revoked = map[foreignGrant]time.Time{}
	w.suspects, w.foreigners, w.found = map[foreignGrant]bool{}, map[foreignGrant]bool{}, map[string]map[foreignGrant]bool{}
	w.health.set("starting", "")
	return w
}

// Standby makes the worker observe, in every mode: the store is an old copy, which would grant again what was revoked
// since. It may be called from any goroutine.
func (w *Worker) Standby(on bool) {
	if w.standby.Swap(on) != on {
		w.RulesChanged()
	}
}

func (w *Worker) mode() Mode {
	if w.standby.Load() {
		return Observe
	}
	return w.Mode
}

// Nudge says that there may be something to do. It never blocks; many nudges are one.
func (w *Worker) Nudge() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// Health returns the state of the backend in one word, and why if it is not "ok".
func (w *Worker) Health() (state, reason string) {
	if w.standby.Load() {
		return "standby", "the store was put back from a copy, and nothing is changed before `scimbridge resume`"
	}
	return w.health.get()
}

// Run delivers until ctx ends. What a call leaves open then is in doubt at the next start and read back. The
// error is one of the store that ends all work; nil after ctx ended.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer w.land()
	defer cancel()
	again := func(ctx context.Context) (time.Time, error) { return w.round(ctx, nil) }
	start := func(ctx context.Context) (time.Time, error) { return w.start(ctx, again) }
	work, fails := start, 0
	for {
		next, err := work(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case ends(err):
			return err
		case err != nil:
			w.Log.Warn("delivery: round ended early, will be tried again", "backend", w.Name, "error", err)
			fails++
			next = w.now().Add(min(w.backoff(fails), longestWithoutStore))
			work = start // an outcome may not have been recorded: what is open is in doubt
		default:
			fails = 0
			work = again // nothing is sent before the start has succeeded
		}
		if !w.sleep(ctx, next) {
			return nil
		}
	}
}

// ends says whether an error of the store ends all work.
func ends(err error) bool {
	return errors.Is(err, store.ErrPoisoned) || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrFenced)
}

// longestWithoutStore is how far apart rounds are while the store fails.
const longestWithoutStore = 30 * time.Second

// sleep waits for the moment, a nudge, a flight that ends or the end, and reports whether to go on. A zero
// moment waits indefinitely. It waits at least for as long as the worker rests.
func (w *Worker) sleep(ctx context.Context, until time.Time) bool {
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(until.Sub(w.now()))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-w.nudge:
	case <-w.landed:
	case <-due:
	}
	if rest := w.rest.Sub(w.now()); rest > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(min(rest, longestRest)):
		}
	}
	return ctx.Err() == nil
}

// A worker whose rounds take longer than longRound spends a fifth of its time on them, and rests for
// longestRest at most.
const (
	longRound   = 10 * time.Millisecond
	longestRest = time.Second
)

// land waits for all that is under way.
func (w *Worker) land() {
	for w.flying() {
		<-w.landed
	}
}

func (w *Worker) flying() bool {
	w.take()
	defer w.give()
	return len(w.flights) > 0
}

// RunOnce works once on every target that is due, and returns when that is done. next is when there is something
// to do again (zero: when something is marked). An error is one of the store or of ctx; failures of the backend
// are remembered with the work they concern.
func (w *Worker) RunOnce(ctx context.Context) (next time.Time, err error) {
	visited := map[string]bool{}
	for {
		next, err = w.round(ctx, visited)
		if err != nil {
			w.land()
			w.failure = nil
			return next, err
		}
		if !w.busy {
			return next, nil
		}
		select {
		case <-w.landed:
		case <-w.nudge:
		case <-time.After(slowCall):
		}
	}
}

// earlier is the earlier of two moments; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
