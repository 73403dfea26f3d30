package postgres

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

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
	postgrestest.Run(t, dsn, `CREATE SEQUENCE conflicts`, `CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.name = 'alone' AND nextval('conflicts') < 4 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$`,
		`CREATE TRIGGER conflict BEFORE INSERT ON settings FOR EACH ROW EXECUTE FUNCTION conflict()`)
	mustUpdate(t, s, set("alone"))
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
