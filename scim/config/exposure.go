package config

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/auth"
)

// exampleToken is the token of config.example.yaml and of README.md.
const exampleToken = "example-token-for-trying-out-only"

// exposure is something that is fine for a trial on one machine and not beyond it.
type exposure struct {
	path    []string
	text    string
	refused bool // a problem, not a warning
	file    bool // about a file that cannot be used on this machine
}

// Exposures returns what an operator should see wherever they look: a copied example, plain HTTP or
// an open console beyond loopback, simulated vendors, and trouble with the files of server.tls.
func (c *Config) Exposures(now time.Time) (out []string) {
	for _, e := range c.exposures(now) {
		out = append(out, strings.Join(e.path, ".")+": "+e.text)
	}
	return out
}

// exposed adds the exposures to the problems and warnings.
func (v *validation) exposed(c *Config) {
	for _, e := range c.exposures(v.now) {
		if !e.refused {
			v.warn(e.path, "%s", e.text)
			continue
		}
		v.bad(e.path, "%s", e.text)
		v.problems[len(v.problems)-1].absent = e.file
	}
}

func (c *Config) exposures(now time.Time) []exposure {
	return slices.Concat(c.listenersExposed(), c.Server.TLS.exposures(now), c.examplesExposed(), c.simulated())
}

// listenersExposed reports listeners that other machines reach without TLS.
func (c *Config) listenersExposed() (out []exposure) {
	s := c.Server
	proxied := len(s.TrustedProxies) > 0 && strings.HasPrefix(s.PublicURL, "https://")
	if !onLoopback(s.Listen) && s.TLS.CertFile == "" && !proxied {
		out = append(out, exposure{path: []string{"server", "listen"}, text: "speaks plain HTTP beyond loopback: tokens cross the network unencrypted; " +
			"set server.tls, or name the proxy that terminates TLS in server.trusted_proxies and its https:// URL in server.public_url"})
	}
	if u, err := url.Parse(s.PublicURL); err == nil && u.Scheme == "http" && !backend.Loopback(u.Hostname()) {
		out = append(out, exposure{path: []string{"server", "public_url"}, text: "is plain HTTP beyond loopback: tokens cross the network unencrypted; use https://"})
	}
	if !onLoopback(c.Console.Listen) {
		out = append(out, exposure{path: []string{"console", "listen"}, text: "is open beyond loopback over plain HTTP: metrics and health need no credential, " +
			"and answers are not encrypted; use 127.0.0.1, or an address that only operators reach"})
	}
	return out
}

// onLoopback reports whether only this machine reaches an address to listen on. An address that
// cannot be read is a mistake of its own.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err != nil || backend.Loopback(host)
}

// beyond returns the key that lets other machines reach server.listen, or "".
func (s Server) beyond() string {
	u, err := url.Parse(s.PublicURL)
	switch {
	case !onLoopback(s.Listen):
		return "server.listen"
	case err == nil && u.Host != "" && !backend.Loopback(u.Hostname()):
		return "server.public_url"
	case len(s.TrustedProxies) > 0:
		return "server.trusted_proxies"
	}
	return ""
}

// examplesExposed reports credentials that are the example token, which anyone can look up. It is
// refused as soon as other machines can send it.
func (c *Config) examplesExposed() (out []exposure) {
	check := func(t Token, path ...string) {
		value, err := t.Secret.Value()
		if err != nil {
			return // reported where secrets are read
		}
		parsed, err := auth.Parse(path[1], value.Reveal())
		example, _ := auth.Parse(path[1], exampleToken)
		if err != nil || parsed.Hash != example.Hash {
			return
		}
		e := exposure{path: path, text: "is the published example token; `scimbridge token new` makes a real one"}
		if key := c.Server.beyond(); key != "" {
			e.text, e.refused = "is the published example token, and "+key+" reaches beyond loopback; `scimbridge token new` makes a real one", true
		}
		out = append(out, e)
	}
	for i, k := range c.Operators.Keys {
		check(Token{k.Key, k.Expires}, "operators", "keys", strconv.Itoa(i), "key")
	}
	for _, name := range slices.Sorted(maps.Keys(c.IdentityProviders)) {
		idp := c.IdentityProviders[name]
		for i, t := range idp.Tokens {
			check(t, "identity_providers", name, "tokens", strconv.Itoa(i))
		}
		for n, client := range idp.OAuth.Clients {
			for i, t := range client.Secrets {
				check(t, "identity_providers", name, "oauth", "clients", strconv.Itoa(n), "secrets", strconv.Itoa(i))
			}
		}
	}
	return out
}

// simulated reports the backends whose vendor is simulated.
func (c *Config) simulated() (out []exposure) {
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		if b := c.Backends[name]; b != nil && b.Simulated() {
			out = append(out, exposure{path: []string{"backends", name, "url"}, text: "is simulated: no grant reaches a vendor; set the vendor's URL when you are ready"})
		}
	}
	return out
}
