package pgtx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// TestRemedies checks that errors of a new installation name the next step and wrap their cause.
func TestRemedies(t *testing.T) {
	for code, want := range map[string]string{"28P01": "password", "28000": "pg_hba.conf", "3D000": "createdb", "42501": "scimbridge migrate", "53300": "max_connections"} {
		before := &pgconn.PgError{Severity: "FATAL", Code: code, Message: "no"}
		err := Remedied(before)
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "FATAL: no") || !errors.Is(err, before) {
			t.Errorf("%s: %v", code, err)
		}
	}
	for _, other := range []error{errors.New("no"), &pgconn.PgError{Code: "57P03"}} {
		if err := Remedied(other); !errors.Is(err, other) || err.Error() != other.Error() {
			t.Errorf("%v became %v", other, err)
		}
	}
	busy := (&DB{}).outcome(context.Background(), "update", databaseError{&pgconn.PgError{Severity: "FATAL", Code: "53300"}})
	if !errors.Is(busy, store.ErrFull) || !strings.Contains(busy.Error(), "pool_max_conns") {
		t.Errorf("no connection is left, while it runs: %v", busy)
	}
	closing := &DB{}
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
	if _, err := Open(context.Background(), u.String(), nil); err == nil || !strings.Contains(err.Error(), "createdb") {
		t.Errorf("a database that is not there: %v", err)
	}
}
