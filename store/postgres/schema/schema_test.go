package schema

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// TestAReplicaThatFoundNoTablesAndWaited migrates while another replica creates the tables: it must see them after its wait.
func TestAReplicaThatFoundNoTablesAndWaited(t *testing.T) {
	dsn := postgrestest.Database(t)
	pools := make([]*pgxpool.Pool, 2)
	for i := range pools {
		var err error
		if pools[i], err = pgxpool.New(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
		defer pools[i].Close()
	}
	steps := []string{`CREATE TABLE small (a int)`} // about a large table the server notifies its connections by itself
	waited := make(chan error, 1)
	err := pgx.BeginFunc(t.Context(), pools[0], func(first pgx.Tx) error {
		if _, err := first.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1)`, migrationLock); err != nil {
			return err
		}
		go func() {
			from, to, err := Migrate(context.Background(), pools[1], steps, nil)
			if err == nil && (from != len(steps) || to != from) {
				err = fmt.Errorf("from %d to %d", from, to)
			}
			waited <- err
		}()
		for waits := false; !waits; {
			select {
			case err := <-waited:
				return fmt.Errorf("it did not wait: %w", err)
			default:
			}
			if err := first.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits); err != nil {
				return err
			}
		}
		_, err := bring(t.Context(), first, steps, nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
}
