package postgres

import (
	"fmt"
	"iter"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
)

type events struct{ *tx }

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

func (e *events) Append(ev store.Event) (uint64, error) {
	e.write()
	seq, _, err := one(e.tx, pgx.RowTo[int64], `WITH e AS (INSERT INTO events (`+eventColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) RETURNING seq),
		u AS (INSERT INTO unsealed SELECT seq FROM e)
		SELECT seq FROM e`,
		pgtext.Nanos(ev.At), pgtext.Text(ev.Type), pgtext.Text(ev.Actor), pgtext.Text(ev.Initiator), pgtext.Text(ev.Token), pgtext.Text(ev.Request), pgtext.Text(ev.IdP), pgtext.Text(ev.Subject), pgtext.Text(ev.Name), pgtext.Texts(ev.Added), pgtext.Texts(ev.Removed),
		pgtext.Text(ev.Before), pgtext.Text(ev.After), pgtext.Text(ev.Backend), pgtext.Text(ev.Target), pgtext.Text(ev.Account), pgtext.Text(ev.Role), pgtext.Texts(ev.Causes), pgtext.Text(ev.Evidence), pgtext.Text(ev.Detail), pgtext.Text(ev.Reason))
	if err != nil {
		return 0, fmt.Errorf("append event: %w", err)
	}
	return uint64(seq), nil
}

func (e *events) Event(seq uint64) (store.Event, error) {
	ev, found, err := one(e.tx, scanEvent, `SELECT seq, `+eventColumns+` FROM events WHERE seq = $1`, number(seq))
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
func (e *events) Since(seq uint64) iter.Seq2[store.Event, error] {
	return e.list(seq, eventsPage)
}

func (e *events) Unsealed() iter.Seq2[store.Event, error] { return e.list(0, unsealedPage) }

const (
	eventsPage   = `SELECT seq, ` + eventColumns + ` FROM events WHERE seq > $1 ORDER BY seq LIMIT $2`
	unsealedPage = `SELECT seq, ` + eventColumns + ` FROM unsealed JOIN events ON seq = event WHERE event > $1 ORDER BY event LIMIT $2`
)

func (e *events) list(after uint64, sql string) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		list := pages(func(last *store.Event, limit int) ([]store.Event, error) {
			if last != nil {
				after = last.Seq
			}
			return query(e.tx, scanEvent, sql, number(after), limit)
		})
		for ev, err := range list {
			if err != nil {
				err = fmt.Errorf("events: %w", err)
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}
