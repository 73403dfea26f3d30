package remote

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/config"
)

// Environment variables that name a server on another machine and the key for it.
const (
	serverVariable = "SCIMBRIDGE_SERVER"
	keyVariable    = "SCIMBRIDGE_KEY"
)

// Server is the running server that a command calls: that of the configuration on this machine, or
// another one by its URL.
type Server struct {
	Config       *string // the file
	url, key, ca string
}

// Flags adds the flags that name a server on another machine.
func (s *Server) Flags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&s.url, "server", "", "URL of the console of a server on another machine; or "+serverVariable)
	f.StringVar(&s.key, "key", "", "the operator's key for --server: env:NAME or file:/path; or "+keyVariable)
	f.StringVar(&s.ca, "ca", "", "file with certificates (PEM) to trust for --server, instead of the system's")
}

// File returns the absolute path of the configuration file of a server on this machine; "" for one elsewhere.
func (s *Server) File() (string, error) {
	if s.url != "" || os.Getenv(serverVariable) != "" {
		return "", nil
	}
	return filepath.Abs(*s.Config)
}

// remote returns a client of the server that flags or variables name; nil: none do.
func (s *Server) remote() (*Client, error) {
	at, key := s.url, s.key
	switch {
	case at == "" && (key != "" || s.ca != ""):
		return nil, errors.New("--key and --ca need --server")
	case at == "":
		at = os.Getenv(serverVariable)
	}
	if at == "" {
		return nil, nil
	}
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("--server: expected a URL such as https://scimbridge.example.com")
	}
	if u.Scheme == "http" && !backend.Loopback(u.Hostname()) {
		return nil, errors.New("--server: http:// is accepted on loopback only, because the key crosses the network; use https://")
	}
	if key != "" && !strings.HasPrefix(key, "env:") && !strings.HasPrefix(key, "file:") {
		return nil, errors.New("--key: expected env:NAME or file:/path: other users of this machine can read a command line")
	}
	if key == "" {
		key = os.Getenv(keyVariable)
	}
	if key == "" {
		return nil, fmt.Errorf("no operator's key for %s: give --key env:NAME or --key file:/path, or set %s", u.Redacted(), keyVariable)
	}
	secret, err := config.NewSecret(key).Value()
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	trust, err := s.trust()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trust}}
	return &Client{url: strings.TrimSuffix(u.String(), "/"), key: secret, bearer: true,
		client: http.Client{Timeout: 30 * time.Second, Transport: transport, CheckRedirect: stay}}, nil
}

// trust returns the authorities of --ca; nil: those of the system.
func (s *Server) trust() (*x509.CertPool, error) {
	if s.ca == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca: %s holds no certificate in PEM", s.ca)
	}
	return pool, nil
}

// IsRemote reports whether flags or variables name a server on another machine.
func (s *Server) IsRemote() bool { return s.url != "" || os.Getenv(serverVariable) != "" }
