package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// TestRemedies checks that errors of a new installation name the next step and wrap their cause.
func TestRemedies(t *testing.T) {
	for code, want := range map[string]string{"28P01": "password", "28000": "pg_hba.conf", "3D000": "createdb", "42501": "scimbridge migrate", "53300": "max_connections"} {
		before := &pgconn.PgError{Severity: "FATAL", Code: code, Message: "no"}
		err := remedied(before)
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "FATAL: no") || !errors.Is(err, before) {
			t.Errorf("%s: %v", code, err)
		}
	}
	for _, other := range []error{errors.New("no"), &pgconn.PgError{Code: "57P03"}} {
		if err := remedied(other); !errors.Is(err, other) || err.Error() != other.Error() {
			t.Errorf("%v became %v", other, err)
		}
	}
	busy := (&Store{}).outcome(context.Background(), "update", databaseError{&pgconn.PgError{Severity: "FATAL", Code: "53300"}})
	if !errors.Is(busy, store.ErrFull) || !strings.Contains(busy.Error(), "pool_max_conns") {
		t.Errorf("no connection is left, while it runs: %v", busy)
	}
	closing := &Store{}
	closing.closed.Store(true)
	if err := closing.outcome(context.Background(), "update", databaseError{unknownError{io.EOF}}); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("a commit without an answer, while it is closed: %v", err)
	}
	late := fmt.Errorf("timeout: %w", context.DeadlineExceeded)
	if err := unanswered(late); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "synchronous_standby_names") {
		t.Errorf("a commit without an answer: %v", err)
	}
	if err := unanswered(io.EOF); !errors.Is(err, io.EOF) || err.Error() != io.EOF.Error() {
		t.Errorf("a connection that broke: %v", err)
	}
	u, err := url.Parse(postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/not_made"
	if _, err := Open(context.Background(), u.String(), Options{}); err == nil || !strings.Contains(err.Error(), "createdb") {
		t.Errorf("a database that is not there: %v", err)
	}
}

// TestAUserWhoOwnsNothing serves as a user with the documented grants over tables of another owner, also later
// ones. Without the grants the error says what is missing.
func TestAUserWhoOwnsNothing(t *testing.T) {
	ctx, dsn := context.Background(), postgrestest.Database(t)
	user := database(t, dsn) + "_user" // roles are the server's
	quoted := `"` + user + `"`
	postgrestest.Run(t, dsn, `CREATE ROLE `+quoted+` LOGIN PASSWORD 'secret-of-the-user'`)
	t.Cleanup(func() { postgrestest.Run(t, dsn, `DROP OWNED BY `+quoted, `DROP ROLE `+quoted) })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, "secret-of-the-user")
	if _, _, err := Migrate(ctx, dsn); err != nil {
		t.Fatal(err)
	}
	_, err = Open(ctx, u.String(), Options{})
	if err == nil || !strings.Contains(err.Error(), "grant this user") || strings.Contains(err.Error(), "secret-of-the-user") {
		t.Errorf("without anything granted: %v", err)
	}
	postgrestest.Run(t, dsn,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO `+quoted,
		`GRANT SELECT, USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA public TO `+quoted,
		`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO `+quoted,
		`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, USAGE, UPDATE ON SEQUENCES TO `+quoted)
	postgrestest.Run(t, dsn, `CREATE TABLE of_later (n int)`)
	s := mustOpen(t, u.String(), Options{})
	fill(t, s, 3, 1)
	mustUpdate(t, s, patch(uuid('b', 0), ids('a', 0, 3)...))
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Ledger("vt").NextAttempt(); err != nil {
			return err
		}
		if err := tx.Directory("idp").DeleteGroup(uuid('b', 0)); err != nil {
			return err
		}
		return tx.Ledger("vt").(*ledger).SkipAttempts(7)
	})
	if err := s.once(ctx, alone, func(t *tx) error { return set("alone")(t) }); err != nil {
		t.Errorf("alone: %v", err)
	}
	l, err := s.Take(ctx, "vt", "me", time.Minute)
	if err == nil {
		err = s.Under(l).Update(ctx, set("under"))
	}
	if err == nil {
		err = s.Announce(ctx, store.Replica{ID: "me"})
	}
	if err != nil {
		t.Error(err)
	}
	postgrestest.Run(t, u.String(), `SELECT n FROM of_later`)
}
