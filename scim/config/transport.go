package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"

	"github.com/scimbridge/scimbridge/backend"
)

// Outgoing says how another server is reached.
type Outgoing struct {
	CAFile string `yaml:"ca_file"`
	Proxy  Secret `yaml:"proxy"`
}

// Connection returns the certificate authorities and the proxy, read from their files.
func (c Outgoing) Connection() (backend.Outgoing, error) {
	var o backend.Outgoing
	var err error
	if c.CAFile != "" {
		if o.Authorities, err = authorities(c.CAFile); err != nil {
			return o, fmt.Errorf("ca_file: %w", err)
		}
	}
	if !c.Proxy.IsZero() {
		if o.Proxy, err = c.proxy(); err != nil {
			return o, fmt.Errorf("proxy: %w", err)
		}
	}
	return o, nil
}

// authorities reads a file of certificates.
func authorities(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// proxy reads the address of the proxy. It may hold a password, so no error repeats it.
func (c Outgoing) proxy() (*url.URL, error) {
	value, err := c.Proxy.Value()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(value.Reveal())
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
		return nil, errors.New("is not an address such as http://proxy.example.com:3128")
	}
	return u, nil
}

// outgoing checks the authority and the proxy.
func (v *validation) outgoing(at func(...string) []string, c Outgoing) {
	if c.CAFile != "" {
		if _, err := authorities(c.CAFile); err != nil {
			v.bad(at("ca_file"), "%v", err)
		}
	}
	if c.Proxy.IsZero() {
		return
	}
	u, err := c.proxy()
	switch {
	case err != nil:
		v.wrong(at("proxy"), err)
	case c.Proxy.Literal() && u.User != nil:
		v.warn(at("proxy"), "holds a password; prefer env:NAME or file:/path")
	}
}
