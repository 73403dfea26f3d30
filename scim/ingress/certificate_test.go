package ingress_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim/ingress"
)

// issue makes a certificate with a name, for 127.0.0.1, by an authority or (nil) by itself.
func issue(t *testing.T, name string, until time.Time, by *tls.Certificate, subject ...byte) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		DNSNames: []string{"127.0.0.1", name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	c.RawSubject = subject // none: that of the name
	parent, signer := c, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func write(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writePair(t *testing.T, c *ingress.Certificate, pair tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c.CertFile, "CERTIFICATE", pair.Certificate[0])
	write(t, c.KeyFile, "PRIVATE KEY", key)
}

// serve serves over the certificate; its answers name the client as the ingress sees it.
func serve(t *testing.T, c *ingress.Certificate, d *ingress.Ingress) *httptest.Server {
	t.Helper()
	if err := c.Load(); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(d.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var refused *ingress.Refusal
		if errors.As(ingress.Of(r).Admit("okta"), &refused) {
			w.WriteHeader(refused.Status)
		}
	})))
	srv.TLS = c.Config()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// A new certificate is served without a restart. An unusable one is reported once, and the old one stays.
func TestCertificateIsReadAgain(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	var broken []error
	reloaded := 0
	c := &ingress.Certificate{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), Now: func() time.Time { return now },
		Broken: func(err error) { broken = append(broken, err) }, Reloaded: func(time.Time) { reloaded++ }}
	if err := c.Load(); err == nil {
		t.Error("files that are not there")
	}
	writePair(t, c, issue(t, "first", now.Add(time.Hour), nil))
	srv := serve(t, c, (&ingress.Ingress{}).Init())
	served := func() string {
		t.Helper()
		now = now.Add(time.Second)
		conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	for step, c := range []struct {
		change   func()
		want     string
		broken   int
		reloaded int
	}{
		{func() {}, "first", 0, 0},
		{func() { writePair(t, c, issue(t, "second", now.Add(time.Hour), nil)) }, "second", 0, 1},
		{func() { write(t, c.CertFile, "CERTIFICATE", issue(t, "half", now.Add(time.Hour), nil).Certificate[0]) }, "second", 1, 1},
		{func() {}, "second", 1, 1},
		{func() { writePair(t, c, issue(t, "third", now.Add(time.Hour), nil)) }, "third", 1, 2},
		{func() { writePair(t, c, issue(t, "ended", now.Add(-time.Hour), nil)) }, "third", 2, 2},
		{func() { _ = os.Remove(c.KeyFile) }, "third", 3, 2},
		{func() { _ = os.WriteFile(c.CertFile, []byte("nothing"), 0o600) }, "third", 3, 2}, // the key is missing still
		{func() { writePair(t, c, issue(t, "fourth", now.Add(time.Hour), nil)) }, "fourth", 3, 3},
	} {
		c.change()
		if got := served(); got != c.want || len(broken) != c.broken || reloaded != c.reloaded {
			t.Errorf("step %d: %q is served, want %q; %d reports of %d, %d reloads of %d: %v", step, got, c.want, len(broken), c.broken, reloaded, c.reloaded, broken)
		}
	}
	if _, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

// With an authority for clients no connection without a certificate of it succeeds, and a
// provider's credential is accepted only with its own.
func TestClientCertificates(t *testing.T) {
	dir, until := t.TempDir(), time.Now().Add(time.Hour)
	ours, other := issue(t, "clients", until, nil), issue(t, "others", until, nil)
	c := &ingress.Certificate{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), ClientCAFile: filepath.Join(dir, "clients.pem")}
	writePair(t, c, issue(t, "server", until, nil))
	write(t, c.ClientCAFile, "CERTIFICATE", ours.Certificate[0])
	okta, second, ended, foreign := issue(t, "okta", until, &ours), issue(t, "second", until, &ours), issue(t, "okta", time.Now().Add(-time.Hour), &ours), issue(t, "okta", until, &other)
	key := sha256.Sum256(okta.Leaf.RawSubjectPublicKeyInfo)
	along := second // a client can present a certificate of another client along with its own
	along.Certificate = [][]byte{second.Certificate[0], okta.Certificate[0]}
	for pins, want := range map[string][5]int{ // okta, second, ended, foreign, okta's along with second; 0: no connection
		"":        {200, 200, 0, 0, 200},
		"CN=okta": {200, 403, 0, 0, 403},
		"sha256:" + strings.ToUpper(hex.EncodeToString(key[:])): {200, 403, 0, 0, 403},
		"CN=other": {403, 403, 0, 0, 403},
	} {
		p := ingress.Provider{}
		if pins != "" {
			p.Certificates = []string{"CN=another", pins}
		}
		srv := serve(t, c, (&ingress.Ingress{Providers: map[string]ingress.Provider{"okta": p}}).Init())
		for i, shown := range []*tls.Certificate{&okta, &second, &ended, &foreign, &along, nil} {
			config := &tls.Config{InsecureSkipVerify: true}
			if shown != nil { // a certificate is requested
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil }
			}
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
			status := 0
			if res, err := client.Get(srv.URL); err == nil {
				res.Body.Close()
				status = res.StatusCode
			}
			client.CloseIdleConnections()
			if expected := append(want[:], 0)[i]; status != expected {
				t.Errorf("pinned to %q, certificate %d: %d, want %d", pins, i, status, expected)
			}
		}
	}
}

// A session under the previous client authority cannot be resumed.
func TestNoSessionOutlivesItsAuthority(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	before, after := issue(t, "before", now.Add(time.Hour), nil), issue(t, "after", now.Add(time.Hour), nil)
	c := &ingress.Certificate{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), ClientCAFile: filepath.Join(dir, "clients.pem"), Now: func() time.Time { return now }}
	writePair(t, c, issue(t, "server", now.Add(time.Hour), nil))
	write(t, c.ClientCAFile, "CERTIFICATE", before.Certificate[0])
	srv := serve(t, c, (&ingress.Ingress{}).Init())
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{InsecureSkipVerify: true, MaxVersion: version, Certificates: []tls.Certificate{issue(t, "okta", now.Add(time.Hour), &before)}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		get := func() (resumed bool, err error) {
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
			defer client.CloseIdleConnections()
			res, err := client.Get(srv.URL)
			if err != nil {
				return false, err
			}
			return res.TLS.DidResume, res.Body.Close()
		}
		for range 2 {
			if resumed, err := get(); err != nil || resumed {
				t.Fatalf("%x: %v %v", version, resumed, err)
			}
		}
		write(t, c.ClientCAFile, "CERTIFICATE", after.Certificate[0])
		now = now.Add(time.Second)
		if _, err := get(); err == nil {
			t.Errorf("%x: a certificate of the previous authority is accepted", version)
		}
		write(t, c.ClientCAFile, "CERTIFICATE", before.Certificate[0])
		now = now.Add(time.Second)
	}
}

// A pinned subject is the whole subject in its order. Go's parsed form keeps only the last of several names.
func TestSubjectsArePinnedWhole(t *testing.T) {
	dir, until := t.TempDir(), time.Now().Add(time.Hour)
	ours := issue(t, "clients", until, nil)
	c := &ingress.Certificate{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), ClientCAFile: filepath.Join(dir, "clients.pem")}
	writePair(t, c, issue(t, "server", until, nil))
	write(t, c.ClientCAFile, "CERTIFICATE", ours.Certificate[0])
	name, organisation := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}
	for _, test := range []struct {
		pin     string
		subject []pkix.AttributeTypeAndValue // in the order of the certificate
		status  int
	}{
		{"CN=okta,O=Example", []pkix.AttributeTypeAndValue{{Type: organisation, Value: "Example"}, {Type: name, Value: "okta"}}, 200},
		{"O=Example,CN=okta", []pkix.AttributeTypeAndValue{{Type: name, Value: "okta"}, {Type: organisation, Value: "Example"}}, 200},
		{"CN=okta", []pkix.AttributeTypeAndValue{{Type: name, Value: "mallory"}, {Type: name, Value: "okta"}}, 403},
		{"CN=okta", []pkix.AttributeTypeAndValue{{Type: organisation, Value: "Example"}, {Type: name, Value: "okta"}}, 403},
		{"CN=okta,O=Example", []pkix.AttributeTypeAndValue{{Type: name, Value: "okta,O=Example"}}, 403},
	} {
		var subject pkix.RDNSequence
		for _, a := range test.subject {
			subject = append(subject, pkix.RelativeDistinguishedNameSET{a})
		}
		raw, err := asn1.Marshal(subject)
		if err != nil {
			t.Fatal(err)
		}
		shown := issue(t, "client", until, &ours, raw...)
		srv := serve(t, c, (&ingress.Ingress{Providers: map[string]ingress.Provider{"okta": {Certificates: []string{test.pin}}}}).Init())
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{shown}}}}
		res, err := client.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != test.status {
			t.Errorf("pinned to %s, %s: %d", test.pin, subject, res.StatusCode)
		}
		client.CloseIdleConnections()
	}
}
