package access

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// pageSize is how many rows of the store one transaction reads.
const pageSize = 2000

// grantKey names a grant by the numbers of its parts. The place is the backend and the target.
type grantKey struct{ place, account, role uint32 }

// grantPast is what the audit trail says of a grant. Strings are numbers. There may be millions.
type grantPast struct {
	since     int64  // in nanoseconds; 0: not known
	confirmed uint32 // seconds after since
	request   uint32 // of the event that began it
	causes    uint32
	by        uint16 // who asked
	flags     flag
}

// flag says more of a grant.
type flag uint8

const (
	wasAdopted flag = 1 << iota
	wasRead         // a reading confirmed it last
	isMissing       // the vendor did not show it
	isForeign       // taken over, to be revoked
	isHeld
)

func (g *grantPast) is(f flag) bool { return g.flags&f != 0 }

// set sets or clears a flag.
func (g *grantPast) set(f flag, on bool) {
	if g.flags &^= f; on {
		g.flags |= f
	}
}

// accountPast is what the trail says of an account: the value that found it, and its user, if it has
// one.
type accountPast struct{ key, idp, user uint32 }

// trail is the audit trail up to a moment, as far as it is about grants.
type trail struct {
	names  *interner
	places *interner // "backend\x00target"
	askers *interner
	grants map[grantKey]grantPast
	given  map[grantKey]grantPast // disowned
	ended  map[grantKey]int64     // revoked after endedAfter
	later  map[grantKey]bool      // with an event after the moment: see foretell
	holds  map[grantKey]uint32
	// By the backend of a place, and account.
	accounts map[[2]uint32]accountPast
	users    map[[2]uint32]uint32 // identity provider, id -> userName; nil: not wanted

	lastBackend, lastTarget string // see place
	lastPlace               uint32

	seq        uint64 // of the last event that was read
	endedAfter int64
	want       func(*store.Event) bool // an event about a grant
	memory     *memory
	begins     time.Time // of the first event that is kept
	forgotten  bool      // events before it are kept no longer
	restored   time.Time // when a copy became the store
}

// read replays the events up to a moment; zero: all. Another read goes on where this one ended.
func (t *trail) read(ctx context.Context, s store.Store, until time.Time) error {
	done, page := false, make([]store.Event, 0, pageSize)
	for !done {
		err := s.View(ctx, func(tx store.Tx) error {
			page = page[:0]
			if t.seq == 0 {
				anchor, err := tx.Events().Anchor()
				if t.forgotten = anchor.Place > 0; err != nil {
					return err
				}
			}
			for e, err := range tx.Events().Since(t.seq) {
				if err != nil {
					return err
				}
				if page = append(page, e); len(page) == pageSize {
					break
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		done = len(page) < pageSize
		t.memory.bound()
		for i := range page {
			if t.seq = page[i].Seq; t.begins.IsZero() {
				t.begins = page[i].At
			}
			if until.IsZero() || !page[i].At.After(until) {
				t.apply(&page[i])
			} else if t.forgotten {
				t.foretell(&page[i])
			}
		}
	}
	return nil
}

// foretell learns from an event after the moment what stood at the moment: a grant whose first event
// that is kept ends or changes it.
func (t *trail) foretell(e *store.Event) {
	if !t.aboutGrant(e) {
		return
	}
	key := t.key(e.Backend, e.Target, e.Account, e.Role)
	_, stands := t.grants[key]
	if _, ended := t.ended[key]; stands || ended || t.later[key] {
		return
	}
	switch t.later[key] = true; e.Type {
	case "revoke", "disown", "hold", "hold.reject", "drift.missing":
		t.grants[key] = grantPast{}
		t.about(e)
	}
}

// aboutGrant reports whether an event is about a grant that is wanted.
func (t *trail) aboutGrant(e *store.Event) bool {
	return e.Role != "" && e.Account != "" && e.Account != store.TargetSettings && t.want(e)
}

// apply takes one event in.
func (t *trail) apply(e *store.Event) {
	if kind, _, _ := strings.Cut(e.Type, "."); kind == "user" && t.users != nil {
		t.users[[2]uint32{t.names.number(e.IdP), t.names.number(e.Subject)}] = t.names.number(e.Name)
		return
	}
	if e.Type == "restore" {
		t.restored = e.At
	}
	if !t.aboutGrant(e) {
		return
	}
	key := t.key(e.Backend, e.Target, e.Account, e.Role)
	switch e.Type {
	case "grant", "adopt", "takeover":
		t.begin(key, e)
	case "revoke":
		t.end(key, e.At)
	case "disown", "hold.reject":
		t.given[key] = t.grants[key]
		t.end(key, e.At)
	case "drift.missing":
		t.change(key, isMissing, true)
	case "hold":
		id, _, _ := strings.Cut(e.Detail, " ")
		t.change(key, isHeld, true)
		t.holds[key] = t.names.number(id)
	case "hold.release":
		t.change(key, isHeld, false)
	case "hold.approve":
		if strings.HasSuffix(e.Detail, " no_target") { // it went with its target
			t.end(key, e.At)
			return
		}
		t.change(key, isHeld, false)
	}
}

func (t *trail) key(backend, target, account, role string) grantKey {
	return grantKey{t.place(backend, target), t.names.number(account), t.names.number(role)}
}

// place numbers a backend and a target. Most events name the one that the event before named.
func (t *trail) place(backend, target string) uint32 {
	if backend != t.lastBackend || target != t.lastTarget || t.lastPlace == 0 {
		t.lastBackend, t.lastTarget, t.lastPlace = backend, target, t.places.number(backend+"\x00"+target)
	}
	return t.lastPlace
}

// begin takes in that a grant is there. If it was before, it goes on: another call confirms it.
func (t *trail) begin(key grantKey, e *store.Event) {
	g, stands := t.grants[key]
	if !stands || g.is(isForeign) {
		g = grantPast{since: e.At.UnixNano(), request: t.names.number(e.Request), by: uint16(min(t.askers.number(e.Initiator), math.MaxUint16)),
			causes: t.names.number(join(e.Causes))}
		g.set(wasAdopted, e.Type == "adopt")
		g.set(isForeign, e.Type == "takeover")
	}
	g.confirmed = uint32(max(0, e.At.Sub(instant(g.since))/time.Second))
	g.set(wasRead, byReading(e.Evidence))
	g.set(isMissing|isHeld, false)
	t.grants[key] = g
	t.about(e)
	delete(t.given, key)
}

// join is one text of the causes of an event.
func join(causes []string) string {
	if len(causes) == 1 {
		return causes[0]
	}
	return strings.Join(causes, "\x00")
}

// byReading reports whether a reading confirmed a grant, rather than the answer to a call.
func byReading(evidence string) bool {
	return evidence == "read" || strings.HasSuffix(evidence, "read back") || strings.HasSuffix(evidence, "read_back")
}

// about takes in what an event says of an account, for a report of the past.
func (t *trail) about(e *store.Event) {
	if t.users == nil {
		return
	}
	t.accounts[[2]uint32{t.names.number(e.Backend), t.names.number(e.Account)}] = accountPast{t.names.number(e.Name), t.names.number(e.IdP), t.names.number(e.Subject)}
}

// confirmed fills in what confirmed a grant last.
func (t *trail) confirmed(r *Row, g grantPast) {
	if g.since == 0 {
		return
	}
	r.Confirmed, r.ConfirmedBy = instant(g.since).Add(time.Duration(g.confirmed)*time.Second), ByAnswer
	if g.is(wasRead) {
		r.ConfirmedBy = ByReading
	}
}

// asked fills in since when a grant stands and who asked for it.
func (t *trail) asked(r *Row, g grantPast) {
	r.Request, r.RequestedBy = t.names.text(g.request), t.askers.text(uint32(g.by))
}

func (t *trail) end(key grantKey, at time.Time) {
	delete(t.grants, key)
	if nanos := at.UnixNano(); nanos > t.endedAfter {
		t.ended[key] = nanos
	}
}

func (t *trail) change(key grantKey, f flag, on bool) {
	g := t.grants[key]
	g.set(f, on)
	t.grants[key] = g
}

// past returns what the trail says of a grant that the bridge has, or had.
func (t *trail) past(backend, target, account, role string) (g grantPast, known bool) {
	key, known := t.lookUp(backend, target, account, role)
	if known {
		g, known = t.grants[key]
	}
	return g, known
}

func (t *trail) lookUp(backend, target, account, role string) (key grantKey, known bool) {
	key.place = t.place(backend, target)
	if key.account, known = t.names.find(account); !known {
		return key, false
	}
	key.role, known = t.names.find(role)
	return key, known
}

// causesOf reads the causes of an event: "okta/VT Admins (rule in line 12)".
func (t *trail) causesOf(n uint32) []Cause {
	out := []Cause{}
	if n == 0 {
		return out
	}
	for text := range strings.SplitSeq(t.names.text(n), "\x00") {
		var c Cause
		if i := strings.LastIndex(text, " (rule in line "); i >= 0 && strings.HasSuffix(text, ")") {
			if line, err := strconv.Atoi(text[i+len(" (rule in line ") : len(text)-1]); err == nil {
				c.Line, text = line, text[:i]
			}
		}
		var found bool
		if c.IdP, c.Group, found = strings.Cut(text, "/"); !found {
			c.IdP, c.Group = "", text
		}
		out = append(out, c)
	}
	return out
}

// instant is the moment of nanoseconds; the zero time for 0.
func instant(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
