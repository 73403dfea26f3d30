package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/storetest"
)

// testVariable is the DSN, as a URL, of a server on which the tests may make databases.
const testVariable = "SCIMBRIDGE_TEST_POSTGRES"

// admin connects to the server for what no store does.
func admin(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), os.Getenv(testVariable))
	if err != nil {
		t.Fatalf("connect to %s: %v", testVariable, err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// newDatabase makes an empty one, which goes with the test.
func newDatabase(t testing.TB) (dsn string) {
	t.Helper()
	base := os.Getenv(testVariable)
	if base == "" {
		t.Skip("set " + testVariable + " to the URL of a PostgreSQL server on which databases may be made; .ci/postgres starts one")
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		t.Fatalf("%s is not a URL such as postgres://postgres@127.0.0.1:5432/postgres", testVariable)
	}
	conn := admin(t)
	name := "scimbridge_" + rand.Text()[:12]
	u.Path = "/" + name
	run(t, conn, `CREATE DATABASE "`+name+`" TEMPLATE template0 ENCODING 'UTF8'`)
	t.Cleanup(func() { run(t, conn, `DROP DATABASE "`+name+`" WITH (FORCE)`) })
	return u.String()
}

func mustOpen(t testing.TB, dsn string, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return mustOpen(t, newDatabase(t), Options{}) })
}

func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dsn := newDatabase(t)
			storetest.Model(t, func() (store.Store, error) { return Open(context.Background(), dsn, Options{}) }, seed)
		})
	}
}

func TestSharedContract(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) func() store.Shared {
		dsn := newDatabase(t)
		return func() store.Shared { return mustOpen(t, dsn, Options{}) }
	})
}
