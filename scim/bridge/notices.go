package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/ingress"
	"github.com/scimbridge/scimbridge/store"
)

const (
	noticeEvery = time.Second // how often new events are written
	noticeAgain = time.Minute // and how often an equal one, with its number
	useEvery    = time.Minute
	maxNotices  = 100 // different ones
	maxPlaces   = 10  // networks of each; the rest are one
)

// notices gather the events that no change carries: rejected credentials and issued tokens. Any
// client can cause them, so equal events of one network are written at most once a minute, with
// their number, outside the request.
type notices struct {
	now    func() time.Time
	log    *slog.Logger
	tokens []console.Token // whose end is warned of
	uses   console.Uses

	mu  sync.Mutex
	all map[about]map[string]*notice // by the network they come from
}

// about is what equal events have in common, except for the address.
type about struct{ kind, why, idp, token string }

// elsewhere stands for the networks beyond maxPlaces.
const elsewhere = "other addresses"

type notice struct {
	times          int // since it was written
	first, last    time.Time
	request, place string // of the first
	written        time.Time
}

func (n *notices) rejected(r *http.Request, why *auth.Refusal) {
	n.note(r, about{"auth.rejected", why.Why, why.IdP, why.Token})
}

// rejectedOperator records a call to the operator API without a valid key, and delays the answer
// beyond the limit of failures, as on server.listen.
func (n *notices) rejectedOperator(r *http.Request, why *auth.Refusal) {
	n.rejected(r, why)
	ingress.Of(r).Failed(r.Context())
}

func (n *notices) issued(r *http.Request, who auth.Identity) {
	n.note(r, about{"auth.token", "a token was given", who.IdP, who.Token})
}

func (n *notices) note(r *http.Request, what about) {
	from := ingress.Of(r)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[about]map[string]*notice{}
	}
	if n.all[what] == nil && len(n.all) >= maxNotices {
		what = about{kind: what.kind, why: "too many different ones"}
	}
	if n.all[what] == nil {
		n.all[what] = map[string]*notice{}
	}
	network := from.Network()
	one := n.all[what][network]
	if one == nil && len(n.all[what]) >= maxPlaces {
		network = elsewhere
		one = n.all[what][network]
	}
	if one == nil {
		one = &notice{}
		n.all[what][network] = one
	}
	if one.last = n.now(); one.times == 0 {
		one.first, one.request, one.place = one.last, scim.RequestID(r), elsewhere
		if network != elsewhere && from.Address.IsValid() {
			one.place = from.Address.String()
		}
	}
	one.times++
}

// event returns the event of the audit trail.
func (one notice) event(what about) store.Event {
	e := store.Event{At: one.first, Type: what.kind, Actor: what.idp, Token: what.token, Request: one.request, IdP: what.idp, Detail: what.why}
	if e.Actor == "" {
		e.Actor = "unknown"
	}
	if one.place != "" {
		e.Detail += ", from " + one.place
	}
	if one.times > 1 {
		e.Detail += fmt.Sprintf(", and %d more until %s", one.times-1, one.last.UTC().Format(time.RFC3339))
	}
	return e
}

// write stores the due events, or all of them. Events that cannot be stored are dropped, so that
// they do not fill the memory; the log has a line for every request.
func (n *notices) write(ctx context.Context, s store.Store, all bool) error {
	now := n.now()
	var due []store.Event
	n.mu.Lock()
	for what, places := range n.all {
		for network, one := range places {
			again := now.Sub(one.written)
			switch {
			case one.times > 0 && (all || one.written.IsZero() || again >= noticeAgain || again < 0):
				due = append(due, one.event(what))
				one.times, one.written = 0, now
			case one.times == 0 && again >= noticeAgain:
				delete(places, network)
			}
		}
		if len(places) == 0 {
			delete(n.all, what)
		}
	}
	n.mu.Unlock()
	if len(due) == 0 {
		return nil
	}
	err := s.Update(ctx, func(tx store.Tx) error {
		for _, e := range due {
			if _, err := tx.Events().Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("noting %d events: %w", len(due), err)
	}
	return nil
}

// used records that a credential was accepted now.
func (n *notices) used(who auth.Identity) { n.uses.Note(who.IdP, who.Token, n.now()) }

// start writes events to a store until stop is called, and once more then. It also warns daily of
// credentials that expire.
func (n *notices) start(s store.Store) (stop func(limit context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	stopping, done := make(chan struct{}), make(chan struct{})
	warned := n.now() // loading the configuration warns at the start
	go func() {
		defer close(done)
		events, uses := time.NewTicker(noticeEvery), time.NewTicker(useEvery)
		defer events.Stop()
		defer uses.Stop()
		for {
			select {
			case <-stopping:
				return
			case <-events.C:
				n.failed(n.write(ctx, s, false))
			case <-uses.C:
				n.failed(n.uses.Write(ctx, s))
				n.sweep(ctx, s)
				if now := n.now(); now.Sub(warned) >= 24*time.Hour {
					warned = now
					n.warnOfEnds(now)
				}
			}
		}
	}()
	return func(limit context.Context) error {
		defer context.AfterFunc(limit, cancel)()
		close(stopping)
		<-done // a write in progress must end
		n.failed(n.write(limit, s, true))
		n.failed(n.uses.Write(limit, s))
		return nil
	}
}

// sweepPart is how many expired records one transaction removes.
const sweepPart = 500

// sweep removes expired records from the store.
func (n *notices) sweep(ctx context.Context, s store.Store) {
	if err := store.Sweep(ctx, s, n.now(), sweepPart); err != nil && ctx.Err() == nil {
		n.log.Warn("expired records cannot be removed from the store; the next try is in a minute", "error", err)
	}
}

func (n *notices) failed(err error) {
	if err != nil {
		n.log.Warn("events about credentials cannot be stored and are dropped", "error", err)
	}
}

// warnOfEnds warns of credentials that expire soon or have expired.
func (n *notices) warnOfEnds(now time.Time) {
	for _, t := range n.tokens {
		if words := config.ExpiryNotice(t.Expires, now); words != "" {
			n.log.Warn("a credential of an identity provider "+words, "idp", t.IdP, "token", t.Token)
		}
	}
}
