package backend_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/backend"
)

const key = "SECRET-of-the-vendor"

// caller returns a caller with a key that waits for an answer no longer than wait.
func caller(address string, way backend.Outgoing, wait time.Duration) *backend.Caller {
	c := &backend.Caller{URL: address, Transport: way.Transport(), Timeout: wait,
		Header: map[string]backend.Secret{"x-apikey": backend.NewSecret(key), "Authorization": backend.NewSecret("Bearer " + key)}}
	c.Init()
	return c
}

func get(t *testing.T, c *backend.Caller) (backend.Answer, error) {
	t.Helper()
	a, err := c.Do(t.Context(), backend.Call{Operation: "read", Doing: "reading", Method: http.MethodGet, Path: "/x"})
	if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), key) {
		t.Errorf("the error shows the key: %v", err)
	}
	return a, err
}

// A redirect leads to no second request, so no other server gets the key.
func TestNoRedirectIsFollowed(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		vendor := httptest.NewServer(http.RedirectHandler(other.URL+"/x", status))
		_, err := get(t, caller(vendor.URL, backend.Outgoing{}, 0))
		vendor.Close()
		var e *backend.Error
		if !errors.As(err, &e) || e.Status != status || elsewhere.Load() != 0 {
			t.Errorf("%d: %v; %d request(s) elsewhere", status, err, elsewhere.Load())
		}
	}
}

// An answer without end, or of another length than its header says, is a failure and blocks no call.
func TestFaultyAnswers(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 80 {
		if _, err := z.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	write := func(w http.ResponseWriter, b []byte) bool {
		_, err := w.Write(b)
		return err == nil && http.NewResponseController(w).Flush() == nil
	}
	var sent atomic.Int64
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
		wait   time.Duration
	}{
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for write(w, make([]byte, 1<<16)) {
				if sent.Add(1<<16) > 64<<20 {
					t.Error("64 MiB of an endless answer were read")
					return
				}
			}
		}, "larger than 4 MiB", 0},
		"a compressed bomb": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			write(w, bomb.Bytes())
		}, "larger than 4 MiB", 0},
		"shorter than it says": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			write(w, []byte(`{"data":`))
		}, "ended early", 0},
		"a header without end": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("a", 1<<20))
		}, "the call failed", 0},
		"one byte at a time": {func(w http.ResponseWriter, r *http.Request) {
			drip := time.NewTicker(5 * time.Millisecond)
			defer drip.Stop()
			for write(w, []byte(" ")) {
				<-drip.C
			}
		}, "ended early", 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vendor := httptest.NewServer(c.answer)
			defer vendor.Close()
			_, err := get(t, caller(vendor.URL, backend.Outgoing{}, c.wait))
			var e *backend.Error
			if !errors.As(err, &e) || e.Kind != backend.Transient || e.Unsent || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// authority signs certificates of the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a := authority{pool: x509.NewCertPool()}
	a.cert, a.key = sign(t, template, template, nil)
	a.pool.AddCert(a.cert)
	return a
}

func sign(t *testing.T, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = own
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &own.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, own
}

// serve answers over TLS with a certificate for a host, which is valid for the time left.
func (a authority) serve(t *testing.T, host string, left time.Duration, newest uint16) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(left), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	cert, own := sign(t, template, a.cert, a.key)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("{}")) }))
	srv.Config.ErrorLog = nil
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: own}}, MinVersion: tls.VersionTLS10, MaxVersion: newest}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

// The certificate of a server must be signed by the configured authority, and TLS be 1.2 or later.
func TestCertificatesAreVerified(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	for name, c := range map[string]struct {
		address string
		trusted *x509.CertPool
		good    bool
	}{
		"good":              {ours.serve(t, "127.0.0.1", time.Hour, 0), ours.pool, true},
		"TLS 1.2":           {ours.serve(t, "127.0.0.1", time.Hour, tls.VersionTLS12), ours.pool, true},
		"TLS 1.1":           {ours.serve(t, "127.0.0.1", time.Hour, tls.VersionTLS11), ours.pool, false},
		"expired":           {ours.serve(t, "127.0.0.1", -time.Hour, 0), ours.pool, false},
		"another host":      {ours.serve(t, "vendor.example.com", time.Hour, 0), ours.pool, false},
		"another authority": {other.serve(t, "127.0.0.1", time.Hour, 0), ours.pool, false},
		"unknown authority": {ours.serve(t, "127.0.0.1", time.Hour, 0), nil, false},
	} {
		_, err := get(t, caller(c.address, backend.Outgoing{Authorities: c.trusted}, 0))
		if (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && name != "TLS 1.1" && !strings.Contains(err.Error(), "not trusted") {
			t.Errorf("%s: %v, want the certificate as the cause", name, err)
		}
	}
}

// resolver answers every question with the next address, and repeats the last.
func resolver(t *testing.T, answers ...string) *net.Resolver {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		buf := make([]byte, 1500)
		for n := 0; ; {
			size, from, err := l.ReadFrom(buf)
			if err != nil {
				return
			}
			question := buf[12:size]
			end := bytes.IndexByte(question, 0) + 5 // the name, its type and its class
			answer := append([]byte{buf[0], buf[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[:end]...)
			if question[end-3] == 1 { // a question for an address of IPv4
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				answer = append(answer, net.ParseIP(answers[min(n, len(answers)-1)]).To4()...)
				n++
			}
			_, _ = l.WriteTo(answer, from) // the client asks again
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", l.LocalAddr().String())
	}}
}

// The resolved address of every connection is checked: the address of a name may change.
func TestDNSRebinding(t *testing.T) {
	reached := make(chan string, 8)
	vendor := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Host }))
	defer vendor.Close()
	_, port, err := net.SplitHostPort(vendor.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []string{"127.0.0.1", "169.254.169.254", "0.0.0.0", "100.100.100.200", "168.63.129.16", "224.0.0.1"} {
		c := caller("http://vendor.example.com:"+port, backend.Outgoing{Resolver: resolver(t, first)}, 5*time.Second)
		_, err := get(t, c)
		var e *backend.Error
		if !errors.As(err, &e) || !errors.Is(err, backend.ErrAddress) || !e.Unsent {
			t.Errorf("a name that leads to %s: %v", first, err)
		}
	}
	way := backend.Outgoing{Resolver: resolver(t, "192.0.2.1", "127.0.0.1")} // the first answer would have been good
	for range 2 {
		_, err = get(t, caller("http://vendor.example.com:"+port, way, 300*time.Millisecond))
	}
	if !errors.Is(err, backend.ErrAddress) {
		t.Errorf("a name that leads elsewhere the second time: %v", err)
	}
	if len(reached) > 0 {
		t.Errorf("%s was reached by another name", <-reached)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} { // the address says so itself
		if _, err := get(t, caller("http://"+host+":"+port, backend.Outgoing{}, 0)); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "0.0.0.0", "[::]", "[fd20:ce::254]"} {
		if _, err := get(t, caller("http://"+host+":"+port, backend.Outgoing{}, 5*time.Second)); !errors.Is(err, backend.ErrAddress) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// A configured proxy is used for every call. The environment is ignored.
func TestProxyOnlyWhenConfigured(t *testing.T) {
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.String())
		_, _ = w.Write([]byte("{}"))
	}))
	defer proxy.Close()
	if (backend.Outgoing{}).Transport().Proxy != nil { // the standard library reads the environment only once, so a test cannot set it
		t.Error("a proxy that is not configured")
	}
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, caller("http://vendor.invalid", backend.Outgoing{Proxy: at}, 5*time.Second)); err != nil || asked.Load() != "http://vendor.invalid/x" {
		t.Errorf("the configured proxy was asked for %v: %v", asked.Load(), err)
	}
}
