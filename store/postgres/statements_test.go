package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/postgres/postgrestest"
)

// listener is a tracer that records statements.
type listener struct {
	mu   sync.Mutex
	sent []statement
}

type statement struct {
	sql  string
	args []any
}

func (l *listener) add(sql string, args []any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, statement{sql, args})
}

func (l *listener) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	l.add(data.SQL, data.Args)
	return ctx
}

func (l *listener) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (l *listener) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (l *listener) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	l.add(data.SQL, data.Args)
}

func (l *listener) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// during lists the statements of a function.
func (l *listener) during(do func()) []statement {
	l.mu.Lock()
	l.sent = nil
	l.mu.Unlock()
	do()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.sent)
}

// TestStatementsOfAPatch checks that the number of statements does not depend on the number of members, nor
// on whether they are known.
func TestStatementsOfAPatch(t *testing.T) {
	l := &listener{}
	s := mustOpen(t, postgrestest.Database(t), Options{Tracer: l})
	fill(t, s, 1000, 8)
	mustUpdate(t, s, patch(uuid('b', 7), uuid('a', 0))) // the first of the backend
	count := func(fn func(store.Tx) error) int { return len(l.during(func() { mustUpdate(t, s, fn) })) }
	one := count(patch(uuid('b', 0), uuid('a', 1)))
	for what, n := range map[string]int{
		"a thousand":                  count(patch(uuid('b', 1), ids('a', 0, 1000)...)),
		"a thousand strangers":        count(patch(uuid('b', 2), ids('s', 0, 1000)...)),
		"a hundred, each with a mark": count(patch(uuid('b', 3), ids('a', 0, 100)...)),
	} {
		if n != one {
			t.Errorf("%s: %d statements, one takes %d", what, n, one)
		}
	}
	if one > 7 {
		t.Errorf("one member takes %d statements", one)
	}
	remove := func(members ...string) func(store.Tx) error {
		return func(tx store.Tx) error {
			_, err := tx.Directory("idp").RemoveMembers(uuid('b', 1), members...)
			return err
		}
	}
	if few, many := count(remove(uuid('a', 0))), count(remove(ids('a', 1, 1000)...)); few != many {
		t.Errorf("%d statements to remove one, %d to remove 999", few, many)
	}
}

// fillByHand makes a directory with a hundred thousand memberships, a fifth of them of one group, marks and a
// ledger. The server does not analyze the tables by itself.
func fillByHand(t *testing.T, dsn string) {
	t.Helper()
	postgrestest.Run(t, dsn,
		`DO $$ DECLARE r regclass; BEGIN FOR r IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
			EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', r); END LOOP; END $$`,
		`INSERT INTO identity_providers (name) VALUES ('idp')`,
		`INSERT INTO backends (name) VALUES ('vt')`,
		`INSERT INTO names (idp, kind, value) SELECT 1, 1, 'user-' || i FROM generate_series(1, 20000) i`,
		`INSERT INTO names (idp, kind, value) SELECT 1, 2, 'group-' || i FROM generate_series(1, 2000) i`,
		`INSERT INTO users (id, idp, active, version, user_name, folded, external_id, external_key, attributes)
			SELECT id, 1, true, 1, value, value, 'x' || id, 'x' || id, '{}' FROM names WHERE kind = 1`,
		`INSERT INTO user_emails (user_id, ordinal, idp, address, folded) SELECT id, 1, 1, user_name || '@example.com', user_name || '@example.com' FROM users`,
		`INSERT INTO groups (id, idp, members, version, display_name, folded, external_id, external_key, attributes)
			SELECT id, 1, 50, 1, value, value, 'x' || id, 'x' || id, '{}' FROM names WHERE kind = 2`,
		`INSERT INTO memberships SELECT g, (g * 37 + i * 11) % 20000 + 1 FROM generate_series(20002, 22000) g, generate_series(1, 50) i`,
		`INSERT INTO memberships SELECT 20001, i FROM generate_series(1, 20000) i`,
		`INSERT INTO marks (backend, target, idp, usr, account, event, seq, state, urgent, tries, reason)
			SELECT 1, 't' || i % 10, 'idp', 'user-' || i, '', 0, nextval('mark_numbers'), CASE WHEN i % 100 = 0 THEN 2 ELSE 0 END, false, 0, '' FROM generate_series(1, 20000) i`,
		`INSERT INTO entries (backend, target, account, role, key, state, wanted, open, adopted, maybe_gone, approved, attempt, missed, note, hold, why)
			SELECT 1, 't' || i % 10, 'a' || i, 'r', '', 1, true, false, false, false, false, i, 0, '', '', '' FROM generate_series(1, 20000) i`,
		`INSERT INTO links (backend, idp, usr, account, key) SELECT 1, 'idp', 'user-' || i, 'a' || i, '' FROM generate_series(1, 20000) i`,
		`INSERT INTO events (type, actor, initiator, token, request, idp, subject, name, before, after, backend, target, account, role, evidence, detail)
			SELECT 'x', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '' FROM generate_series(1, 20000) i`,
		`INSERT INTO seals SELECT seq, seq, sha256('') FROM events WHERE seq <= 15000`,
		`INSERT INTO unsealed SELECT seq FROM events WHERE seq > 15000`)
}

// hot runs every frequent statement on tables that grow.
func hot(s *Store) error {
	ctx := context.Background()
	l, err := s.Take(ctx, "vt", "me", time.Hour)
	if err == nil {
		err = s.Under(l).Update(ctx, hotChanges)
	}
	if err == nil {
		err = s.View(ctx, hotDirectory)
	}
	if err == nil {
		err = s.View(ctx, hotWork)
	}
	return err
}

func hotChanges(tx store.Tx) error {
	d, w, l, a, e := tx.Directory("idp"), tx.Work("vt"), tx.Ledger("vt"), tx.Accounts("vt"), tx.Events()
	members := []string{"stranger"}
	for i := range 1000 { // a join would compare each with each name
		members = append(members, fmt.Sprint("user-", i+1))
	}
	if err := patch("group-5", members...)(tx); err != nil {
		return err
	}
	u, err := d.User("user-7")
	if err != nil {
		return err
	}
	u.Emails = []string{"other@example.com"}
	if err := d.PutUser(u); err != nil {
		return err
	}
	if _, err := d.RemoveMembers("group-6", "user-3", "user-4"); err != nil {
		return err
	}
	if err := errors.Join(d.DeleteUser("user-9"), d.DeleteGroup("group-9")); err != nil {
		return err
	}
	user := store.Subject{IdP: "idp", User: "user-7"}
	if err := errors.Join(w.TouchUrgent("t1", time.Unix(1_700_000_000, 0), store.Origin{}, user), w.Touch("t2", time.Unix(1_700_000_000, 0), store.Origin{}, store.Subject{IdP: "idp", Event: 12_000})); err != nil {
		return err
	}
	m, err := w.Mark("t1", user)
	if err != nil {
		return err
	}
	if _, err := w.Park(m); err != nil {
		return err
	}
	if _, err := w.Settle(m); err != nil {
		return err
	}
	entry, err := l.Entry("t7", "a7", "r")
	if err != nil {
		return err
	}
	cached := store.CachedAccount{Target: "t7", Key: "k", ID: "a7"}
	err = errors.Join(l.PutEntry(entry), l.DeleteEntry("t8", "a8", "r"), a.PutLink(store.Link{IdP: "idp", User: "user-7", Account: "a8"}), a.DeleteLink("idp", "user-8"),
		a.PutCached(cached), a.DeleteCached("t7", "k"), e.Seal(store.Seal{Place: 15001, Event: 15001}))
	if err != nil {
		return err
	}
	_, err = e.Forget(10)
	return err
}

func hotDirectory(tx store.Tx) error {
	d := tx.Directory("idp")
	for by, value := range map[store.Index]string{store.ByUserName: "user-5", store.ByExternalID: "x5", store.ByEmail: "user-5@example.com"} {
		if found, err := d.FindUsers(by, value); err != nil || len(found) != 1 {
			return fmt.Errorf("found %d by index %d: %w", len(found), by, err)
		}
	}
	for by, value := range map[store.Index]string{store.ByDisplayName: "group-5", store.ByExternalID: "x20005"} {
		if found, err := d.FindGroups(by, value); err != nil || len(found) != 1 {
			return fmt.Errorf("found %d by index %d: %w", len(found), by, err)
		}
	}
	for _, by := range []store.Index{0, store.ByUserName} {
		for _, from := range []store.From{{By: by, Skip: 9000}, {By: by, AfterName: "user-5"}, {By: by, Descending: true, AfterPlace: 5000, AfterName: "user-5"}, {By: by, Descending: true}} {
			if err := drained(d.Users(from)); err != nil {
				return err
			}
		}
	}
	for _, from := range []store.From{{}, {Descending: true}, {By: store.ByDisplayName}, {By: store.ByDisplayName, Descending: true}} {
		if err := drained(d.Groups(from)); err != nil {
			return err
		}
	}
	_, err := d.IsMember("group-5", "user-1")
	_, err2 := d.MemberCount("group-5")
	_, err3 := d.Place("group-5")
	_, err4 := d.Existing("group-5", "user-5", "stranger")
	_, err5 := d.UnknownMembers()
	d.UserCount()
	d.GroupCount()
	return errors.Join(err, err2, err3, err4, err5, drained(d.Members("group-1")), drained(d.GroupsOf("user-5")))
}

func hotWork(tx store.Tx) error {
	w, l, a, e := tx.Work("vt"), tx.Ledger("vt"), tx.Accounts("vt"), tx.Events()
	w.Urgent()
	w.Counts()
	_, err := w.Due(time.Unix(1_700_000_000, 0))
	_, err2 := l.TargetsOf("a7")
	_, err3 := a.Linked("a8")
	_, err4 := a.Link("idp", "user-7")
	_, err5 := e.Event(7000)
	_, err6 := e.LastSeal()
	if _, err := a.Cached("t7", "k"); !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("cached: %w", err)
	}
	for m, err := range w.Ready("t7", time.Unix(1_700_000_000, 0), false) { // what is read together
		if err != nil {
			return err
		}
		if _, err := a.Link("idp", m.Subject.User); err != nil {
			return err
		}
	}
	return errors.Join(err, err2, err3, err4, err5, err6, drained(w.Marks("t1")), drained(w.Marks("")), drained(l.Entries("t7", "a17")), drained(l.Entries("t7", "")), drained(l.Entries("", "")), drained(l.EntriesAfter(nil)),
		drained(a.Links()), drained(e.Since(1000)), drained(e.Unsealed()), drained(e.Seals(1000)))
}

// drained reads a list to its end, with all pages.
func drained[T any](list iter.Seq2[T, error]) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestPlans reads the plan of every frequent statement: none scans a table that grows, joins without an
// index, or sorts a whole index for one page. That holds before the server has analyzed the tables, as in the first minutes of a large
// import, and afterwards. Only counts may scan an index.
func TestPlans(t *testing.T) {
	l := &listener{}
	dsn := postgrestest.Database(t)
	s := mustOpen(t, dsn, Options{Tracer: l})
	fillByHand(t, dsn)
	begin, sent := "", map[string]statement{}
	for _, st := range l.during(func() {
		if err := hot(s); err != nil {
			t.Fatal(err)
		}
	}) {
		before, fence, _ := strings.Cut(st.sql, " mode; ") // in one message
		switch {
		case strings.HasPrefix(st.sql, "begin isolation level serializable"):
			begin, sent[fence] = before+" mode", statement{fence, st.args[1:]}
		case len(st.args) > 0: // no commit
			sent[st.sql] = st
		}
	}
	if len(sent) < 60 {
		t.Errorf("%d statements were seen", len(sent))
	}
	page := regexp.MustCompile(`LIMIT \$\d$`)
	scan := regexp.MustCompile(`(Seq|Bitmap Heap) Scan on (users|user_emails|groups|names|memberships|marks|entries|links|cached_accounts|events|seals|unsealed)\b|(Hash|Merge)( \w+)? Join|Join Filter`)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statistics := range []string{"without statistics", "with statistics"} {
		for _, sql := range slices.Sorted(maps.Keys(sent)) {
			plan := explain(t, conn, begin, sent[sql])
			found := scan.FindString(plan)
			if found == "" && page.MatchString(sql) && strings.Contains(strings.ReplaceAll(plan, "Incremental Sort", ""), "Sort  (") {
				found = "Sort"
			}
			if found != "" {
				t.Errorf("%s: %s: of\n%s\n%s", statistics, found, sql, plan)
			}
		}
		if _, err := conn.Exec(ctx, `ANALYZE`); err != nil {
			t.Fatal(err)
		}
	}
}

// explain returns the plan of a statement in a transaction that begins as those of the store.
func explain(t *testing.T, conn *pgx.Conn, begin string, st statement) string {
	t.Helper()
	var lines []string
	err := pgx.BeginTxFunc(context.Background(), conn, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error {
		rows, err := tx.Query(context.Background(), `EXPLAIN `+st.sql, st.args...)
		if err == nil {
			lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	if err != nil {
		t.Fatalf("explain %s: %v", st.sql, err)
	}
	return strings.Join(lines, "\n")
}
