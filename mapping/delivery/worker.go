package delivery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping/breaker"
	"github.com/scimbridge/scimbridge/mapping/flight"
	"github.com/scimbridge/scimbridge/mapping/lookup"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/mapping/resync"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

// Worker delivers to one backend. Its fields are set before Run and not changed afterwards; Run and RunOnce are
// called from one goroutine, Nudge and Health from any. What it remembers is reached by the goroutine that has
// the turn: see package flight.
type Worker struct {
	Name    string
	Store   store.Store
	Backend backend.Backend
	Policy  func() view.Policy // the one that is to be in force: see inForce
	view.Settings
	// Where compiles the condition of a rule. Without it what a changed mapping takes away is not held.
	Where      func(text string) (func(store.User) bool, error)
	*view.View // made by Init

	Targets      int // worked on at once; 0: eight, 1: one after the other
	RetryInitial time.Duration
	RetryMax     time.Duration
	CallTimeout  time.Duration // deadline of one call, which the backend keeps; a stop waits as long
	ResyncEvery  time.Duration // compare what is there with what should be; 0: never by itself
	ResyncFirst  time.Duration // how long after the start that comes for the first time; 0: ResyncEvery

	Now       func() time.Time     // nil: time.Now
	Steady    func() time.Duration // a clock that is never set; nil: the one of time.Now, or what Now says if that is given
	Jitter    func() float64       // in [0,1); nil: random
	Log       *slog.Logger
	Delivered func(time.Duration) // from the IdP's answer to the backend's; may be nil
	Drift     func(kind string)   // DriftMissing or DriftForeign; may be nil
	Repaired  func()              // a difference between directory and ledger that nothing had marked; may be nil

	nudge chan struct{}
	*resync.Resync
	ahead atomic.Int64 // nanoseconds that Now is before Steady, as last looked at: see now
	*sender

	standby    atomic.Bool
	remapAsked atomic.Bool
	remapped   atomic.Pointer[view.Policy] // see inForce
	former     view.Former                 // rules before a change: see keepRules
	formerAt   time.Time                   // when it was looked last whether that is decided
	formerWait time.Duration               // and after how long it is looked again

	busy bool      // something was under way when the last round ended
	left int       // targets that are due and for which there was no room
	rest time.Time // no round begins before: gathering takes long

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
	w.View = view.NewView(w.Name, w.Settings, w.Backend.Traits)
	w.InForce, w.Clock, w.View.Standby, w.View.Where = w.inForce, w.now, w.standby.Load, w.Where
	if w.Where != nil {
		w.Former = func(store.Tx) (view.Former, error) { return w.former, nil }
	}
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
	if w.Targets == 0 {
		w.Targets = flight.AtOnce
	}
	w.nudge = make(chan struct{}, 1)
	f := flight.New(w.View, w.Store, &breaker.Breaker{Name: w.Name, Clock: w.Clock, Initial: w.RetryInitial, Max: w.RetryMax, Jitter: w.Jitter, Log: w.Log}, w.Targets, w.Steady)
	w.Backend = f.Calls(w.Backend)
	w.Resync = resync.New(&lookup.Finder{Flights: f, Backend: w.Backend, Log: w.Log}, w.ResyncEvery, w.Drift, w.Repaired)
	w.sender = &sender{&recorder{w.Finder, &resync.Admins{Finder: w.Finder}}, w.CallTimeout, w.Delivered}
	w.Breaker.Say("", "starting", "")
	return w
}

// Standby makes the worker observe, in every mode: the store is an old copy, which would grant again what was revoked
// since. It may be called from any goroutine.
func (w *Worker) Standby(on bool) {
	if w.standby.Swap(on) != on {
		w.RulesChanged()
	}
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
		return onStandby()
	}
	return w.Breaker.State()
}

func onStandby() (state, reason string) {
	return "standby", "the store was put back from a copy, and nothing is changed before `scimbridge resume`"
}

// StandsBy reports whether the backend is only observed: see Standby. It may be called from any goroutine.
func (w *Worker) StandsBy() bool { return w.standby.Load() }

// Run delivers until ctx ends. What a call leaves open then is in doubt at the next start and read back. The
// error is one of the store that ends all work; nil after ctx ended.
func (w *Worker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer w.Land()
	defer cancel()
	again := func(ctx context.Context) (time.Time, error) { return w.round(ctx, nil) }
	start := func(ctx context.Context) (time.Time, error) { return w.start(ctx, again) }
	work, fails := start, 0
	for {
		next, err := work(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case memory.Ends(err):
			return err
		case err != nil:
			w.Log.Warn("delivery: round ended early, will be tried again", "backend", w.Name, "error", err)
			fails++
			next = w.Clock().Add(min(w.Breaker.Backoff(fails), memory.LongestWithoutStore))
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

// sleep waits for the moment, a nudge, a flight that ends or the end, and reports whether to go on. A zero
// moment waits indefinitely. It waits at least for as long as the worker rests.
func (w *Worker) sleep(ctx context.Context, until time.Time) bool {
	var due <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(until.Sub(w.Clock()))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-w.nudge:
	case <-w.Landed:
	case <-due:
	}
	if rest := w.rest.Sub(w.Clock()); rest > 0 {
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

// RunOnce works once on every target that is due, and returns when that is done. next is when there is something
// to do again (zero: when something is marked). An error is one of the store or of ctx; failures of the backend
// are remembered with the work they concern.
func (w *Worker) RunOnce(ctx context.Context) (next time.Time, err error) {
	visited := map[string]bool{}
	for {
		next, err = w.round(ctx, visited)
		if err != nil {
			w.Land()
			_ = w.TakeFailure()
			return next, err
		}
		if !w.busy {
			return next, nil
		}
		select {
		case <-w.Landed:
		case <-w.nudge:
		case <-time.After(flight.SlowCall):
		}
	}
}

// PausedUntil is until when the whole backend is not called; zero: it is. It may be called from any goroutine.
func (w *Worker) PausedUntil() time.Time { return w.Breaker.Until() }

// RulesChanged says that Policy gives another now. It may be called from any goroutine.
func (w *Worker) RulesChanged() {
	w.remapAsked.Store(true)
	w.Nudge()
}
