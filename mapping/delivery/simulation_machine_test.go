package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/mapping/view"
	"github.com/scimbridge/scimbridge/store"
)

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
	limit := view.Limit{Count: 100, Window: time.Hour}
	if p.holds {
		limit = view.Limit{Count: 2, Window: 10 * time.Minute}
	}
	brakes := view.Brakes{Mode: view.Sync, Protect: []string{simEmail(0)}, MaxRemovals: limit, MaxOffboardings: limit}
	w := &delivery.Worker{
		Name: "vt", Store: crashingStore{p.store, p}, Backend: p, Policy: func() view.Policy { return view.Policy{Rules: p.rules.Load(), Brakes: brakes} }, RetryInitial: time.Second, RetryMax: 10 * time.Second, CallTimeout: simTimeout,
		Now: p.now, Steady: func() time.Duration { return time.Since(began) },
		ResyncEvery: 10 * time.Minute, Repaired: p.repaired,
		Log:      slog.New(slog.NewTextHandler(traceWriter{p.simulation}, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: withoutTime})),
		Settings: view.Settings{BatchSize: 3, BatchWait: time.Second, Straggler: simWindow, AccountCache: p.age},
	}
	w.Offboard, w.Invite = p.ends, p.ends
	w.Init()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.worker = w
	return w
}

// approveAll is the operator: everything goes but what is protected, and accounts of others.
func (p *process) approveAll(w *delivery.Worker) {
	d := deskOf(w)
	holds, err := d.ShowHolds(context.Background())
	if err != nil {
		return
	}
	for _, h := range holds {
		switch h.Why {
		case "protected":
		case "changed_value": // a partner's account
			_ = d.Reject(context.Background(), h.ID, "operator", "req")
		default:
			_ = d.Approve(context.Background(), h.ID, "operator", "req") // it may have gone meanwhile, or the process
		}
	}
	w.Nudge()
}
