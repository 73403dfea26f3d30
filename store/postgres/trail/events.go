// Package trail is the audit trail in PostgreSQL: events, those without a place in the chain, and the seals
// of the others. It runs in a transaction of its caller.
//
//	events.go  events and their numbers
//	seals.go   the chain
package trail

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
)

// Events is the audit trail in a transaction. It implements store.Events.
type Events struct {
	*pgtx.Tx
	used int     // events of this transaction
	free []int64 // numbers for further ones
}

const eventColumns = `at, type, actor, initiator, token, request, idp, subject, name, added, removed, before, after, backend, target, account, role, causes, evidence, detail, reason`

func scanEvent(r pgx.CollectableRow) (e store.Event, err error) {
	var seq int64
	var at *int64
	err = r.Scan(&seq, &at, &e.Type, &e.Actor, &e.Initiator, &e.Token, &e.Request, &e.IdP, &e.Subject, &e.Name, &e.Added, &e.Removed, &e.Before, &e.After,
		&e.Backend, &e.Target, &e.Account, &e.Role, &e.Causes, &e.Evidence, &e.Detail, &e.Reason)
	pgtext.Unshorten(nil, &e.Type, &e.Actor, &e.Initiator, &e.Token, &e.Request, &e.IdP, &e.Subject, &e.Name, &e.Before, &e.After, &e.Backend, &e.Target, &e.Account, &e.Role, &e.Evidence, &e.Detail, &e.Reason)
	e.Seq, e.At, e.Added, e.Removed = uint64(seq), pgtext.Moment(at), pgtext.Plains(e.Added), pgtext.Plains(e.Removed)
	e.Causes = pgtext.Plains(e.Causes)
	return e, err
}

// next returns a number for an event; 0 for the first event of the transaction, which takes its own. Each
// further one may be one of many: then the transaction takes as many numbers as it has events, and writes
// the events later.
func (e *Events) next() (seq int64, err error) {
	if e.used++; e.used == 1 {
		return 0, nil
	}
	if len(e.free) == 0 {
		e.free, err = pgtx.Query(e.Tx, pgx.RowTo[int64], `SELECT nextval('events_seq_seq') FROM generate_series(1, $1)`, min(e.used-1, mostNumbers))
		if err != nil {
			return 0, err
		}
		slices.Sort(e.free)
	}
	seq, e.free = e.free[0], e.free[1:]
	return seq, nil
}

// mostNumbers bounds the numbers that a transaction takes at once.
const mostNumbers = 100

// Append adds an event and returns its number.
func (e *Events) Append(ev store.Event) (uint64, error) {
	e.MustWrite()
	args := []any{pgtext.Nanos(ev.At), pgtext.Text(ev.Type), pgtext.Text(ev.Actor), pgtext.Text(ev.Initiator), pgtext.Text(ev.Token), pgtext.Text(ev.Request), pgtext.Text(ev.IdP),
		pgtext.Text(ev.Subject), pgtext.Text(ev.Name), pgtext.Texts(ev.Added), pgtext.Texts(ev.Removed), pgtext.Text(ev.Before), pgtext.Text(ev.After), pgtext.Text(ev.Backend),
		pgtext.Text(ev.Target), pgtext.Text(ev.Account), pgtext.Text(ev.Role), pgtext.Texts(ev.Causes), pgtext.Text(ev.Evidence), pgtext.Text(ev.Detail), pgtext.Text(ev.Reason)}
	seq, err := e.next()
	switch {
	case err != nil:
	case seq != 0:
		err = e.Later(appendNumbered, append(args, seq)...)
	default:
		seq, _, err = pgtx.One(e.Tx, pgx.RowTo[int64], appendEvent, args...)
	}
	if err != nil {
		return 0, fmt.Errorf("append event: %w", err)
	}
	return uint64(seq), nil
}

const (
	eventValues = `$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21`
	appendEvent = `WITH e AS (INSERT INTO events (` + eventColumns + `) VALUES (` + eventValues + `) RETURNING seq),
		u AS (INSERT INTO unsealed SELECT seq FROM e) SELECT seq FROM e`
	appendNumbered = `WITH e AS (INSERT INTO events (` + eventColumns + `, seq) OVERRIDING SYSTEM VALUE VALUES (` + eventValues + `, $22) RETURNING seq)
		INSERT INTO unsealed SELECT seq FROM e`
)

// Event returns an event by its number.
func (e *Events) Event(seq uint64) (store.Event, error) {
	ev, found, err := pgtx.One(e.Tx, scanEvent, `SELECT seq, `+eventColumns+` FROM events WHERE seq = $1`, number(seq))
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Event{}, fmt.Errorf("event %d: %w", seq, err)
	}
	return ev, nil
}

// number returns a number of the port as the database can hold it.
func number(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// Since lists committed events. An event with a lower number may be committed later, so a reader must
// follow the seals and not the numbers.
func (e *Events) Since(seq uint64) iter.Seq2[store.Event, error] {
	return e.list(seq, eventsPage)
}

// Unsealed lists the committed events without a place, by number.
func (e *Events) Unsealed() iter.Seq2[store.Event, error] { return e.list(0, unsealedPage) }

const (
	eventsPage   = `SELECT seq, ` + eventColumns + ` FROM events WHERE seq > $1 ORDER BY seq LIMIT $2`
	unsealedPage = `SELECT seq, ` + eventColumns + ` FROM unsealed JOIN events ON seq = event WHERE event > $1 ORDER BY event LIMIT $2`
)

func (e *Events) list(after uint64, sql string) iter.Seq2[store.Event, error] {
	return pgtx.Pages("events", func(ev store.Event) store.Event { return ev }, func(last *store.Event, limit int) ([]store.Event, error) {
		if last != nil {
			after = last.Seq
		}
		return pgtx.Query(e.Tx, scanEvent, sql, number(after), limit)
	})
}
