package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/store"
)

// The process is also the vendor's client.

func (p *process) Traits() backend.Traits {
	return backend.Traits{Replace: true, ShowsAll: true, OneListing: p.one, AdminRole: p.admin}
}

func (p *process) Ready(ctx context.Context) error { return ctx.Err() }

func (p *process) read(ctx context.Context, target string) error {
	if happens, survives := p.step(); !happens || !survives {
		return errCrashed
	}
	wait := time.Duration(20+p.random(300)) * time.Millisecond
	p.mu.Lock()
	hangs := p.hangs(target)
	p.mu.Unlock()
	if hangs {
		wait = simTimeout
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return &backend.Error{Kind: backend.Transient, Doing: "reading"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if hangs || p.faults && p.chance(10) {
		return &backend.Error{Kind: backend.Transient, Doing: "reading", Status: 503}
	}
	return nil
}

func (p *process) Resolve(ctx context.Context, target string, _ []string) (map[string]backend.Account, error) {
	if p.one {
		target = ""
	}
	if err := p.read(ctx, target); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]backend.Account{}
	if p.faults && p.chance(4) {
		return out, nil
	}
	partial := p.faults && p.chance(8)
	for id, key := range p.listed() {
		if !partial || p.chance(50) {
			out[key] = backend.Account{ID: id, Key: key}
		}
	}
	if partial {
		return out, backend.ErrPartial
	}
	return out, nil
}

func (p *process) Observe(ctx context.Context, target string) (backend.Observation, error) {
	if err := p.read(ctx, target); err != nil {
		return backend.Observation{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := backend.Observation{Complete: true, Roles: !p.hidden, Members: map[string]backend.Account{}, Holders: map[string][]string{}}
	empty, truncated := p.faults && p.chance(4), p.faults && p.chance(4)
	if empty {
		return o, nil
	}
	for id, key := range p.listed() {
		o.Members[id] = backend.Account{ID: id, Key: key}
	}
	o.Members["root"] = backend.Account{ID: "root"}
	for _, g := range p.shown(target) {
		if _, member := o.Members[g.account]; !member {
			continue
		}
		if truncated && p.chance(50) {
			o.Complete = false
			continue
		}
		o.Holders[g.account] = append(o.Holders[g.account], g.role)
	}
	return o, nil
}

// shown is what a read shows: it may lag.
func (s *simulation) shown(target string) []simGrant {
	at := time.Now()
	if s.faults && s.chance(25) {
		at = at.Add(-time.Duration(s.rnd.Int64N(int64(simLag))))
	}
	has := map[simGrant]bool{}
	for _, e := range s.past {
		if !e.at.After(at) && e.grant.target == target {
			has[e.grant] = e.has
		}
	}
	var out []simGrant
	for g := range has {
		if has[g] {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b simGrant) int { return strings.Compare(a.account+a.role, b.account+b.role) })
	return out
}

// Apply is the vendor, and a client that leaves out what a read shows to be right already: most calls are fine, some fail
// before or after they take effect, some take effect later.
func (p *process) Apply(_ context.Context, d backend.Delta) ([]backend.Outcome, error) {
	happens, survives := p.step()
	if !happens {
		return nil, errCrashed
	}
	p.mu.Lock()
	late := time.Duration(p.rnd.Int64N(int64(simLate)))
	if !survives { // sent, and the caller is gone before the answer: what follows the end of a caller is as after a timeout
		p.later(d, max(0, late-simTimeout))
		p.mu.Unlock()
		return nil, errCrashed
	}
	p.check(d)
	p.tell("process %d calls %s", p.gen, describe(d))
	p.inFlight[d.Target] = p.gen
	p.calls++
	out := p.already(d)
	dice, wait := 100, time.Duration(20+p.rnd.IntN(500))*time.Millisecond
	if p.faults {
		dice = p.rnd.IntN(100)
	}
	if p.hangs(d.Target) {
		dice = 7
	}
	if dice < 8 { // a timeout: it takes effect later
		p.later(d, late)
		wait = simTimeout
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.inFlight[d.Target] == p.gen {
			delete(p.inFlight, d.Target)
		}
	}()
	time.Sleep(wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.fault(d, dice); err != nil {
		p.tell("answered %v", err)
		return nil, err
	}
	p.applySets(d)
	for i, c := range d.Changes {
		if out[i] == backend.Applied {
			p.apply(d.Target, c)
		}
		for _, role := range c.Roles {
			g := simGrant{d.Target, c.Account.ID, role}
			p.confirmed[g] = simEvent{g, c.Op == backend.Add, time.Now()}
		}
	}
	return out, nil
}

// already says what of a call is right by a read, which may lag; where the bridge says that it lags, or nothing is shown, it
// is sent.
func (p *process) already(d backend.Delta) []backend.Outcome {
	out := make([]backend.Outcome, len(d.Changes))
	shown := p.shown(d.Target)
	for i, c := range d.Changes {
		out[i] = backend.Applied
		right := func(role string) bool {
			return slices.Contains(shown, simGrant{d.Target, c.Account.ID, role}) == (c.Op == backend.Add)
		}
		if !p.hidden && !c.Recent && !slices.ContainsFunc(c.Roles, func(role string) bool { return !right(role) }) {
			out[i] = backend.Already
		}
	}
	return out
}

// fault answers a call that is not to succeed.
func (p *process) fault(d backend.Delta, dice int) error {
	failed := func(kind backend.ErrorKind, status int) error {
		return &backend.Error{Kind: kind, Doing: "changing roles", Status: status}
	}
	part := 0
	if len(d.Changes) > 1 {
		part = p.rnd.IntN(len(d.Changes) + 1)
	}
	switch {
	case dice >= 8 && slices.ContainsFunc(d.Changes, func(c backend.Change) bool { return !p.exists(c.Account.ID) }):
		return failed(backend.Rejected, 404)
	case dice < 8: // see Apply
		return failed(backend.Transient, 0)
	case dice < 16: // a clean failure
		return failed(backend.Transient, 503)
	case dice < 22: // reset after it took effect
		part = len(d.Changes)
	case dice < 25:
		return &backend.Error{Kind: backend.Throttled, Doing: "changing roles", Status: 429, Until: time.Now().Add(p.clock + 30*time.Second)}
	case dice < 28 && p.hidden && len(d.Changes) == 1 && p.holdsAny(d): // one that shows nothing is trusted: see absent_unverified
		return nil
	case dice < 28: // some of a batch, and then a refusal
	case dice < 30:
		return failed(backend.Unauthorized, 401)
	default:
		return nil
	}
	for _, c := range d.Changes[:part] {
		p.apply(d.Target, c)
	}
	if dice < 22 {
		p.applySets(d)
		return failed(backend.Transient, 0)
	}
	return failed(backend.Rejected, 404)
}

func (s *simulation) holdsAny(d backend.Delta) bool {
	c := d.Changes[0]
	return slices.ContainsFunc(c.Roles, func(role string) bool { return s.has[simGrant{d.Target, c.Account.ID, role}] })
}

// later has a call take effect after its caller gave it up.
func (p *process) later(d backend.Delta, late time.Duration) {
	timer := time.AfterFunc(late, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.applySets(d)
		for _, c := range d.Changes {
			p.apply(d.Target, c)
		}
	})
	p.late = append(p.late, lateCall{timer, time.Now().Add(late)})
}

// lateCall is a call that takes effect at a moment.
type lateCall struct {
	timer *time.Timer
	at    time.Time
}

// hangUp ends the calls of a process that crashed. As after a timeout they may take effect until
// simLate less simTimeout has passed.
func (p *process) hangUp() {
	for _, c := range p.late {
		if longest := simLate - simTimeout; time.Until(c.at) > longest && c.timer.Stop() {
			c.timer.Reset(longest)
		}
	}
}

func (s *simulation) apply(target string, c backend.Change) {
	if !s.exists(c.Account.ID) {
		return
	}
	for _, role := range c.Roles {
		s.set(simGrant{target, c.Account.ID, role}, c.Op == backend.Add)
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
	for _, set := range d.PermissionSetsToRemove {
		if g := (simGrant{d.Target, store.TargetSettings, set}); p.held(g) {
			broken("%+v is held and is removed", g)
		}
	}
	for _, c := range d.Changes {
		for _, role := range c.Roles {
			g := simGrant{d.Target, c.Account.ID, role}
			wants := c.Op == backend.Add
			newest := p.confirmed[g]
			switch {
			case !p.moved[g.account] && wants != p.wish[g] && newest.has == p.wish[g] && newest.at.After(p.changed[g]):
				broken("%+v: add %v is sent after the newer wish was confirmed", g, wants)
			case c.Op == backend.Remove && p.held(g):
				broken("%+v is held and is removed", g)
			case c.Op == backend.Remove && p.byHand[g]:
				broken("%+v was granted by hand and is removed", g)
			case c.Op == backend.Remove && c.Account.ID == simAccount(0):
				broken("%+v is protected and is removed", g)
			}
		}
	}
}

// held says whether the ledger has a hold on the grant.
func (s *simulation) held(g simGrant) bool {
	held := false
	s.must(s.store.View(s.t.Context(), func(tx store.Tx) error {
		e, err := tx.Ledger("vt").Entry(g.target, g.account, g.role)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		held = e.Hold != ""
		return err
	}))
	return held
}
