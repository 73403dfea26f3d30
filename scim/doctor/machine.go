package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/scimbridge/scimbridge/backend/examine"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store/postgres"
)

// databaseOf returns findings about a store that is a database.
func databaseOf(ctx context.Context, c config.Store) []examine.Finding {
	dsn, err := c.DSN.Value()
	var from, to int
	if err == nil {
		from, to, err = postgres.Versions(ctx, dsn.Reveal())
	}
	switch {
	case errors.As(err, new(config.AbsentError)):
		return []examine.Finding{untried(err)}
	case err != nil:
		return []examine.Finding{bad(err.Error(), "check that the database exists, accepts this user, and is the primary")}
	case from < to:
		return []examine.Finding{{Level: examine.Note, What: fmt.Sprintf("the tables have version %d of %d", from, to), Remedy: "nothing to do: the server, or `scimbridge migrate`, brings them up to date"}}
	case from > to:
		return []examine.Finding{bad(fmt.Sprintf("the tables have version %d, this scimbridge knows those up to %d", from, to), "run a newer scimbridge")}
	}
	return []examine.Finding{fine("the database answers and its tables have version %d", to)}
}

// Limits beyond which a finding is a note or a problem.
const (
	littleDisk  = 1 << 30             // bytes
	soonEnds    = 30 * 24 * time.Hour // of a certificate
	muchSkew    = 30 * time.Second    // of the clock
	maxDuration = 2 * time.Minute     // for one backend, and for the running server
)

// machine examines this machine and the running server.
func (d *examination) machine(ctx context.Context) {
	if d.config.Store.Driver == config.DriverPostgres {
		d.say("store", databaseOf(ctx, d.config.Store)...)
	} else {
		d.say("store", diskOf(d.config.Store.Path)...)
	}
	d.say("store", keyOf(d.config.Store.OperatorKeyFile())...)
	d.say("server.tls", certificateOf(d.config.Server.TLS, time.Now())...)
	found := running(ctx, d.config)
	d.say("server", found)
	if found.Level == examine.Fine {
		d.askRules(ctx)
		d.askProviders(ctx)
	}
}

// diskOf returns findings about the disk of a store that is a file.
func diskOf(path string) []examine.Finding {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".scimbridge-doctor-*")
	if errors.Is(err, fs.ErrNotExist) {
		return []examine.Finding{{Level: examine.Note, What: dir + " does not exist yet", Remedy: "nothing to do: the server creates it"}}
	}
	if err != nil {
		return []examine.Finding{bad(dir+" is not writable: "+err.Error(), "give the user who runs Scimbridge the right to write there")}
	}
	var out []examine.Finding
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		out = append(out, bad(err.Error(), "look at the file system"))
	}
	var room syscall.Statfs_t
	if err := syscall.Statfs(dir, &room); err != nil {
		return append(out, bad(err.Error(), "look at the file system"))
	}
	if parts, err := filepath.Glob(path + ".part-*"); err == nil && len(parts) > 0 {
		out = append(out, examine.Finding{Level: examine.Note, What: "an import or a restore broke off and left " + strings.Join(parts, ", "), Remedy: "remove it unless an import or a restore is running: it holds names and e-mail addresses, and is no store"})
	}
	free := room.Bavail * uint64(room.Bsize)
	if free < littleDisk {
		out = append(out, bad(fmt.Sprintf("%d MiB are free in %s", free>>20, dir), "free some space: a request that cannot be stored is refused"))
	} else {
		out = append(out, fine("%s is writable, %d GiB are free", dir, free>>30))
	}
	return out
}

// keyOf returns a finding if other users can act as an operator.
func keyOf(path string) []examine.Finding {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return []examine.Finding{bad("other users can read the operator's key "+path, "chmod 600 it, or remove it and restart the server, which makes a new one")}
	}
	return nil
}

// certificateOf returns a finding about the server's certificate. Files that cannot be used, and an
// end that is near, are warnings of the configuration.
func certificateOf(c config.TLS, now time.Time) []examine.Finding {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil
	}
	if found := lasts("the certificate", pair.Leaf, now); found.Level != examine.Note {
		return []examine.Finding{found}
	}
	return nil
}

func lasts(what string, leaf *x509.Certificate, now time.Time) examine.Finding {
	switch left := leaf.NotAfter.Sub(now); {
	case left < 0:
		return bad(what+" ended on "+leaf.NotAfter.UTC().Format(time.DateOnly), "renew it")
	case left < soonEnds:
		return examine.Finding{Level: examine.Note, What: fmt.Sprintf("%s ends in %d days", what, int(left.Hours()/24)), Remedy: "renew it"}
	}
	return fine("%s is good until %s", what, leaf.NotAfter.UTC().Format(time.DateOnly))
}

// running returns a finding about the running server, if there is one.
func running(ctx context.Context, c *config.Config) examine.Finding {
	res, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}).Do(request(ctx, "http://"+c.Console.Listen+"/readyz"))
	if err != nil {
		return examine.Finding{Level: examine.Note, What: "no server answers on " + c.Console.Listen + ": its counters are not shown", Remedy: "scimbridge serve"}
	}
	defer func() { _ = res.Body.Close() }() // of no further use
	if res.StatusCode != http.StatusOK {
		return bad("the running server cannot store requests", "check its log and the disk")
	}
	return fine("it runs and stores requests; `scimbridge status` shows more")
}

func request(ctx context.Context, address string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return (&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "invalid"}}).WithContext(ctx)
	}
	return req
}
