package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
	"github.com/scimbridge/scimbridge/store/record"
)

// process is an outbox over a store, that can crash at any of its steps.
type process struct {
	t     *testing.T
	store store.Store
	box   Outbox
	at    time.Time
	steps int
	crash int // the step at which it crashes; 0: none
	gone  bool
}

var errCrash = errors.New("crashed")

// step is called before and after everything that leaves a trace.
func (p *process) step() error {
	if p.steps++; p.steps == p.crash {
		p.gone = true
	}
	if p.gone {
		return errCrash
	}
	return nil
}

// crashingStore crashes before or after a commit.
type crashingStore struct {
	store.Store
	p *process
}

func (s crashingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if err := s.p.step(); err != nil {
		return err
	}
	if err := s.Store.Update(ctx, fn); err != nil {
		return err
	}
	return s.p.step()
}

func (s crashingStore) View(ctx context.Context, fn func(store.Tx) error) error {
	if s.p.gone {
		return errCrash
	}
	return s.Store.View(ctx, fn)
}

// crashingSender crashes before or after a call.
type crashingSender struct {
	Sender
	p *process
}

func (s crashingSender) Send(ctx context.Context, m Message) error {
	if err := s.p.step(); err != nil {
		return err
	}
	err := s.Sender.Send(ctx, m)
	return errors.Join(err, s.p.step())
}

func newProcess(t *testing.T, channels ...Channel) *process {
	s, err := bolt.Open(filepath.Join(t.TempDir(), "store.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	p := &process{t: t, store: s, at: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	p.restart(channels...)
	return p
}

// restart replaces the outbox by one that knows only what the store has.
func (p *process) restart(channels ...Channel) {
	now := func() time.Time { return p.at }
	var open []Open
	for _, c := range channels {
		s, err := NewSender(c, now)
		if err != nil {
			p.t.Fatal(err)
		}
		open = append(open, Open{c, crashingSender{s, p}})
	}
	if channels == nil {
		open = p.box.Channels
	}
	p.box = Outbox{Store: crashingStore{p.store, p}, Channels: open, Now: now, Log: slog.New(slog.DiscardHandler), Jitter: func() float64 { return 0.5 }}
	p.gone, p.crash = false, 0
}

// tick is what a loop does every ten seconds. After a crash another process goes on.
func (p *process) tick(f Facts) {
	p.t.Helper()
	p.at = p.at.Add(observeEvery)
	err := p.box.Observe(context.Background(), f)
	for _, ch := range p.box.Channels {
		if err == nil {
			_, err = p.box.Deliver(context.Background(), ch)
		}
	}
	if p.gone {
		p.restart()
		return
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) ticks(n int, f Facts) {
	p.t.Helper()
	for range n {
		p.tick(f)
	}
}

// waiting counts the messages that are not sent.
func (p *process) waiting() (n int) {
	p.t.Helper()
	err := p.store.View(context.Background(), func(tx store.Tx) error {
		n = 0
		for _, err := range record.List(tx, record.Notification{}) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func held(ids ...string) Facts {
	b := BackendFacts{Name: "vt", State: "ok"}
	for _, id := range ids {
		b.Holds = append(b.Holds, HoldFacts{id, "protect", 1})
	}
	return Facts{Backends: []BackendFacts{b}}
}

func (p *process) want(r *receiver, want string) {
	p.t.Helper()
	if got := r.read(); got != want {
		p.t.Errorf("the journal is\n%s\nwant\n%s", got, want)
	}
}

const both = "hold/vt//h1/protect begun\nhold/vt//h1/protect ended"

// TestOnce: a message when a condition begins and one when it ends, over a crash at any step.
func TestOnce(t *testing.T) {
	total, repeated := 1, 0
	for crash := 0; crash <= total; crash++ {
		t.Run(fmt.Sprintf("crash at step %d", crash), func(t *testing.T) {
			r := newReceiver(t)
			p := newProcess(t, r.channel("hook"))
			p.crash = crash
			p.ticks(4, held("h1"))
			p.ticks(12, held())
			if crash == 0 {
				total = p.steps
				if r.again > 0 {
					t.Error("a message came twice without a crash")
				}
			}
			repeated += r.again
			p.want(r, both)
			if n := p.waiting(); n > 0 {
				t.Errorf("%d messages wait", n)
			}
		})
	}
	if total < 12 || repeated == 0 {
		t.Errorf("%d steps, %d messages came twice: no crash was between a call and its commit", total, repeated)
	}
}

func TestOutbox(t *testing.T) {
	t.Run("a receiver that fails for a while", func(t *testing.T) {
		r := newReceiver(t)
		p := newProcess(t, r.channel("hook"))
		r.answer(http.StatusServiceUnavailable)
		p.ticks(5, held("h1"))
		p.ticks(20, held())
		p.want(r, "")
		if n := p.waiting(); n != 2 {
			t.Errorf("%d messages wait", n)
		}
		r.answer(0)
		p.ticks(100, held())
		p.want(r, both)
	})
	t.Run("a condition that comes and goes", func(t *testing.T) {
		r := newReceiver(t)
		p := newProcess(t, r.channel("hook"))
		for range 30 {
			p.ticks(2, held("h1"))
			p.ticks(5, held())
		}
		p.want(r, "hold/vt//h1/protect begun")
		p.ticks(8, held())
		p.want(r, both)
		p.tick(held("h1"))
		p.want(r, both+"\nhold/vt//h1/protect begun")
	})
	t.Run("unreachable for a moment", func(t *testing.T) {
		r := newReceiver(t)
		p := newProcess(t, r.channel("hook"))
		down := Facts{Backends: []BackendFacts{{Name: "vt", State: "transient"}}}
		p.ticks(5, down)
		p.ticks(20, held())
		p.want(r, "")
		p.ticks(7, down)
		p.want(r, "unreachable/vt/// begun")
	})
	t.Run("only the types of the channel", func(t *testing.T) {
		r, other := newReceiver(t), newReceiver(t)
		p := newProcess(t, r.channel("hook", "unauthorized"), other.channel("other"))
		f := held("h1")
		f.Backends[0].State = "unauthorized"
		p.tick(f)
		p.want(r, "unauthorized/vt/// begun")
		other.sort() // they began at one moment
		p.want(other, "hold/vt//h1/protect begun\nunauthorized/vt/// begun")
	})
	t.Run("what is unknown does not end", func(t *testing.T) {
		r := newReceiver(t)
		p := newProcess(t, r.channel("hook"))
		p.tick(Facts{Broken: true})
		p.ticks(30, Facts{Unknown: []Type{AuditBroken}})
		p.want(r, "audit_broken//// begun")
		p.ticks(8, Facts{})
		p.want(r, "audit_broken//// begun\naudit_broken//// ended")
	})
	t.Run("a start does not end what no call disproved", func(t *testing.T) {
		r := newReceiver(t)
		p := newProcess(t, r.channel("hook"))
		p.tick(Facts{Backends: []BackendFacts{{Name: "vt", State: "unauthorized"}}})
		p.ticks(30, Facts{Backends: []BackendFacts{{Name: "vt", State: "ok", Uncalled: true}}})
		p.want(r, "unauthorized/vt/// begun")
		p.ticks(8, Facts{Backends: []BackendFacts{{Name: "vt", State: "ok"}}})
		p.want(r, "unauthorized/vt/// begun\nunauthorized/vt/// ended")
	})
	t.Run("a new channel hears what holds", func(t *testing.T) {
		r, other := newReceiver(t), newReceiver(t)
		p := newProcess(t, r.channel("hook"))
		p.ticks(3, held("h1"))
		r.answer(http.StatusGone)
		p.tick(held("h1", "h2"))
		p.restart(other.channel("other"))
		p.tick(held("h1", "h2"))
		other.sort()
		p.want(other, "hold/vt//h1/protect begun\nhold/vt//h2/protect begun")
		if n := p.waiting(); n != 0 {
			t.Errorf("%d messages of a channel that is not configured wait", n)
		}
	})
	t.Run("a message is given up aloud", func(t *testing.T) {
		r := newReceiver(t)
		p := newProcess(t, r.channel("hook"))
		outcomes := map[string]int{}
		p.box.Count = func(_, outcome string) { outcomes[outcome]++ }
		r.answer(http.StatusGone)
		for range 330 {
			p.at = p.at.Add(longestWait)
			p.tick(held("h1"))
		}
		if p.waiting() != 0 || outcomes["gave_up"] != 1 || outcomes["failed"] < leastTries {
			t.Errorf("%d wait, %v", p.waiting(), outcomes)
		}
	})
	t.Run("Retry-After", func(t *testing.T) {
		p := newProcess(t)
		sent := 0
		ch := Open{Channel{Name: "hook"}, senderFunc(func() error { sent++; return &Failure{Status: 429, After: time.Hour} })}
		p.box.Channels = []Open{ch}
		p.ticks(359, held("h1"))
		if sent != 1 {
			t.Errorf("sent %d times within the hour", sent)
		}
		p.ticks(3, held("h1"))
		if sent != 2 {
			t.Errorf("sent %d times after it", sent)
		}
	})
}

type senderFunc func() error

func (f senderFunc) Send(context.Context, Message) error { return f() }
