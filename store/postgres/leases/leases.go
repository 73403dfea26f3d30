// Package leases has the leases on backends and the replicas that are alive, by the clock of the database.
// A lease also fences the Updates of its holder.
package leases

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtext"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
)

// Table has the leases and replicas of a database. It implements most of store.Shared.
type Table struct{ DB *pgtx.DB }

// Fence ends an Update with ErrFenced unless the lease is held. It locks the row: no replica can take the
// lease before the transaction is committed or undone.
func Fence(l store.Lease) *pgtx.Guard {
	return &pgtx.Guard{
		SQL:       `SELECT epoch FROM leases WHERE name = $1 AND owner = $2 AND epoch = $3 AND until > clock_timestamp() FOR SHARE`,
		Args:      []any{pgtext.Text(l.Name), pgtext.Text(l.Owner), int64(l.Term)},
		Otherwise: fmt.Errorf("update under the lease of %q: %w", l.Name, store.ErrFenced),
	}
}

// beginLease begins a transaction of one statement. It sees the latest committed lease, also after waiting
// for another transaction.
const beginLease = `begin isolation level read committed read write; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = '5s'; set local lock_timeout = '3s'`

// say runs one statement on leases or replicas, and commits it.
func say[T any](ctx context.Context, s Table, doing string, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	var list []T
	err := s.DB.Alone(ctx, doing, beginLease, func(t *pgtx.Tx) (err error) {
		list, err = pgtx.Query(t, scan, sql, args...)
		return err
	})
	return list, err
}

const leaseColumns = `name, owner, epoch, until, clock_timestamp()`

func scanLease(r pgx.CollectableRow) (l store.Lease, err error) {
	var epoch int64
	err = r.Scan(&l.Name, &l.Owner, &epoch, &l.Until, &l.Now)
	l.Name, l.Owner, l.Term, l.Until, l.Now = pgtext.Plain(l.Name), pgtext.Plain(l.Owner), uint64(epoch), l.Until.UTC(), l.Now.UTC()
	return l, err
}

// Take implements store.Shared. A running transaction under the lease delays it: see Fence.
func (s Table) Take(ctx context.Context, name, owner string, ttl time.Duration) (store.Lease, error) {
	list, err := say(ctx, s, "take lease", scanLease, `INSERT INTO leases (name, owner, epoch, until) VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, epoch = leases.epoch + 1, until = clock_timestamp() + make_interval(secs => $3)
		WHERE leases.until <= clock_timestamp() RETURNING `+leaseColumns, pgtext.Text(name), pgtext.Text(owner), ttl.Seconds())
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == "55P03", err == nil && len(list) == 0:
		return store.Lease{}, fmt.Errorf("take lease of %q: %w", name, store.ErrHeld)
	case err != nil:
		return store.Lease{}, err
	}
	return list[0], nil
}

// Renew implements store.Shared.
func (s Table) Renew(ctx context.Context, l store.Lease, ttl time.Duration) (store.Lease, error) {
	list, err := say(ctx, s, "renew lease", scanLease, `UPDATE leases SET until = clock_timestamp() + make_interval(secs => $4)
		WHERE name = $1 AND owner = $2 AND epoch = $3 AND until > clock_timestamp() RETURNING `+leaseColumns, pgtext.Text(l.Name), pgtext.Text(l.Owner), int64(l.Term), ttl.Seconds())
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("renew lease of %q: %w", l.Name, store.ErrFenced)
	}
	if err != nil {
		return store.Lease{}, err
	}
	return list[0], nil
}

// Release implements store.Shared.
func (s Table) Release(ctx context.Context, l store.Lease) error {
	_, err := say(ctx, s, "release lease", scanLease, `UPDATE leases SET until = clock_timestamp()
		WHERE name = $1 AND owner = $2 AND epoch = $3 AND until > clock_timestamp() RETURNING `+leaseColumns, pgtext.Text(l.Name), pgtext.Text(l.Owner), int64(l.Term))
	return err
}

// Leases implements store.Shared.
func (s Table) Leases(ctx context.Context) ([]store.Lease, error) {
	return say(ctx, s, "list leases", scanLease, `SELECT `+leaseColumns+` FROM leases ORDER BY name`)
}

// Announce implements store.Shared, and forgets replicas that have been silent for a day.
func (s Table) Announce(ctx context.Context, r store.Replica) error {
	_, err := say(ctx, s, "announce replica", pgx.RowTo[string], `WITH gone AS (DELETE FROM replicas WHERE seen < clock_timestamp() - interval '1 day' AND id <> $1)
		INSERT INTO replicas (id, address, version, started, seen) VALUES ($1, $2, $3, $4, clock_timestamp())
		ON CONFLICT (id) DO UPDATE SET address = excluded.address, version = excluded.version, started = excluded.started, seen = clock_timestamp() RETURNING id`,
		pgtext.Text(r.ID), pgtext.Text(r.Address), pgtext.Text(r.Version), pgtext.Nanos(r.Started))
	return err
}

// Replicas implements store.Shared.
func (s Table) Replicas(ctx context.Context) ([]store.Replica, error) {
	return say(ctx, s, "list replicas", func(row pgx.CollectableRow) (r store.Replica, err error) {
		var started *int64
		err = row.Scan(&r.ID, &r.Address, &r.Version, &started, &r.Seen, &r.Now)
		pgtext.Unshorten(nil, &r.ID, &r.Address, &r.Version)
		r.Started, r.Seen, r.Now = pgtext.Moment(started), r.Seen.UTC(), r.Now.UTC()
		return r, err
	}, `SELECT id, address, version, started, seen, clock_timestamp() FROM replicas WHERE seen > clock_timestamp() - interval '1 day' ORDER BY id`)
}
