package ingress

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// checkEvery is how often a new connection checks the files for changes.
const checkEvery = time.Second

// Certificate is the certificate of the server, read again when its files change. Its fields are set
// before Load.
type Certificate struct {
	CertFile, KeyFile string
	ClientCAFile      string                   // clients must show a certificate of this authority; "": none
	Now               func() time.Time         // nil: time.Now
	Reloaded          func(notAfter time.Time) // another one is served; may be nil
	Broken            func(error)              // the files changed and cannot be used: what is served stays; may be nil

	mu      sync.Mutex
	looked  time.Time
	seen    [sha256.Size]byte // of the files as they were last tried
	current *tls.Config
}

// Load reads the files for the first time.
func (c *Certificate) Load() error {
	if c.Now == nil {
		c.Now = time.Now
	}
	files, err := c.read()
	if err != nil {
		return err
	}
	config, _, err := c.config(files)
	if err != nil {
		return err
	}
	c.current, c.seen, c.looked = config, files.sum(), c.Now()
	return nil
}

// Config returns a configuration for TLS 1.2 or later that always uses the current files.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if now := c.Now(); now.Sub(c.looked) >= checkEvery {
			c.looked = now
			c.refresh(now)
		}
		return c.current, nil
	}}
}

// refresh uses the files if they changed and are valid. Each change is tried and reported once.
func (c *Certificate) refresh(now time.Time) {
	files, err := c.read()
	sum := files.sum()
	if err != nil {
		sum = sha256.Sum256([]byte(err.Error()))
	}
	if sum == c.seen {
		return
	}
	c.seen = sum
	config, end := c.current, time.Time{}
	if err == nil {
		config, end, err = c.config(files)
	}
	if err == nil && end.Before(now) {
		err = fmt.Errorf("the new certificate ended on %s", end.Format(time.DateOnly))
	}
	if err != nil {
		if c.Broken != nil {
			c.Broken(err)
		}
		return
	}
	c.current = config
	if c.Reloaded != nil {
		c.Reloaded(end)
	}
}

// files are the contents of the files of a certificate.
type files struct{ cert, key, clients []byte }

func (f files) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range [][]byte{f.cert, f.key, f.clients} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (c *Certificate) read() (f files, err error) {
	var certErr, keyErr, clientsErr error
	f.cert, certErr = os.ReadFile(c.CertFile)
	f.key, keyErr = os.ReadFile(c.KeyFile)
	if c.ClientCAFile != "" {
		f.clients, clientsErr = os.ReadFile(c.ClientCAFile)
	}
	return f, errors.Join(certErr, keyErr, clientsErr)
}

func (c *Certificate) config(f files) (*tls.Config, time.Time, error) {
	pair, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%s and %s: %w", c.CertFile, c.KeyFile, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if c.ClientCAFile != "" {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.SessionTicketsDisabled = true // a resumed session would be of a certificate that another authority was asked about
		if !config.ClientCAs.AppendCertsFromPEM(f.clients) {
			return nil, time.Time{}, fmt.Errorf("%s holds no certificate in PEM form", c.ClientCAFile)
		}
	}
	return config, pair.Leaf.NotAfter, nil
}
