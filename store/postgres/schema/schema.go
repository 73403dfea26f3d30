// Package schema has the steps from an empty database to the tables of this version, and takes a database
// through them.
package schema

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/pgtx"
)

//go:embed migrations/*.sql
var files embed.FS

// Steps returns the steps from an empty database to the tables of this version, in order. A released step
// never changes.
//
// During a rolling upgrade replicas of the previous version use the tables of this one. So a step adds only
// what they can ignore; what they need is dropped a version later.
func Steps() []string {
	names, err := fs.Glob(files, "migrations/*.sql") // sorted
	var steps []string
	for _, name := range names {
		var step []byte
		if step, err = files.ReadFile(name); err != nil {
			break
		}
		steps = append(steps, string(step))
	}
	if err != nil {
		panic(err) // they are part of the program
	}
	return steps
}

// migrationLock is the lock for which replicas that start together wait. It ends with the transaction.
const migrationLock = 0x5343494d // "SCIM"

// beginMigration sets the isolation in which a replica that waited for the lock sees the commit of the one
// before, with any defaults of the database.
const beginMigration = `begin isolation level read committed read write; set local statement_timeout = 0`

// Migrate runs the missing steps, all of them or none, and returns the versions before and after. After the
// step to RecordsVersion it calls convert.
func Migrate(ctx context.Context, pool *pgxpool.Pool, steps []string, convert func(context.Context, pgx.Tx) error) (from, to int, err error) {
	to = len(steps)
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{BeginQuery: beginMigration}, func(tx pgx.Tx) error {
		if from, err = version(ctx, tx); err != nil || from >= to {
			return err
		}
		from, err = bring(ctx, tx, steps, convert)
		return err
	})
	switch {
	case err != nil:
		return from, from, fmt.Errorf("bringing the tables up to date: %w", pgtx.Remedied(err))
	case from > to:
		return from, from, fmt.Errorf("the tables have version %d, and this scimbridge knows versions up to %d: %w: run the newer one", from, to, store.ErrNewer)
	}
	return from, to, nil
}

// bring waits for another replica that migrates, and runs the steps that are still missing.
func bring(ctx context.Context, tx pgx.Tx, steps []string, convert func(context.Context, pgx.Tx) error) (from int, err error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationLock); err != nil {
		return 0, err
	}
	// Before the version is read again: a transaction does not see a table that another one has created
	// meanwhile, until a statement such as this one.
	if _, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version int NOT NULL PRIMARY KEY, applied timestamptz NOT NULL DEFAULT clock_timestamp())`); err != nil {
		return 0, err
	}
	if from, err = version(ctx, tx); err != nil || from >= len(steps) { // another replica was faster
		return from, err
	}
	for i, step := range steps[from:] {
		if _, err := tx.Exec(ctx, step); err != nil {
			return from, fmt.Errorf("step %d: %w", from+i+1, err)
		}
		if from+i+1 == RecordsVersion {
			if err := convert(ctx, tx); err != nil {
				return from, fmt.Errorf("step %d: %w", from+i+1, err)
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO schema_version (version) VALUES ($1)`, from+i+1); err != nil {
			return from, err
		}
	}
	return from, nil
}

// version returns the version of the tables; 0 if there are none.
func version(ctx context.Context, tx pgx.Tx) (n int, err error) {
	var there bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass('schema_version') IS NOT NULL`).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&n)
	return n, err
}

// Version returns the version of the tables; 0 if there are none. It changes nothing.
func Version(ctx context.Context, pool *pgxpool.Pool) (n int, err error) {
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		n, err = version(ctx, tx)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the version of the tables: %w", err)
	}
	return n, nil
}

// RecordsVersion is the first version with typed tables; before, their records were settings.
const RecordsVersion = 3
