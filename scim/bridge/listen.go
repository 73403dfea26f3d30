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
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/ingress"
)

// maxHeader bounds the request line and the headers. It is large so that an overlong filter is
// answered in the SCIM form.
const maxHeader = 256 << 10

// serve starts to serve SCIM; every path of the listener is behind the same ingress.
func (b *Bridge) serve(h http.Handler) error {
	d, err := newIngress(b.Config, b.Log)
	if err != nil {
		return err
	}
	var cert *tls.Config
	if files := b.Config.Server.TLS; files.CertFile != "" {
		c := &ingress.Certificate{CertFile: files.CertFile, KeyFile: files.KeyFile, ClientCAFile: files.ClientCAFile,
			Reloaded: func(end time.Time) { b.Log.Info("serving a new certificate", "until", end) },
			Broken: func(err error) {
				b.Log.Warn("changed certificate files are unusable; the previous certificate is still served", "error", err)
			}}
		if err := c.Load(); err != nil {
			return fmt.Errorf("server.tls: %w", err)
		}
		cert = c.Config()
	}
	b.accept("server", b.scim, d, cert, d.Handler(h))
	return nil
}

// newIngress returns the guard of server.listen that the configuration, which was checked, describes.
func newIngress(all *config.Config, log *slog.Logger) (*ingress.Ingress, error) {
	c := all.Server
	d := &ingress.Ingress{Connections: c.Limits.Connections, PerAddress: c.Limits.ConnectionsPerAddress, Providers: map[string]ingress.Provider{}, Refused: func(n int) {
		log.Warn("too many connections: some were refused or closed before they showed a good credential; name a proxy in front in trusted_proxies", "refused", n)
	}}
	var errs []error
	limit := func(s string) ingress.Limit {
		if s == "" { // a configuration that was not read from a file
			return ingress.Limit{}
		}
		r, err := backend.ParseRate(s)
		errs = append(errs, err)
		return ingress.Limit{N: r.N, Per: r.Per}
	}
	prefixes := func(list []string) (out []netip.Prefix) {
		for _, s := range list {
			p, err := ingress.ParsePrefix(s)
			errs = append(errs, err)
			out = append(out, p)
		}
		return out
	}
	d.Requests, d.Failures, d.Proxies = limit(c.Limits.Requests), limit(c.Limits.Failures), prefixes(c.TrustedProxies)
	for name, idp := range all.IdentityProviders {
		p := ingress.Provider{Allow: prefixes(idp.Allow), Certificates: idp.ClientCertificates, Requests: limit(config.DefaultRequests)}
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

// consoleIngress returns the guard of console.listen: it limits wrong keys.
func consoleIngress(all *config.Config) (*ingress.Ingress, error) {
	limited := &config.Config{Server: config.Server{TrustedProxies: all.Server.TrustedProxies, Limits: config.Limits{Failures: all.Server.Limits.Failures}}}
	return newIngress(limited, nil)
}

// admitted asks the ingress whether a client of the token endpoint may go on.
func (b *Bridge) admitted(r *http.Request, who auth.Identity) (status, after int) {
	err := ingress.Of(r).Admit(who.IdP)
	if why := scim.RefusedOrigin(err, who); why != nil {
		b.notices.rejected(r, why)
	}
	var refused *ingress.Refusal
	if errors.As(err, &refused) {
		return refused.Status, int(refused.After / time.Second)
	}
	return 0, 0
}

// bind opens both listeners before anything else exists, so that a port in use costs nothing.
// Connections wait until accept. Stop closes a listener that no server has closed before.
func (b *Bridge) bind() error {
	for _, l := range []struct {
		name, address string
		into          *net.Listener
	}{{"server", b.Config.Server.Listen, &b.scim}, {"console", b.Config.Console.Listen, &b.console}} {
		opened, err := new(net.ListenConfig).Listen(context.Background(), "tcp", l.address)
		if err != nil {
			return fmt.Errorf("%s.listen: %w", l.name, err)
		}
		*l.into = opened
		b.onStop(l.name+".listen", func(context.Context) error {
			if err := opened.Close(); !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
	}
	return nil
}

// accept serves on a listener. The timeouts keep slow clients from holding connections; identity
// providers give up after 60 s themselves.
func (b *Bridge) accept(name string, l net.Listener, d *ingress.Ingress, cert *tls.Config, h http.Handler) {
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
		var err error
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
}
