package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/ingress"
)

var (
	certificatePin = regexp.MustCompile(`^sha256:[0-9a-fA-F]{64}$`)
	subject        = regexp.MustCompile(`^[A-Za-z0-9.]+=.`)
)

// network checks which clients may connect to server.listen.
func (v *validation) network(c *Config) {
	at := func(key ...string) []string { return append([]string{"server"}, key...) }
	v.prefixes(at("trusted_proxies"), c.Server.TrustedProxies)
	for _, p := range c.Server.TrustedProxies {
		if strings.HasSuffix(p, "/0") {
			v.bad(at("trusted_proxies"), "%q is every address: any client could claim any address", p)
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
			v.bad(path("client_certificates"), "needs server.tls.client_ca_file: without it no client is asked for a certificate")
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
		if _, err := ingress.ParsePrefix(s); err != nil {
			v.bad(append(slices.Clone(path), fmt.Sprint(i)), "%v", err)
		}
	}
}

func (v *validation) rate(path []string, s string) {
	if _, err := backend.ParseRate(s); err != nil {
		v.bad(path, "is not of the form 5/s, 60/min or 1000/h")
	}
}
