// Package postgrestest gives tests databases of their own, on the server that a variable names. It owns no server: .ci/postgres
// starts one.
package postgrestest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Variable is the DSN, as a URL, of a server on which databases may be made. Without it the tests skip.
const Variable = "SCIMBRIDGE_TEST_POSTGRES"

// Database makes an empty database, which goes with the test, and gives its DSN.
func Database(t testing.TB) (dsn string) {
	t.Helper()
	base := os.Getenv(Variable)
	if base == "" {
		t.Skip("set " + Variable + " to the URL of a PostgreSQL server on which databases may be made; .ci/postgres starts one")
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		t.Fatalf("%s is not a URL such as postgres://postgres@127.0.0.1:5432/postgres", Variable)
	}
	name := "scimbridge_" + rand.Text()[:12]
	u.Path = "/" + name
	Run(t, base, `CREATE DATABASE "`+name+`" TEMPLATE template0 ENCODING 'UTF8'`)
	t.Cleanup(func() { Run(t, base, `DROP DATABASE "`+name+`" WITH (FORCE)`) })
	return u.String()
}

// Run runs statements that no store would.
func Run(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	ctx := context.Background() // that of the test is over when it cleans up
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is left on it
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}
