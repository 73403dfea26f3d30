package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
	"github.com/scimbridge/scimbridge/store/postgres/schema"
	"github.com/scimbridge/scimbridge/store/storetest"
)

func set(name string) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.SetSetting(name, []byte("yes")) }
}

func has(t *testing.T, s store.Store, name string) (there bool) {
	t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		there = tx.Setting(name) != nil
		return nil
	})
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	return there
}

// database returns the name of the database of a DSN.
func database(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

// TestAServerThatDoesNotSync checks that such a server is refused by Open, and by an open store after a fail-over.
func TestAServerThatDoesNotSync(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn, Options{})
	mustUpdate(t, s, set("before"))
	name := database(t, dsn)
	postgrestest.Run(t, dsn, `ALTER DATABASE "`+name+`" SET synchronous_commit = off`)
	if _, err := Open(t.Context(), dsn, Options{}); err == nil || !strings.Contains(err.Error(), "synchronous_commit=off") {
		t.Errorf("open: %v", err)
	}
	terminate := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	postgrestest.Run(t, dsn, terminate)
	if err := s.Update(t.Context(), set("while")); !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "synchronous_commit=off") {
		t.Errorf("update: %v", err)
	}
	postgrestest.Run(t, dsn, `ALTER DATABASE "`+name+`" RESET synchronous_commit`, terminate)
	mustUpdate(t, s, set("after"))
	if !has(t, s, "before") || has(t, s, "while") || !has(t, s, "after") {
		t.Error("what is there is not what was answered")
	}
	select {
	case <-s.Failed():
		t.Error("a database that comes back is no failure")
	default:
	}
}

func TestANewerSchema(t *testing.T) {
	dsn := postgrestest.Database(t)
	mustOpen(t, dsn, Options{})
	postgrestest.Run(t, dsn, `INSERT INTO schema_version (version) VALUES (1000)`)
	if _, err := Open(t.Context(), dsn, Options{}); !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "version 1000") {
		t.Errorf("open: %v", err)
	}
}

// TestMigrations starts several replicas at once: one creates the tables. A failing step leaves no changes.
func TestMigrations(t *testing.T) {
	dsn := postgrestest.Database(t)
	var first atomic.Int64
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			from, to, err := Migrate(context.Background(), dsn)
			if err != nil || to == 0 {
				t.Errorf("migrate: %d, %v", to, err)
			}
			if from == 0 {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	if first.Load() != 1 {
		t.Errorf("%d made the tables", first.Load())
	}
	s := mustOpen(t, dsn, Options{})
	now := len(schema.Steps())
	steps := append(schema.Steps(), `CREATE TABLE one_more (a int)`, `CREATE TABLE wrong (`)
	from, to, err := schema.Migrate(t.Context(), s.db.Pool, steps, convertSettings)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint("step ", now+2)) || from != to {
		t.Errorf("from %d to %d: %v", from, to, err)
	}
	if there, known, err := Versions(t.Context(), dsn); err != nil || there != known {
		t.Errorf("version %d of %d: %v", there, known, err)
	}
	if from, to, err := schema.Migrate(t.Context(), s.db.Pool, steps[:now+1], convertSettings); err != nil || from != now || to != now+1 {
		t.Errorf("from %d to %d: %v", from, to, err)
	}
	mustUpdate(t, s, set("a store of the version before goes on"))
}

// TestMigrationsOfADatabaseWithDefaults sets defaults for transactions: a replica that waited still sees the tables.
func TestMigrationsOfADatabaseWithDefaults(t *testing.T) {
	dsn := postgrestest.Database(t)
	name := database(t, dsn)
	postgrestest.Run(t, dsn, `ALTER DATABASE "`+name+`" SET default_transaction_isolation = 'serializable'`)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, _, err := Migrate(context.Background(), dsn); err != nil {
				t.Errorf("migrate: %v", err)
			}
		})
	}
	wg.Wait()
	mustUpdate(t, mustOpen(t, dsn, Options{}), set("n"))
}

// TestTheFenceOfOldStrings fences Updates of a database in which a backslash escapes, and of the usual one.
func TestTheFenceOfOldStrings(t *testing.T) {
	for _, standard := range []string{"on", "off"} {
		dsn := postgrestest.Database(t)
		postgrestest.Run(t, dsn, `ALTER DATABASE "`+database(t, dsn)+`" SET standard_conforming_strings = `+standard)
		s := mustOpen(t, dsn, Options{})
		lease, err := s.Take(t.Context(), `a\'b`, `own'\er`, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		mustUpdate(t, s.Under(lease), set("held"))
		if err := s.Release(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
		if err := s.Under(lease).Update(t.Context(), set("over")); !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: %v", standard, err)
		}
		if !has(t, s, "held") || has(t, s, "over") {
			t.Errorf("%s: what is there is not what was answered", standard)
		}
	}
}

// TestAConnectionThatIsLost loses a connection within a function, which runs again on another.
func TestAConnectionThatIsLost(t *testing.T) {
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn, Options{})
	runs := 0
	err := s.Update(t.Context(), func(tx store.Tx) error {
		if runs++; runs == 1 {
			postgrestest.Run(t, dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
		}
		_ = tx.Setting("swallowed") // its answer "no setting" must not be trusted
		return nil
	})
	if err != nil || runs != 2 {
		t.Errorf("after %d runs: %v", runs, err)
	}
	if err := s.View(t.Context(), func(tx store.Tx) error {
		postgrestest.Run(t, dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
		_, _ = tx.Directory("idp").User("u") // taken for "not found"
		return nil
	}); !errors.Is(err, store.ErrFull) {
		t.Errorf("a view that lost its connection: %v", err)
	}
	mustUpdate(t, s, set("after"))
}

// TestAStoppedWriter checks that the server ends the transaction of a stopped process, so that others go on.
func TestAStoppedWriter(t *testing.T) {
	dsn, l := postgrestest.Database(t), &listener{}
	s := mustOpen(t, dsn, Options{Tracer: l})
	begin := l.during(func() { mustUpdate(t, s, set("other")) })[0].sql
	ctx := context.Background()
	stopped, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stopped.Close(ctx) }()
	for _, sql := range []string{begin, `INSERT INTO settings (name, value) VALUES ('n', '')`} {
		if _, err := stopped.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	mustUpdate(t, s, set("n")) // the same row
	if _, err := stopped.Exec(ctx, "commit"); err == nil {
		t.Error("what was stopped has committed nevertheless")
	}
}

// middle is a proxy to the server that can lose the answers to commits and translate messages.
type middle struct {
	net.Listener
	server    string
	lose      atomic.Bool
	pass      atomic.Bool // the commit reaches the server
	translate *strings.Replacer
}

func inTheMiddle(t *testing.T, dsn string) (*middle, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &middle{Listener: l, server: u.Host, translate: strings.NewReplacer()}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go m.carry(c)
		}
	}()
	u.Host = l.Addr().String()
	return m, u.String()
}

func (m *middle) carry(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", m.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var deaf atomic.Bool
	go func() {
		defer func() { _ = client.Close() }()
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			if deaf.Load() && n > 0 { // the server has committed
				return
			}
			if _, werr := m.translate.WriteString(client, string(b[:n])); err != nil || werr != nil {
				return
			}
		}
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if strings.Contains(string(b[:n]), "commit\x00") && m.lose.Load() {
			if !m.pass.Load() {
				return
			}
			deaf.Store(true)
		}
		if _, werr := server.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// TestAnAnswerThatIsLost loses the answer to a commit: the result is ErrUnknown.
func TestAnAnswerThatIsLost(t *testing.T) {
	m, dsn := inTheMiddle(t, postgrestest.Database(t))
	s := mustOpen(t, dsn, Options{})
	for _, pass := range []bool{true, false} {
		name := map[bool]string{true: "committed", false: "not"}[pass]
		m.pass.Store(pass)
		m.lose.Store(true)
		runs := 0
		err := s.Update(t.Context(), func(tx store.Tx) error { runs++; return set(name)(tx) })
		m.lose.Store(false)
		if !errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrFull) || runs != 1 {
			t.Errorf("%s: %v after %d runs", name, err, runs)
		}
		if has(t, s, name) != pass {
			t.Errorf("%s: it is otherwise", name)
		}
	}
}

// TestAServerInAnotherLanguage checks that errors and warnings are recognized with any lc_messages.
func TestAServerInAnotherLanguage(t *testing.T) {
	m, dsn := inTheMiddle(t, postgrestest.Database(t))
	m.translate = strings.NewReplacer("SERROR\x00", "SOSHBK\x00", "SFATAL\x00", "SVAZHN\x00", "SWARNING\x00", "SWARNUNG\x00") // of the same length
	s := mustOpen(t, dsn, Options{})
	postgrestest.Run(t, dsn, `CREATE SEQUENCE conflicts`, `CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.name = 'conflict' AND nextval('conflicts') = 1 THEN RAISE EXCEPTION 'Konflikt' USING ERRCODE = '40001'; END IF;
		IF NEW.name = 'primary' THEN RAISE WARNING 'storniere Warten auf synchrone Replikation wegen Benutzeraufforderung'; END IF;
		RETURN NULL; END $$`,
		`CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON settings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()`)
	runs := 0
	update := func(name string, before func()) error {
		runs = 0
		return s.Update(t.Context(), func(tx store.Tx) error {
			if runs++; runs == 1 {
				before()
			}
			return set(name)(tx)
		})
	}
	if err := update("conflict", func() {}); err != nil || runs != 2 {
		t.Errorf("a conflict that shows at the commit: %v after %d runs", err, runs)
	}
	if err := update("lost", func() {
		postgrestest.Run(t, dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
	}); err != nil || runs != 2 {
		t.Errorf("a connection that the server ends: %v after %d runs", err, runs)
	}
	if err := update("primary", func() {}); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("a commit that did not wait for the standby: %v", err)
	}
	if !has(t, s, "conflict") || !has(t, s, "lost") || !has(t, s, "primary") {
		t.Error("what is there is not what was answered")
	}
}

// TestSessionsThatForget runs the contract on connections that keep no state between transactions, as behind a
// proxy that assigns connections per transaction.
func TestSessionsThatForget(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) func() store.Shared {
		dsn := postgrestest.Database(t)
		return func() store.Shared {
			s := mustOpen(t, dsn, Options{})
			c := s.db.Pool.Config()
			c.AfterRelease = func(conn *pgx.Conn) bool {
				_, err := conn.Exec(context.Background(), "DISCARD ALL")
				return err == nil
			}
			s.db.Pool.Close()
			pool, err := pgxpool.NewWithConfig(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			s.db.Pool = pool
			return s
		}
	})
}
