package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// report is one report under way.
type report struct {
	src     *Source
	query   Query
	emit    func(Row) error
	names   *interner
	memory  *memory
	trail   *trail
	people  *people
	usersOf map[accountOf][]store.Link // of accounts of which the trail names no user
	rules   *mapping.Rules             // for what paused rules keep

	selected bool // the users of people are those that the query names, and who shares an account
	visited  []uint32
	serial   uint32
	shown    map[[2]string]bool // unmanaged grants of the target that are written
	rows     int

	// Targets of which no role is shown, of which one is, and that were never compared.
	hidden, single, never []string
	oldest                time.Time // comparison
}

// Report writes the rows that a query selects, and returns what the reader must know of them. The
// error is an *nearest.UnknownError if a name of the query is not known; nothing was written then.
func (s *Source) Report(ctx context.Context, q Query, emit func(Row) error) (notes []string, err error) {
	r := &report{src: s, query: q, emit: emit, names: newInterner(), memory: &memory{}}
	r.people = newPeople(s, r.names, r.memory)
	if err := r.checkNames(ctx); err != nil {
		return nil, err
	}
	if q.At.IsZero() {
		notes, err = r.now(ctx)
	} else {
		notes, err = r.past(ctx)
	}
	if err == nil && r.rows == 0 {
		err = r.explainNothing(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("reporting access: %w", err)
	}
	return notes, nil
}

// now reports how everything stands.
func (r *report) now(ctx context.Context) ([]string, error) {
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	r.visited = make([]uint32, len(r.people.list))
	for b := range r.src.Backends {
		if r.query.Backend != "" && r.src.Backends[b].Name != r.query.Backend {
			continue
		}
		if err := r.ofBackend(ctx, b); err != nil {
			return nil, err
		}
	}
	stays, err := r.unconfigured(ctx)
	return append(r.notes(), stays...), err
}

// load reads the users and the trail.
func (r *report) load(ctx context.Context) error {
	if r.query.User != "" {
		var err error
		if r.selected, err = r.people.loadUser(ctx, r.query.User); err != nil {
			return err
		}
	}
	if !r.selected {
		if err := r.people.loadAll(ctx); err != nil {
			return err
		}
	}
	r.trail = r.newTrail()
	err := r.src.Store.View(ctx, func(tx store.Tx) error {
		r.rules = r.src.Rules(tx)
		first := time.Time{}
		for c, err := range record.List(tx, record.Comparison{}) {
			if err != nil {
				return err
			}
			if first.IsZero() || c.Settled.Before(first) {
				first = c.Settled
			}
		}
		r.trail.endedAfter = first.UnixNano()
		return nil
	})
	if err != nil {
		return err
	}
	return r.trail.read(ctx, r.src.Store, time.Time{})
}

// newTrail returns a trail that takes in what the query is about.
func (r *report) newTrail() *trail {
	t := &trail{
		names: r.names, memory: r.memory, places: newInterner(), askers: newInterner(), accounts: map[[2]uint32]accountPast{}, holds: map[grantKey]uint32{},
		grants: map[grantKey]grantPast{}, given: map[grantKey]grantPast{}, ended: map[grantKey]int64{}, later: map[grantKey]bool{},
	}
	t.want = func(e *store.Event) bool {
		if r.query.Backend != "" && e.Backend != r.query.Backend || !r.query.about(e.Target, e.Role) {
			return false
		}
		if !r.selected {
			return true
		}
		b := r.people.backend(e.Backend)
		return b >= 0 && len(r.people.usersOf(b, e.Account)) > 0
	}
	return t
}

// write writes a row if the query selects it.
func (r *report) write(row Row) error {
	q := &r.query
	switch {
	case !q.about(row.Target, row.Role),
		q.Backend != "" && row.Backend != q.Backend,
		q.IdP != "" && row.IdP != q.IdP,
		q.Unmanaged && row.State != Unmanaged,
		q.User != "" && !r.isUser(row):
		return nil
	}
	r.rows++
	return r.emit(row)
}

// isUser reports whether a row is about the user of the query.
func (r *report) isUser(row Row) bool {
	name := r.query.User
	if row.Account == name || row.UserID == name || strings.EqualFold(row.User, name) || backend.Fold(row.User) == backend.Fold(name) {
		return true
	}
	return r.people.chosen[userID{row.IdP, row.UserID}]
}

// compared remembers what the last comparison of a target cannot tell.
func (r *report) compared(t *target) {
	r.shown = map[[2]string]bool{}
	name := r.src.Backends[t.backend].Name + ": " + t.name
	c := t.comparison
	switch {
	case c.At.IsZero():
		r.never = append(r.never, name)
		return
	case c.Shows == "":
		r.hidden = append(r.hidden, name)
		return
	case c.Shows != record.AnyRole:
		r.single = append(r.single, name+" ("+c.Shows+")")
	}
	if r.oldest.IsZero() || c.At.Before(r.oldest) {
		r.oldest = c.At
	}
}

// notes says what the rows cannot show.
func (r *report) notes() (out []string) {
	if !r.oldest.IsZero() {
		out = append(out, "unmanaged roles are those of the last comparison with the vendor, the oldest of "+r.oldest.UTC().Format(time.RFC3339)+"; `scimbridge resync` compares now")
	}
	if len(r.never) > 0 {
		out = append(out, "not compared with the vendor yet, so unmanaged roles there are not known: "+some(r.never)+"; `scimbridge resync` compares now")
	}
	if len(r.hidden) > 0 {
		out = append(out, "the vendor does not show who has which role, so unmanaged roles there are not known: "+some(r.hidden))
	}
	if len(r.single) > 0 {
		out = append(out, "the vendor shows only of one role who has it, so other unmanaged roles there are not known: "+some(r.single))
	}
	if r.trail.forgotten {
		out = append(out, "the audit trail begins at "+r.trail.begins.UTC().Format(time.RFC3339)+": the requests of older grants are not known")
	}
	return out
}

// some names at most three of a list.
func some(all []string) string {
	slices.Sort(all)
	text := strings.Join(all[:min(3, len(all))], ", ")
	if more := len(all) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
