package postgres

import (
	"fmt"
	"iter"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
)

type events struct{ *tx }

const eventColumns = `at, type, actor, request, idp, subject, name, added, removed, backend, target, account, role, detail`

func scanEvent(r pgx.CollectableRow) (e store.Event, err error) {
	var seq int64
	var at *int64
	err = r.Scan(&seq, &at, &e.Type, &e.Actor, &e.Request, &e.IdP, &e.Subject, &e.Name, &e.Added, &e.Removed, &e.Backend, &e.Target, &e.Account, &e.Role, &e.Detail)
	unshorten(nil, &e.Type, &e.Actor, &e.Request, &e.IdP, &e.Subject, &e.Name, &e.Backend, &e.Target, &e.Account, &e.Role, &e.Detail)
	e.Seq, e.At, e.Added, e.Removed = uint64(seq), moment(at), plains(e.Added), plains(e.Removed)
	return e, err
}

func (e *events) Append(ev store.Event) (uint64, error) {
	e.write()
	seq, _, err := one(e.tx, pgx.RowTo[int64], `INSERT INTO events (`+eventColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING seq`,
		nanos(ev.At), text(ev.Type), text(ev.Actor), text(ev.Request), text(ev.IdP), text(ev.Subject), text(ev.Name), texts(ev.Added), texts(ev.Removed),
		text(ev.Backend), text(ev.Target), text(ev.Account), text(ev.Role), text(ev.Detail))
	if err != nil {
		return 0, fmt.Errorf("append event: %w", err)
	}
	return uint64(seq), nil
}

func (e *events) Since(seq uint64) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		list := pages(func(last *store.Event, limit int) ([]store.Event, error) {
			after := int64(min(seq, math.MaxInt64))
			if last != nil {
				after = int64(last.Seq)
			}
			return query(e.tx, scanEvent, `SELECT seq, `+eventColumns+` FROM events WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
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
