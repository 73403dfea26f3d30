package backend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Bounds of a connection to another server.
const (
	dialTime      = 10 * time.Second
	handshakeTime = 10 * time.Second
	idleTime      = 90 * time.Second
	idlePerHost   = 8
	maxHeaders    = 64 << 10 // of an answer
)

// ErrAddress is a connection to an address that is never called.
var ErrAddress = errors.New("the host name resolves to an address that is not called: a metadata service, link-local, or loopback behind a name")

// Outgoing is the way to other servers. The zero value connects directly and trusts the authorities of the system.
type Outgoing struct {
	Authorities *x509.CertPool // trusted instead of the system's; nil: the system's
	Proxy       *url.URL       // nil: none; the environment is ignored
	Resolver    *net.Resolver  // nil: the system's
}

// Transport makes connections with TLS 1.2 or later, always verified, to addresses that may be called.
// It checks the resolved address of every connection, so that a changed name leads nowhere else. A proxy
// decides by itself what it reaches.
func (o Outgoing) Transport() *http.Transport {
	t := &http.Transport{
		DialContext:            o.dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Authorities},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    handshakeTime,
		MaxResponseHeaderBytes: maxHeaders,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTime,
	}
	if o.Proxy != nil {
		t.Proxy = http.ProxyURL(o.Proxy)
	}
	return t
}

func (o Outgoing) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	local := Loopback(host)
	d := net.Dialer{Timeout: dialTime, Resolver: o.Resolver, Control: func(_, resolved string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(resolved)
		if err != nil || !mayCall(at.Addr(), local) {
			return ErrAddress
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// Loopback reports whether a host, as it is written, is this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// metadata lists the addresses at which clouds hand out credentials and that are not link-local. The
// last four bytes of an address in translated are one of IPv4 (RFC 6052).
var (
	metadata = []netip.Prefix{
		netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
		netip.MustParsePrefix("168.63.129.16/32"),   // Azure
		netip.MustParsePrefix("192.0.0.192/32"),     // Oracle
		netip.MustParsePrefix("fd00:ec2::/32"),      // Amazon
		netip.MustParsePrefix("fd20:ce::254/128"),   // Google
		netip.MustParsePrefix("fd00:42::42/128"),    // Scaleway
	}
	translated = netip.MustParsePrefix("64:ff9b::/96")
)

// mayCall reports whether an address may be called; with local also one of this machine.
func mayCall(a netip.Addr, local bool) bool {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, p := range metadata {
		if p.Contains(a) {
			return false
		}
	}
	if a.IsLoopback() {
		return local
	}
	return a.IsValid() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
