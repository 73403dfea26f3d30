package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/door"
)

// maxHeader bounds the request line and the headers: a filter that is far too long still gets an answer in the SCIM form.
const maxHeader = 256 << 10

// LimitsConfig bounds what comes to server.listen.
type LimitsConfig struct {
	Connections           int    `yaml:"connections"`
	ConnectionsPerAddress int    `yaml:"connections_per_address"`
	Requests              string `yaml:"requests"`
	Failures              string `yaml:"failures"`
}

func defaultLimits() LimitsConfig {
	return LimitsConfig{Connections: 2048, ConnectionsPerAddress: 256, Requests: defaultRequests, Failures: "1000/min"}
}

const defaultRequests = "2000/s"

// Limits of body_memory.
const (
	defaultBodyMemory = Size(256 << 20)
	leastBodyMemory   = Size(64 << 20)
)

func (c ServerConfig) scheme() string {
	if c.TLS.CertFile != "" {
		return "https://"
	}
	return "http://"
}

// serve begins to serve SCIM. Whatever else is served there is behind the same door.
func (b *Bridge) serve(h http.Handler) error {
	d, err := b.door()
	if err != nil {
		return err
	}
	var cert *tls.Config
	if files := b.Config.Server.TLS; files.CertFile != "" {
		c := &door.Certificate{CertFile: files.CertFile, KeyFile: files.KeyFile, ClientCAFile: files.ClientCAFile,
			Reloaded: func(end time.Time) { b.Log.Info("another certificate is served", "until", end) },
			Broken: func(err error) {
				b.Log.Warn("the files of the certificate changed and cannot be used; the one that was read last is served", "error", err)
			}}
		if err := c.Load(); err != nil {
			return fmt.Errorf("server.tls: %w", err)
		}
		cert = c.Config()
	}
	b.scim, err = b.listen("server", b.Config.Server.Listen, d, cert, d.Handler(h))
	return err
}

// door is what the configuration asks of whoever comes to server.listen. It was checked.
func (b *Bridge) door() (*door.Door, error) {
	c := b.Config.Server
	d := &door.Door{Connections: c.Limits.Connections, PerAddress: c.Limits.ConnectionsPerAddress, Providers: map[string]door.Provider{}, Refused: func(n int) {
		b.Log.Warn("connections were refused, or closed before they showed a good credential, to make room: there are too many, in all or from one address; a proxy in front belongs into trusted_proxies", "refused", n)
	}}
	var errs []error
	limit := func(s string) door.Limit {
		if s == "" { // a configuration that was not read from a file
			return door.Limit{}
		}
		r, err := backend.ParseRate(s)
		errs = append(errs, err)
		return door.Limit{N: r.N, Per: r.Per}
	}
	prefixes := func(all []string) (out []netip.Prefix) {
		for _, s := range all {
			p, err := door.ParsePrefix(s)
			errs = append(errs, err)
			out = append(out, p)
		}
		return out
	}
	d.Requests, d.Failures, d.Proxies = limit(c.Limits.Requests), limit(c.Limits.Failures), prefixes(c.TrustedProxies)
	for name, idp := range b.Config.IdentityProviders {
		p := door.Provider{Allow: prefixes(idp.Allow), Certificates: idp.ClientCertificates, Requests: limit(defaultRequests)}
		if idp.RateLimit != "" {
			p.Requests = limit(idp.RateLimit)
		}
		d.Providers[name] = p
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return d.Init(), nil
}

// admitted asks the door about a client of the token endpoint.
func (b *Bridge) admitted(r *http.Request, who auth.Identity) (status, after int) {
	err := door.Of(r).Admit(who.IdP)
	if why := scim.RefusedOrigin(err, who); why != nil {
		b.notices.rejected(r, why)
	}
	var refused *door.Refusal
	if errors.As(err, &refused) {
		return refused.Status, int(refused.After / time.Second)
	}
	return 0, 0
}

// listen serves on an address with the timeouts that keep slow clients from holding connections; the identity
// providers give up after 60 s themselves.
func (b *Bridge) listen(name, address string, d *door.Door, cert *tls.Config, h http.Handler) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s.listen: %w", name, err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 55 * time.Second, IdleTimeout: 120 * time.Second, MaxHeaderBytes: maxHeader,
		DisableGeneralOptionsHandler: true, // or OPTIONS * would be answered without a credential
		Protocols:                    new(http.Protocols), ErrorLog: slog.NewLogLogger(b.Log.Handler(), slog.LevelDebug), TLSConfig: cert}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true) // over TLS only: without it the timeout of the headers would not hold
	accepting := l
	if d != nil {
		accepting, srv.ConnContext = d.Listener(l), d.ConnContext
	}
	go func() {
		if cert != nil {
			err = srv.ServeTLS(accepting, "", "")
		} else {
			err = srv.Serve(accepting)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			b.errs <- fmt.Errorf("%s: %w", name, err)
		}
	}()
	b.onStop(name, func(ctx context.Context) error {
		if err := srv.Shutdown(ctx); err != nil {
			return errors.Join(err, srv.Close())
		}
		return nil
	})
	return l, nil
}

var (
	certificatePin = regexp.MustCompile(`^sha256:[0-9a-fA-F]{64}$`)
	subject        = regexp.MustCompile(`^[A-Za-z0-9.]+=.`)
)

// network checks who may come to server.listen.
func (v *validation) network(c *Config) {
	at := func(key ...string) []string { return append([]string{"server"}, key...) }
	v.prefixes(at("trusted_proxies"), c.Server.TrustedProxies)
	for _, p := range c.Server.TrustedProxies {
		if strings.HasSuffix(p, "/0") {
			v.bad(at("trusted_proxies"), "%q is everybody: whoever calls could say to call from anywhere", p)
		}
	}
	l := c.Server.Limits
	if l.ConnectionsPerAddress < 1 || l.Connections < l.ConnectionsPerAddress {
		v.bad(at("limits", "connections"), "must be positive, and not below connections_per_address")
	}
	if c.Server.BodyMemory < leastBodyMemory {
		v.bad(at("body_memory"), "must be %s or more: a group may have 16 MiB", leastBodyMemory)
	}
	v.rate(at("limits", "requests"), l.Requests)
	v.rate(at("limits", "failures"), l.Failures)
	if c.Server.TLS.ClientCAFile != "" {
		if c.Server.TLS.CertFile == "" {
			v.bad(at("tls", "client_ca_file"), "needs cert_file and key_file")
		} else if _, err := authorities(c.Server.TLS.ClientCAFile); err != nil {
			v.bad(at("tls", "client_ca_file"), "%v", err)
		}
	}
	for name, idp := range c.IdentityProviders {
		path := func(key string) []string { return []string{"identity_providers", name, key} }
		v.prefixes(path("allow"), idp.Allow)
		if idp.RateLimit != "" {
			v.rate(path("rate_limit"), idp.RateLimit)
		}
		if len(idp.ClientCertificates) > 0 && c.Server.TLS.ClientCAFile == "" {
			v.bad(path("client_certificates"), "needs server.tls.client_ca_file: without it nobody is asked for a certificate")
		}
		for i, pin := range idp.ClientCertificates {
			if !certificatePin.MatchString(pin) && !subject.MatchString(pin) {
				v.bad(append(path("client_certificates"), fmt.Sprint(i)), "is neither sha256: and 64 hexadecimal digits nor a subject such as CN=okta,O=Example")
			}
		}
	}
}

func (v *validation) prefixes(path, all []string) {
	for i, s := range all {
		if _, err := door.ParsePrefix(s); err != nil {
			v.bad(append(slices.Clone(path), fmt.Sprint(i)), "%v", err)
		}
	}
}

func (v *validation) rate(path []string, s string) {
	if _, err := backend.ParseRate(s); err != nil {
		v.bad(path, "is not of the form 5/s, 60/min or 1000/h")
	}
}
