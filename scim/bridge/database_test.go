package bridge_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// database is a PostgreSQL server that the test can kill.
type database struct {
	t    *testing.T
	bin  string // folder of the server's programs
	dir  string
	port int
	run  *exec.Cmd
	gone chan struct{} // closed when run has ended
}

// newDatabase makes a server that does not run yet. Without the variable, or without the server's programs, the test is skipped.
func newDatabase(t *testing.T) *database {
	t.Helper()
	if os.Getenv("SCIMBRIDGE_TEST_POSTGRES") == "" {
		t.Skip("SCIMBRIDGE_TEST_POSTGRES is not set: see .ci/postgres")
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		t.Fatal("SCIMBRIDGE_TEST_POSTGRES is set, and there is no /usr/lib/postgresql/*/bin/postgres: the tests that kill a database need one of their own")
	}
	//nolint:usetesting // the parent of t.TempDir is closed to the user that the server runs as
	dir, err := os.MkdirTemp("", "scimbridge-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &database{t: t, bin: filepath.Dir(found[len(found)-1]), dir: filepath.Join(dir, "data"), port: freePort(t)}
	if who := d.owner(); who != nil {
		if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// owner returns the user for the server if the test runs as root: PostgreSQL refuses to run as root.
func (d *database) owner() *syscall.Credential {
	d.t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		d.t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		d.t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		d.t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (d *database) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(d.bin, name), args...)
	cmd.Dir = filepath.Dir(d.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.owner(), Setpgid: true}
	return cmd
}

func (d *database) must(name string, args ...string) {
	d.t.Helper()
	if out, err := d.command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// create makes an empty server.
func (d *database) create() {
	d.t.Helper()
	d.must("initdb", "--pgdata", d.dir, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
}

// copyOf makes the server a standby of a primary that runs.
func (d *database) copyOf(primary *database) {
	d.t.Helper()
	if err := os.RemoveAll(d.dir); err != nil {
		d.t.Fatal(err)
	}
	d.must("pg_basebackup", "--host", "127.0.0.1", "--port", strconv.Itoa(primary.port), "--username", "postgres", "--pgdata", d.dir,
		"--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast")
}

// start runs the server until kill, or the end of the test, and returns when it answers.
func (d *database) start() {
	d.t.Helper()
	for limit := time.Now().Add(patience); ; {
		d.run = d.command("postgres", "-D", d.dir, "-p", strconv.Itoa(d.port), "-k", filepath.Dir(d.dir),
			"-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "wal_keep_size=128MB", "-c", "logging_collector=off")
		if err := d.run.Start(); err != nil {
			d.t.Fatal(err)
		}
		gone := make(chan struct{})
		d.gone = gone
		go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(gone) }(d.run)
		if d.answers(limit) {
			break
		}
		if time.Now().After(limit) { // processes of a killed server may still hold its memory: try again
			d.t.Fatal("the database does not start")
		}
	}
	d.t.Cleanup(d.kill)
}

func (d *database) answers(limit time.Time) bool {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for time.Now().Before(limit) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		c, err := pgx.Connect(ctx, d.dsn())
		if err == nil {
			err = c.Ping(ctx)
			_ = c.Close(ctx)
		}
		cancel()
		if err == nil {
			return true
		}
		select {
		case <-d.gone:
			return false
		case <-look.C:
		}
	}
	return false
}

// kill ends the server as a crash does.
func (d *database) kill() {
	if d.run != nil {
		_ = d.run.Process.Kill()
		<-d.gone
	}
}

func (d *database) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(d.port)) }

func (d *database) dsn() string {
	return "postgres://postgres@" + d.address() + "/postgres?sslmode=disable"
}

// sql runs a statement and returns its only value as text, "" if it has none.
func (d *database) sql(statement string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, d.dsn())
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	rows, err := c.Query(ctx, statement)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	out := ""
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			d.t.Fatal(err)
		}
		if len(values) > 0 {
			out = fmt.Sprint(values[0])
		}
	}
	if err := rows.Err(); err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
	return strings.TrimSpace(out)
}

// synchronous makes commits of a primary wait for its standby, once that has caught up.
func (d *database) synchronous() {
	d.t.Helper()
	d.until(`SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, "1")
	d.sql(`ALTER SYSTEM SET synchronous_standby_names = '*'`)
	d.sql(`SELECT pg_reload_conf()`)
	d.until(`SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`, "1")
}

// promote makes a standby a primary.
func (d *database) promote() {
	d.t.Helper()
	d.sql(`SELECT pg_promote()`)
	d.until(`SELECT pg_is_in_recovery()`, "false")
}

func (d *database) until(question, want string) {
	d.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	got := ""
	for limit := time.Now().Add(patience); time.Now().Before(limit); <-look.C {
		if got = d.sql(question); got == want {
			return
		}
	}
	d.t.Fatalf("%s is %s, not %s", question, got, want)
}

func freePort(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
