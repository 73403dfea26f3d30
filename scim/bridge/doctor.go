package bridge

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/backend/riskcloud"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/delivery"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// What the doctor thinks too little or too much.
const (
	littleDisk  = 1 << 30             // bytes
	soonEnds    = 30 * 24 * time.Hour // of a certificate
	muchSkew    = 30 * time.Second    // of the clock
	doctorLimit = 2 * time.Minute     // for one backend, and for the running server
)

// diagnosis is a finding about some part of the installation.
type diagnosis struct {
	About string `json:"about"`
	backend.Finding
	Rules []string `json:"rules,omitempty"` // those that name the target: "line 12: mappings.3"
}

func doctorCommand(configFile *string, stdout io.Writer) *cobra.Command {
	var asJSON bool
	var canary string
	c := &cobra.Command{Use: "doctor", Short: "Try the configured backends with reads, and look at store, clock and certificates", Args: noArgs,
		Example: "  scimbridge doctor\n  scimbridge doctor --canary-role 7Zq3kD   (a Risk Cloud role that nothing depends on)",
		RunE: func(c *cobra.Command, _ []string) error {
			d := &doctor{file: *configFile, show: func(diagnosis) error { return nil }}
			if !asJSON {
				d.show = func(one diagnosis) error { return showDiagnosis(stdout, one) }
			}
			if err := d.load(); err != nil {
				return err
			}
			d.look(c.Context())
			d.backends(c.Context(), canary)
			if asJSON {
				d.err = errors.Join(d.err, printJSON(stdout, d.all))
			}
			return d.verdict()
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&canary, "canary-role", "", "a Risk Cloud role on which to try, with an update that changes nothing, which method and path the tenant accepts")
	return c
}

func showDiagnosis(w io.Writer, d diagnosis) error {
	what := d.What
	if len(d.Rules) > 0 && d.Level != backend.Fine {
		what += " (" + strings.Join(d.Rules, "; ") + ")"
	}
	_, err := fmt.Fprintf(w, "%-8s %s: %s\n", d.Level, d.About, legible.Text(what))
	if err == nil && d.Remedy != "" {
		_, err = fmt.Fprintf(w, "         → %s\n", d.Remedy)
	}
	return err
}

type doctor struct {
	config *config.Config
	file   string                // where it was read
	rules  *mapping.Rules        // with their lines; nil until they are read
	show   func(diagnosis) error // as it is found: a vendor may take a while
	all    []diagnosis
	err    error
}

// load reads the configuration. A secret that is not at hand is a finding, and keeps nothing else from being examined.
func (d *doctor) load() error {
	c, absent, warnings, err := config.LoadWithoutSecrets(d.file)
	if err != nil {
		return err
	}
	d.config = c
	for _, problem := range absent {
		d.say("configuration", bad(problem, "give it to `scimbridge serve`, which does not start without it, and to the doctor"))
	}
	for _, w := range slices.Concat(warnings, c.Recommendations()) {
		d.say("configuration", backend.Finding{Level: backend.Note, What: w})
	}
	return nil
}

// untried says what is not looked at for want of a secret, which is a finding by itself.
func untried(err error) backend.Finding {
	return backend.Finding{Level: backend.Note, What: "it is not tried: " + err.Error()}
}

func (d *doctor) say(about string, findings ...backend.Finding) {
	for _, f := range findings {
		one := diagnosis{About: about, Finding: f, Rules: d.naming(about, f.Target)}
		d.all = append(d.all, one)
		d.err = errors.Join(d.err, d.show(one))
	}
}

// naming lists the rules that name a target of a backend outright.
func (d *doctor) naming(name, target string) []string {
	if d.rules == nil || target == "" {
		return nil
	}
	var out []string
	for _, r := range d.rules.Naming(mapping.Target{Backend: name, Target: target}) {
		out = append(out, fmt.Sprintf("line %d: mappings.%d", r.Line, r.Index))
	}
	return out
}

func (d *doctor) verdict() error {
	problems := 0
	for _, one := range d.all {
		if one.Level == backend.Problem {
			problems++
		}
	}
	if d.err == nil && problems > 0 {
		return fmt.Errorf("%d problem(s)", problems)
	}
	return d.err
}

func fine(format string, args ...any) backend.Finding {
	return backend.Finding{Level: backend.Fine, What: fmt.Sprintf(format, args...)}
}

func bad(what, remedy string) backend.Finding {
	return backend.Finding{Level: backend.Problem, What: what, Remedy: remedy}
}

// look examines this machine.
func (d *doctor) look(ctx context.Context) {
	if d.config.Store.Driver == config.DriverPostgres {
		d.say("store", databaseOf(ctx, d.config.Store)...)
	} else {
		d.say("store", diskOf(d.config.Store.Path)...)
	}
	d.say("store", keyOf(d.config.Store.OperatorKeyFile())...)
	if cert := d.config.Server.TLS; cert.CertFile != "" {
		d.say("server.tls", certificateOf(cert, time.Now()))
	}
	found := running(ctx, d.config)
	d.say("server", found)
	if found.Level == backend.Fine {
		d.ask(ctx)
		d.askProviders(ctx)
	}
}

// ask has the running server say what its directory, and what it met at the vendors, make of the rules of the file.
func (d *doctor) ask(ctx context.Context) {
	file, err := config.ReadFile(d.file)
	if err != nil || len(d.config.Mappings) == 0 {
		return
	}
	o, err := newOperatorClient(d.file)
	ctx, cancel := context.WithTimeout(ctx, doctorLimit)
	defer cancel()
	var plan []delivery.Preview
	if err == nil {
		err = o.plan(ctx, d.file, file, &plan)
	}
	if err != nil {
		d.say("mappings", backend.Finding{Level: backend.Note, What: "the running server could not be asked about the rules: " + err.Error(), Remedy: "run the doctor as the user who runs the server"})
		return
	}
	for _, p := range plan {
		for _, what := range p.Rules {
			d.say(p.Backend, backend.Finding{Level: backend.Note, What: what, Remedy: "mend the rule, or what it is about: at the identity provider, or at the vendor"})
		}
	}
}

// diskOf says whether a store can be written where it is, and grow.
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

// keyOf says whether anybody else can act as an operator.
func keyOf(path string) []backend.Finding {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return []backend.Finding{bad("others may read the operator's key "+path, "chmod 600 it, or remove it and restart the server, which makes a new one")}
	}
	return nil
}

// certificateOf says whether the server's certificate is good, and for how long.
func certificateOf(c config.TLS, now time.Time) backend.Finding {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return bad("the certificate cannot be read: "+err.Error(), "see that cert_file and key_file belong together")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return bad("the certificate cannot be read: "+err.Error(), "make a new one")
	}
	return lasts("the certificate", leaf, now)
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

// running asks a server that may be running how it is.
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

// backends examines every configured vendor.
func (d *doctor) backends(ctx context.Context, canary string) {
	b := &Bridge{Config: d.config, Log: slog.New(slog.DiscardHandler), Path: d.file, limits: map[string]*rate.Limiter{}}
	rules, _, err := b.startRules()
	if err != nil {
		d.say("mappings", bad(err.Error(), "scimbridge check"))
		return
	}
	d.rules = rules
	tried := canary == ""
	for _, name := range slices.Sorted(maps.Keys(d.config.Backends)) {
		c := d.config.Backends[name]
		if c.Simulated() {
			d.say(name, backend.Finding{Level: backend.Note, What: "it is simulated: nothing is changed at a vendor", Remedy: "set `url` when you are ready"})
			continue
		}
		client, err := b.client(name, console.NewMetrics(nil, nil))
		way, wayErr := c.Outgoing.Read()
		if err := cmp.Or(err, wayErr); err != nil {
			finding := bad(err.Error(), "scimbridge check")
			if errors.As(err, new(config.AbsentError)) {
				finding = untried(err)
			}
			d.say(name, finding)
			continue
		}
		limited, cancel := context.WithTimeout(ctx, doctorLimit)
		d.say(name, d.connection(limited, c.URL, way)...)
		d.say(name, d.examine(limited, name, client, rules)...)
		if rc, ok := client.(*riskcloud.Client); ok && canary != "" {
			d.say(name, tryCanary(limited, rc, canary, c))
			tried = true
		}
		cancel()
	}
	if !tried {
		d.say("canary role", bad("there is no Risk Cloud to try it on: every one of the backends is another vendor, or simulated", "leave out --canary-role, or set `url` to the vendor's"))
	}
}

func (d *doctor) examine(ctx context.Context, name string, client backend.Backend, rules *mapping.Rules) []backend.Finding {
	e, ok := client.(backend.Examiner)
	if !ok {
		return nil
	}
	out := e.Examine(ctx, rules.FixedTargets(name))
	if d.config.Backends[name].Kind == "riskcloud" {
		out = append(out, pinAdministrators(out, name, rules)...)
	}
	if c := d.config.Backends[name]; c.OwnAccount == "" && c.Kind == "virustotal" {
		out = append(out, backend.Finding{Level: backend.Note, What: "own_account is not set, and the API does not tell whose key it is",
			Remedy: "name the owner of the key in `own_account`: the bridge then never takes a role from them"})
	}
	return out
}

// pinAdministrators recommends pin for rules that give by name what is an administrator's role by the name that only Risk Cloud knows.
func pinAdministrators(found []backend.Finding, name string, rules *mapping.Rules) (out []backend.Finding) {
	for _, f := range found {
		if f.Target == "" || f.Level == backend.Problem || !config.LooksLikeAdmin(f.What) {
			continue
		}
		for _, r := range rules.Naming(mapping.Target{Backend: name, Target: f.Target}) {
			if !r.Pin && r.ExternalID == "" && r.ID == "" {
				out = append(out, backend.Finding{Level: backend.Note, Target: f.Target, What: "role " + f.Target + " looks like an administrator's, and is given to whoever is in a group of some name",
					Remedy: "pin: true lets no other group take the name"})
				break
			}
		}
	}
	return out
}

// connection looks at the vendor's certificate, and at the clock.
func (d *doctor) connection(ctx context.Context, address string, way backend.Outgoing) []backend.Finding {
	client := &http.Client{Timeout: 10 * time.Second, Transport: way.Transport(), CheckRedirect: stay}
	sent := time.Now()
	res, err := client.Do(request(ctx, address))
	if err != nil {
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &certificate) {
			return []backend.Finding{bad("its certificate is not trusted: "+certificate.Err.Error(), "a proxy that opens TLS? let this host through, or name its authority in `ca_file`")}
		}
		if errors.Is(err, backend.ErrAddress) {
			return []backend.Finding{bad(backend.ErrAddress.Error(), "mend `url`, or the name service: such addresses hand out credentials of this machine")}
		}
		return []backend.Finding{bad("it cannot be reached", "see whether this machine reaches the vendor: proxy, firewall, name resolution")}
	}
	defer func() { _ = res.Body.Close() }() // of no further use
	var out []backend.Finding
	if res.TLS != nil && len(res.TLS.PeerCertificates) > 0 {
		out = append(out, lasts("its certificate", res.TLS.PeerCertificates[0], sent))
	}
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		if skew := sent.Sub(date).Abs(); skew > muchSkew {
			out = append(out, bad(fmt.Sprintf("the clock of this machine differs from the vendor's by %s", skew.Round(time.Second)), "set it: windows and tokens are measured by it"))
		} else {
			out = append(out, fine("the clocks agree"))
		}
	}
	return out
}

// tryCanary finds out how the tenant wants a role to be updated.
func tryCanary(ctx context.Context, rc *riskcloud.Client, role string, c *config.Backend) backend.Finding {
	way, err := rc.FindUpdate(ctx, role)
	if err != nil {
		return bad("role "+role+": "+err.Error(), "the bridge cannot change roles before this is mended")
	}
	line := fmt.Sprintf("update_role: {method: %s, path: %q}", way.Method, way.Path)
	if method, path := c.UpdateRole.Method, c.UpdateRole.Path; strings.EqualFold(method, way.Method) && path == way.Path {
		return fine("the tenant accepts the update as it is configured: %s", line)
	}
	return bad("the tenant accepts the update of a role in another way than configured", "write into the configuration: "+line)
}
