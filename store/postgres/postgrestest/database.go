// Package postgrestest creates databases for tests, on the server that a variable names. .ci/postgres
// starts such a server.
package postgrestest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Variable names the variable with the DSN, as a URL, of a server for the databases. Without it the tests are skipped.
const Variable = "SCIMBRIDGE_TEST_POSTGRES"

// Database creates an empty database, which is dropped after the test, and returns its DSN.
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

// Run runs statements outside of a store.
func Run(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	ctx := context.Background() // the context of the test has ended when it cleans up
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }() // all statements have ended
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}
