package flight

import (
	"context"
	"iter"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/breaker"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

const (
	// AtOnce is how many targets are worked on at once, if nothing else is said.
	AtOnce = 8
	// SlowCall is how long a call takes that keeps no other target waiting.
	SlowCall = 2 * time.Second
	// slowTargets times as many targets may be under way if their calls are slow.
	slowTargets = 4
)

// Flight is work on one target that is under way.
type Flight struct {
	Target
	Reads bool           // a comparison, or a look at administrators
	Rules *mapping.Rules // in force when it began
	place backend.Place

	calling time.Duration           // by Worker.Steady, since when it waits for the vendor
	calls   bool                    // it does
	preempt context.CancelCauseFunc // ends the read that is under way; nil: not to be ended
	moved   map[string]bool         // accounts whose users changed since it began
}

// Flights are the visits to the targets of one backend.
type Flights struct {
	*view.View
	Store   store.Store
	Breaker *breaker.Breaker
	targets int // under way at once: see New
	Steady  func() time.Duration
	Landed  chan struct{} // a flight has ended

	turn    chan struct{}
	lists   chan struct{} // see OneList
	flights map[string]*Flight
	failure error                    // of a flight that ended
	visits  map[string]time.Time     // when work on a target last began or ended
	ending  map[string]chan struct{} // see ClaimEnd
	putOff  map[string]int           // listings in a row that were postponed for off-boardings, by target
}

// New returns flights of at most so many targets at once: with one, one after the other.
func New(v *view.View, s store.Store, b *breaker.Breaker, targets int, steady func() time.Duration) *Flights {
	return &Flights{View: v, Store: s, Breaker: b, targets: targets, Steady: steady, Landed: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		lists: make(chan struct{}, 1), flights: map[string]*Flight{}, visits: map[string]time.Time{}, ending: map[string]chan struct{}{}, putOff: map[string]int{}}
}

type flightKey struct{}

func flightOf(ctx context.Context) *Flight {
	f, _ := ctx.Value(flightKey{}).(*Flight)
	return f
}

// Fenced reports whether users of some accounts moved since the flight began: a call must not be sent as it was planned.
func Fenced(ctx context.Context, accounts iter.Seq[string]) bool {
	f := flightOf(ctx)
	if f == nil {
		return false
	}
	for id := range accounts {
		if f.moved[id] {
			return true
		}
	}
	return false
}

// Under reports whether a target is being visited.
func (w *Flights) Under(target string) bool { return w.flights[target] != nil }

// Any reports whether anything is under way.
func (w *Flights) Any() bool { return len(w.flights) > 0 }

// ForgetVisits forgets when targets were visited: the clock was set.
func (w *Flights) ForgetVisits() { clear(w.visits) }

// TakeFailure returns the first failure of the flights that ended since it was called last.
func (w *Flights) TakeFailure() error {
	err := w.failure
	w.failure = nil
	return err
}

// Land waits for all that is under way.
func (w *Flights) Land() {
	flying := func() bool {
		w.Take()
		defer w.Give()
		return w.Any()
	}
	for flying() {
		<-w.Landed
	}
}

// Calls returns the backend with calls that pass the turn on.
func (w *Flights) Calls(b backend.Backend) backend.Backend { return vendor{b, w} }

// Take waits for the turn.
func (w *Flights) Take() { w.turn <- struct{}{} }

// Give passes the turn on.
func (w *Flights) Give() { <-w.turn }

// Launch begins work on a target.
func (w *Flights) Launch(ctx context.Context, f *Flight, rules *mapping.Rules, work func(context.Context, *Flight) error) {
	f.Rules, f.moved = rules, map[string]bool{}
	w.flights[f.Name], w.visits[f.Name] = f, w.Clock()
	f.place.Set(f.urgency())
	ctx = context.WithValue(backend.WithPlace(ctx, &f.place), flightKey{}, f)
	go func() {
		w.Take()
		defer w.Give()
		err := work(ctx, f)
		delete(w.flights, f.Name)
		w.visits[f.Name] = w.Clock()
		if w.failure == nil {
			w.failure = err
		}
		select {
		case w.Landed <- struct{}{}:
		default:
		}
	}()
}

// urgency returns how soon the calls of a flight are let through the rate limit.
func (f *Flight) urgency() backend.Urgency {
	switch {
	case f.Urgent && !f.Failed:
		return backend.Offboarding
	case f.Urgent:
		return backend.Removal
	case f.Missing:
		return backend.Rare
	case f.Failed, f.Fresh, f.Reads:
		return backend.Retry
	}
	return backend.Ordinary
}

// behind reports whether the target waits behind others: it failed last time, or was never delivered
// to and may not exist.
func (f *Flight) behind() bool { return f.Failed || f.Missing || f.Fresh }

// Room reports whether work on a target may begin now. Targets that may not answer never take the last
// place, and off-boardings have places of their own.
func (w *Flights) Room(f *Flight) bool {
	all, quick, behind, missing, reads := len(w.flights), 0, 0, 0, 0
	if w.flights[f.Name] != nil || w.targets == 1 && all > 0 {
		return false
	}
	for _, o := range w.flights {
		if !w.slow(o) {
			quick++
		}
		if o.behind() {
			behind++
		}
		if o.Missing {
			missing++
		}
		if o.Reads {
			reads++
		}
	}
	most := slowTargets * w.targets
	switch {
	case w.targets == 1:
		return true
	case f.Urgent:
		return all < most+w.targets
	case all >= most, quick >= w.targets:
		return false
	case f.Reads:
		return reads < max(1, w.targets/4)
	case f.Missing && missing > 0:
		return false
	case f.behind():
		return quick < w.targets-1 && behind < most/2
	}
	return true
}

// slow reports whether a flight has waited long for an answer of the vendor.
func (w *Flights) slow(f *Flight) bool {
	return f.calls && !f.place.Waits() && w.Steady()-f.calling >= SlowCall
}

// away does something that takes long without the turn.
func (w *Flights) away(ctx context.Context, do func()) {
	f := flightOf(ctx)
	if f == nil {
		do()
		return
	}
	f.calls, f.calling = true, w.Steady()
	w.Give()
	do()
	w.Take()
	f.calls = false
}

// Moves notes, for what is under way on other targets, that users are other accounts now.
func (w *Flights) Moves(target string, accounts ...string) {
	for name, f := range w.flights {
		for _, id := range accounts {
			if name != target && id != "" {
				f.moved[id] = true
			}
		}
	}
}

// ClaimEnd keeps an account from being ended by two flights, or while another one grants. It returns
// false if another one ends it.
func (w *Flights) ClaimEnd(target, account string) (release func(), claimed bool) {
	key := w.EndKey(target, account)
	if w.ending[key] != nil {
		return nil, false
	}
	over := make(chan struct{})
	w.ending[key] = over
	return func() {
		delete(w.ending, key)
		close(over)
	}, true
}

// UntilEnded waits while an account to which a call grants something is being ended by another flight,
// and reports whether it had to.
func (w *Flights) UntilEnded(ctx context.Context, d backend.Delta) bool {
	for _, c := range d.Changes {
		over := w.ending[w.EndKey(d.Target, c.Account.ID)]
		if over == nil || c.Op == backend.Remove {
			continue
		}
		w.away(ctx, func() {
			select {
			case <-over:
			case <-ctx.Done():
			}
		})
		return true
	}
	return false
}

// OneList waits until no other flight reads the list of accounts that all targets share: an older one
// must not be taken in after a newer one.
func (w *Flights) OneList(ctx context.Context) (release func(), err error) {
	if !w.Traits().OneListing || flightOf(ctx) == nil {
		return func() {}, nil
	}
	w.away(ctx, func() {
		select {
		case w.lists <- struct{}{}:
		case <-ctx.Done():
			err = ctx.Err()
		}
	})
	if err != nil {
		return nil, err
	}
	return func() { <-w.lists }, nil
}

// Everywhere reports whether a flight has no target: it expands the mark of a user.
func (f *Flight) Everywhere() bool { return f.Name == store.AnyTarget }
