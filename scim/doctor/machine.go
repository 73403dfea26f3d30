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

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store/postgres"
)

// databaseOf returns findings about a store that is a database.
func databaseOf(ctx context.Context, c config.Store) []backend.Finding {
	dsn, err := c.DSN.Value()
	var from, to int
	if err == nil {
		from, to, err = postgres.Versions(ctx, dsn.Reveal())
	}
	switch {
	case errors.As(err, new(config.AbsentError)):
		return []backend.Finding{untried(err)}
	case err != nil:
		return []backend.Finding{bad(err.Error(), "see that the database is there, lets this user in, and is the primary")}
	case from < to:
		return []backend.Finding{{Level: backend.Note, What: fmt.Sprintf("the tables have version %d of %d", from, to), Remedy: "nothing: the server, or `scimbridge migrate`, brings them up to date"}}
	case from > to:
		return []backend.Finding{bad(fmt.Sprintf("the tables have version %d, this scimbridge knows those up to %d", from, to), "run a newer scimbridge")}
	}
	return []backend.Finding{fine("the database answers and its tables have version %d", to)}
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
	if found.Level == backend.Fine {
		d.askRules(ctx)
		d.askProviders(ctx)
	}
}

// diskOf returns findings about the disk of a store that is a file.
func diskOf(path string) []backend.Finding {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".scimbridge-doctor-*")
	if errors.Is(err, fs.ErrNotExist) {
		return []backend.Finding{{Level: backend.Note, What: dir + " is not there yet", Remedy: "nothing: the server makes it"}}
	}
	if err != nil {
		return []backend.Finding{bad("nothing can be written into "+dir+": "+err.Error(), "give the user who runs the bridge the right to write there")}
	}
	var out []backend.Finding
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		out = append(out, bad(err.Error(), "look at the file system"))
	}
	var room syscall.Statfs_t
	if err := syscall.Statfs(dir, &room); err != nil {
		return append(out, bad(err.Error(), "look at the file system"))
	}
	if parts, err := filepath.Glob(path + ".part-*"); err == nil && len(parts) > 0 {
		out = append(out, backend.Finding{Level: backend.Note, What: "an import or a restore broke off and left " + strings.Join(parts, ", "), Remedy: "remove it, if none is under way: it holds names and e-mail addresses, and is no store"})
	}
	free := room.Bavail * uint64(room.Bsize)
	if free < littleDisk {
		out = append(out, bad(fmt.Sprintf("%d MiB are free in %s", free>>20, dir), "make room: a request that cannot be stored is refused"))
	} else {
		out = append(out, fine("%s can be written, %d GiB are free", dir, free>>30))
	}
	return out
}

// keyOf returns a finding if other users can act as an operator.
func keyOf(path string) []backend.Finding {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return []backend.Finding{bad("others may read the operator's key "+path, "chmod 600 it, or remove it and restart the server, which makes a new one")}
	}
	return nil
}

// certificateOf returns a finding about the server's certificate. Files that cannot be used, and an
// end that is near, are warnings of the configuration.
func certificateOf(c config.TLS, now time.Time) []backend.Finding {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil
	}
	if found := lasts("the certificate", pair.Leaf, now); found.Level != backend.Note {
		return []backend.Finding{found}
	}
	return nil
}

func lasts(what string, leaf *x509.Certificate, now time.Time) backend.Finding {
	switch left := leaf.NotAfter.Sub(now); {
	case left < 0:
		return bad(what+" ended on "+leaf.NotAfter.UTC().Format(time.DateOnly), "renew it")
	case left < soonEnds:
		return backend.Finding{Level: backend.Note, What: fmt.Sprintf("%s ends in %d days", what, int(left.Hours()/24)), Remedy: "renew it"}
	}
	return fine("%s is good until %s", what, leaf.NotAfter.UTC().Format(time.DateOnly))
}

// running returns a finding about the running server, if there is one.
func running(ctx context.Context, c *config.Config) backend.Finding {
	res, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}).Do(request(ctx, "http://"+c.Console.Listen+"/readyz"))
	if err != nil {
		return backend.Finding{Level: backend.Note, What: "no server answers on " + c.Console.Listen + ": what it has counted is not shown", Remedy: "scimbridge serve"}
	}
	defer func() { _ = res.Body.Close() }() // of no further use
	if res.StatusCode != http.StatusOK {
		return bad("the running server cannot store requests", "look at its log, and at the disk")
	}
	return fine("it runs and stores requests; `scimbridge status` says more")
}

func request(ctx context.Context, address string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return (&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "invalid"}}).WithContext(ctx)
	}
	return req
}
