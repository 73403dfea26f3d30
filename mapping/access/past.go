package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// past reports how everything stood at a moment, by the audit trail.
func (r *report) past(ctx context.Context) ([]string, error) {
	if r.query.User != "" {
		if _, err := r.people.loadUser(ctx, r.query.User); err != nil { // for what finds the user now
			return nil, err
		}
	}
	r.trail = r.newTrail()
	r.trail.users = map[[2]uint32]uint32{}
	if err := r.trail.read(ctx, r.src.Store, r.query.At); err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	if r.trail.forgotten {
		if err := r.beforeTrail(ctx); err != nil {
			return nil, err
		}
	}
	keys := r.keys()
	if err := r.readUsers(ctx, keys); err != nil {
		return nil, err
	}
	for i, key := range keys {
		if i%pageSize == 0 {
			r.memory.bound()
		}
		g, stands := r.trail.grants[key]
		if !stands {
			g = r.trail.given[key]
		}
		for _, row := range r.ofUsers(r.stood(key, g, !stands)) {
			if err := r.write(row); err != nil {
				return nil, err
			}
		}
	}
	if err := r.foreignThen(ctx); err != nil {
		return nil, err
	}
	return r.pastNotes(), nil
}

// keys lists the grants that stood, by backend, target, account and role.
func (r *report) keys() []grantKey {
	keys := make([]grantKey, 0, len(r.trail.grants)+len(r.trail.given))
	for key := range r.trail.grants {
		keys = append(keys, key)
	}
	for key := range r.trail.given {
		if _, stands := r.trail.grants[key]; !stands {
			keys = append(keys, key)
		}
	}
	places, names := r.trail.places.ranks(), r.names.ranks()
	slices.SortFunc(keys, func(a, b grantKey) int {
		return cmp.Or(cmp.Compare(places[a.place], places[b.place]), cmp.Compare(names[a.account], names[b.account]), cmp.Compare(names[a.role], names[b.role]))
	})
	return keys
}

// stood returns the row of a grant at the moment.
func (r *report) stood(key grantKey, g grantPast, disowned bool) Row {
	text, t := r.names.text, r.trail
	backend, target, _ := strings.Cut(t.places.text(key.place), "\x00")
	of := t.accounts[[2]uint32{r.names.number(backend), key.account}]
	row := Row{
		IdP: text(of.idp), UserID: text(of.user), Account: text(key.account), Backend: backend, Target: target, Role: text(key.role),
		State: Granted, Has: Yes, Since: instant(g.since), From: t.causesOf(g.causes),
	}
	row.User = cmp.Or(text(t.users[[2]uint32{of.idp, of.user}]), text(of.key), row.Account)
	t.asked(&row, g)
	t.confirmed(&row, g)
	switch {
	case disowned:
		row.State, row.Reason, row.Has = Unmanaged, Disowned, Dark // the trail does not say when it ended
	case g.is(isHeld):
		row.State, row.Change, row.Hold = Held, ToRevoke, text(t.holds[key])
	case g.is(isMissing):
		row.State, row.Has = InDoubt, Dark
	case g.is(isForeign):
		row.State, row.Change, row.Reason = Pending, ToRevoke, Foreign
	case g.is(wasAdopted):
		row.State = Adopted
	}
	return row
}

// beforeTrail adds the grants of the ledger that are older than what is kept of the trail.
func (r *report) beforeTrail(ctx context.Context) error {
	for _, b := range r.src.Backends {
		var last *store.Entry
		for more := true; more; {
			page := make([]store.Entry, 0, pageSize)
			err := r.src.Store.View(ctx, func(tx store.Tx) error {
				page = page[:0]
				for e, err := range tx.Ledger(b.Name).EntriesAfter(last) {
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
				return fmt.Errorf("reading the ledger: %w", err)
			}
			if more = len(page) == pageSize; more {
				last = &page[len(page)-1]
			}
			for i := range page {
				r.stoodBefore(b.Name, &page[i])
			}
		}
	}
	return nil
}

// stoodBefore adds an entry that has been there since before the moment.
func (r *report) stoodBefore(backend string, e *store.Entry) {
	if e.Account == store.TargetSettings || e.State != store.Present || e.Since.IsZero() || e.Since.After(r.query.At) || !r.query.about(e.Target, e.Role) {
		return
	}
	key := r.trail.key(backend, e.Target, e.Account, e.Role)
	if _, known := r.trail.grants[key]; !known {
		g := grantPast{since: e.Since.UnixNano()}
		g.set(wasAdopted, e.Adopted)
		r.trail.grants[key] = g
		r.trail.about(&store.Event{Backend: backend, Account: e.Account, Name: e.Key})
	}
}

// foreignThen writes what comparisons have seen since before the moment.
func (r *report) foreignThen(ctx context.Context) error {
	var rows []Row
	err := r.src.Store.View(ctx, func(tx store.Tx) error {
		rows = nil
		for s, err := range record.List(tx, record.ForeignGrant{}) {
			if err != nil {
				return err
			}
			key, known := r.trail.lookUp(s.Backend, s.Target, s.Account, s.Role)
			_, stood := r.trail.grants[key]
			_, given := r.trail.given[key]
			if s.Since.After(r.query.At) || known && (stood || given) {
				continue
			}
			rows = append(rows, Row{User: cmp.Or(s.Key, s.Account), Account: s.Account, Backend: s.Backend, Target: s.Target, Role: s.Role,
				State: Unmanaged, Has: Yes, Reason: Foreign, Since: s.Since.UTC(), From: []Cause{}})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading foreign grants: %w", err)
	}
	for _, row := range rows {
		if err := r.write(row); err != nil {
			return err
		}
	}
	return nil
}

// pastNotes says what the trail cannot show.
func (r *report) pastNotes() []string {
	out := []string{"the past is that of the audit trail: what was pending or blocked then is not in it, and of foreign roles only those that are still there"}
	t := r.trail
	stamp := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	switch {
	case t.begins.IsZero():
		out = append(out, "the audit trail is empty")
	case t.forgotten:
		out = append(out, "the audit trail begins at "+stamp(t.begins)+", older events are kept no longer: grants from before then that have ended without an event since are missing")
	case r.query.At.Before(t.begins):
		out = append(out, "the audit trail begins at "+stamp(t.begins)+", after this moment: the bridge had granted nothing")
	}
	if !t.restored.IsZero() {
		out = append(out, "the store was restored from a copy at "+stamp(t.restored)+": what was done between the copy and then is not in the trail")
	}
	return out
}
