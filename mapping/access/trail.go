package access

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
)

// pageSize is how many rows of the store one transaction reads.
const pageSize = 2000

// grantKey names a grant by the numbers of its parts.
type grantKey struct{ backend, target, account, role uint32 }

// grantPast is what the audit trail says of a grant. Strings are numbers.
type grantPast struct {
	since, confirmed int64  // in nanoseconds; 0: not known
	request, by      uint32 // of the event that began it
	causes           uint32
	key              uint32 // the value that found the account
	idp, user        uint32 // if the account has one user
	hold             uint32
	adopted          bool
	readBack         bool // the confirmation
	missing          bool // the vendor did not show it
	foreign          bool // taken over, to be revoked
}

// trail is the audit trail up to a moment, as far as it is about grants.
type trail struct {
	names  *interner
	grants map[grantKey]grantPast
	given  map[grantKey]grantPast // disowned
	ended  map[grantKey]int64     // revoked after endedAfter
	later  map[grantKey]bool      // with an event after the moment: see foretell
	users  map[[2]uint32]uint32   // identity provider, id -> userName; nil: not wanted

	endedAfter int64
	want       func(*store.Event) bool // an event about a grant
	begins     time.Time               // of the first event that is kept
	forgotten  bool                    // events before it are kept no longer
	restored   time.Time               // when a copy became the store
}

// read replays the events up to a moment; zero: all.
func (t *trail) read(ctx context.Context, s store.Store, until time.Time) error {
	seq, done := uint64(0), false
	for !done {
		page := make([]store.Event, 0, pageSize)
		err := s.View(ctx, func(tx store.Tx) error {
			page = page[:0]
			if seq == 0 {
				anchor, err := tx.Events().Anchor()
				if t.forgotten = anchor.Place > 0; err != nil {
					return err
				}
			}
			for e, err := range tx.Events().Since(seq) {
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
		for i := range page {
			if seq = page[i].Seq; t.begins.IsZero() {
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
		t.grants[key] = grantPast{key: t.names.number(e.Name), idp: t.names.number(e.IdP), user: t.names.number(e.Subject)}
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
		g := t.grants[key]
		g.hold = 0
		t.given[key] = g
		t.end(key, e.At)
	case "drift.missing":
		t.change(key, func(g *grantPast) { g.missing = true })
	case "hold":
		id, _, _ := strings.Cut(e.Detail, " ")
		t.change(key, func(g *grantPast) { g.hold = t.names.number(id) })
	case "hold.approve":
		if strings.HasSuffix(e.Detail, " no_target") { // it went with its target
			t.end(key, e.At)
			return
		}
		t.change(key, func(g *grantPast) { g.hold = 0 })
	}
}

func (t *trail) key(backend, target, account, role string) grantKey {
	return grantKey{t.names.number(backend), t.names.number(target), t.names.number(account), t.names.number(role)}
}

// begin takes in that a grant is there. If it was before, it goes on: another call confirms it.
func (t *trail) begin(key grantKey, e *store.Event) {
	g, stands := t.grants[key]
	if !stands || g.foreign {
		g = grantPast{
			since: e.At.UnixNano(), request: t.names.number(e.Request), by: t.names.number(e.Initiator), key: t.names.number(e.Name),
			causes: t.names.number(strings.Join(e.Causes, "\x00")), adopted: e.Type == "adopt", foreign: e.Type == "takeover",
			idp: t.names.number(e.IdP), user: t.names.number(e.Subject),
		}
	}
	g.confirmed, g.readBack, g.missing, g.hold = e.At.UnixNano(), byReading(e.Evidence), false, 0
	t.grants[key] = g
	delete(t.given, key)
}

// byReading reports whether a reading confirmed a grant, rather than the answer to a call.
func byReading(evidence string) bool {
	return evidence == "read" || strings.HasSuffix(evidence, "read back") || strings.HasSuffix(evidence, "read_back")
}

// confirmedBy says what confirmed a grant last.
func (g grantPast) confirmedBy() string {
	if g.readBack {
		return ByReading
	}
	return ByAnswer
}

func (t *trail) end(key grantKey, at time.Time) {
	delete(t.grants, key)
	if nanos := at.UnixNano(); nanos > t.endedAfter {
		t.ended[key] = nanos
	}
}

func (t *trail) change(key grantKey, f func(*grantPast)) {
	g := t.grants[key]
	f(&g)
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
	parts := [4]string{backend, target, account, role}
	var numbers [4]uint32
	for i, p := range parts {
		if numbers[i], known = t.names.find(p); !known {
			return key, false
		}
	}
	return grantKey{numbers[0], numbers[1], numbers[2], numbers[3]}, true
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
