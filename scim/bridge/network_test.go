package bridge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// dial opens a connection to SCIM.
func (s *setup) dial() net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.scim, "http://"), "/scim/v2"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// raw sends bytes over a connection and reads an answer; status 0 without one.
func raw(t *testing.T, c net.Conn, text string) (status int, body string, header http.Header) {
	t.Helper()
	go func() { _, _ = io.WriteString(c, text) }() // the server may not read it all
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer func() { _ = res.Body.Close() }()
	all, _ := io.ReadAll(res.Body) // unread bytes of the request may break the connection after the answer
	return res.StatusCode, string(all), res.Header
}

// waits reports whether Retry-After is about so many seconds: the test itself takes some.
func waits(h http.Header, seconds int) bool {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	return err == nil && n <= seconds && n > seconds-int(patience/time.Second)
}

const bearer = "Authorization: Bearer " + oktaToken + "\r\n"

// TestTheListener checks the limits of server.listen before any credential is read.
func TestTheListener(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "")
	s.start()
	for _, c := range []struct {
		name, text string
		status     int
		body       string
	}{
		{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 401, `"401"`},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 401, ""}, // in HTTP/1.1
		{"a filter that is too long", "GET /scim/v2/Users?filter=" + strings.Repeat("(", 200<<10) + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\n", 400, "invalidFilter"},
		{"headers that are too long", "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n" + bearer + "X-Long: " + strings.Repeat("a", 300<<10) + "\r\n\r\n", 431, ""},
		{"another address in the request line", "GET http://other.example.com/scim/v2/Users HTTP/1.1\r\nHost: x\r\n\r\n", 401, `"401"`},
		{"a body without a credential", "POST /scim/v2/Bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n", 401, `"401"`},
	} {
		if status, body, _ := raw(t, s.dial(), c.text); status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s: %d %.200s", c.name, status, body)
		}
	}
}

// Slow clients are cut off, and others do not notice them.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "")
	s.start()
	var slow []net.Conn
	for range 200 {
		c := s.dial()
		if _, err := io.WriteString(c, "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n"); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	if status, body := s.send(oktaToken, "GET", "/Users", ""); status != 200 {
		t.Errorf("a request besides slow clients: %d %s", status, body)
	}
	for _, c := range slow {
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("a slow client is not cut off: %v", err)
		}
	}
}

// 256 connections of one address are served, and further ones are closed without delay.
func TestConnectionsOfOneAddress(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "")
	s.start()
	request := "GET /scim/v2/ServiceProviderConfig HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\n"
	for i := range 256 {
		if status, body, _ := raw(t, s.dial(), request); status != 200 {
			t.Fatalf("connection %d: %d %s", i, status, body)
		}
	}
	if status, _, _ := raw(t, s.dial(), request); status != 0 {
		t.Errorf("connection 257: %d", status)
	}
}

// The configured limits hold: the answer has the SCIM form and a Retry-After. A wrong credential is
// answered 401 beyond every limit.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "")
	s.edit("server: {listen: 127.0.0.1:0}", "server: {listen: 127.0.0.1:0, trusted_proxies: [127.0.0.1], limits: {requests: 2/h}}")
	s.edit("okta: {tokens: ["+oktaToken+"]}", "okta: {tokens: ["+oktaToken+"], rate_limit: 3/h}")
	s.edit("entra: {tokens: ["+entraToken+"]}", "entra: {tokens: ["+entraToken+"], allow: [203.0.113.0/24]}")
	s.start()
	ask := func(token, from string) (int, string, http.Header) {
		t.Helper()
		return raw(t, s.dial(), fmt.Sprintf("GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nX-Forwarded-For: %s\r\n\r\n", token, from))
	}
	want := func(what string, status int, body, token, from string) http.Header {
		t.Helper()
		got, text, header := ask(token, from)
		if got != status || !strings.Contains(text, body) || status >= 400 && (header.Get("Content-Type") != "application/scim+json" || !strings.Contains(text, fmt.Sprintf(`"status":"%d"`, status))) {
			t.Errorf("%s: %d %s", what, got, text)
		}
		return header
	}
	for range 4 { // a burst of twice the limit, then none for the rest of the hour
		want("within the limit of the address", 200, "", oktaToken, "198.51.100.1")
	}
	if h := want("beyond it", 429, "address", oktaToken, "198.51.100.1"); !waits(h, 1800) {
		t.Errorf("Retry-After: %q", h.Get("Retry-After"))
	}
	want("from another address", 200, "", oktaToken, "198.51.100.2")
	if h := want("beyond the limit of the provider", 429, "identity provider", oktaToken, "198.51.100.3"); !waits(h, 1200) {
		t.Errorf("Retry-After: %q", h.Get("Retry-After"))
	}
	want("wrong, beyond the limit", 401, "", "wrong", "198.51.100.1")
	want("of the other provider, from where it may come", 200, "", entraToken, "203.0.113.7")
	want("from elsewhere", 403, "not accepted from this address", entraToken, "198.51.100.9")
	want("from elsewhere, with a forged start", 403, "", entraToken, "203.0.113.7, 198.51.100.9")
	want("from nowhere", 400, "invalidValue", entraToken, "203.0.113.700")
	want("wrong, from nowhere", 401, "", "wrong", "203.0.113.700")
}

// The token endpoint is behind the same ingress: a client is admitted from the addresses of its
// provider, as often as it may, and a wrong secret is answered 401, late beyond the limit.
func TestTokenEndpointIsBehindTheIngress(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "")
	s.edit("server: {listen: 127.0.0.1:0}", "server: {listen: 127.0.0.1:0, public_url: 'https://scim.example.com/scim/v2', trusted_proxies: [127.0.0.1], limits: {failures: 1/h}}")
	s.edit("  okta: {", "  away: {allow: [203.0.113.0/24], oauth: {clients: [{id: away, secrets: [{value: canary-secret-of-away, expires: 2099-01-31}]}]}}\n"+
		"  small: {rate_limit: 1/h, oauth: {clients: [{id: small, secrets: [{value: canary-secret-of-small, expires: 2099-01-31}]}]}}\n  okta: {")
	s.start()
	ask := func(client, secret, from string) (int, http.Header, time.Duration) {
		t.Helper()
		form := "grant_type=client_credentials&client_id=" + client + "&client_secret=" + secret
		begun := time.Now()
		status, _, header := raw(t, s.dial(), fmt.Sprintf("POST /oauth/token HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", from, len(form), form))
		return status, header, time.Since(begun)
	}
	for _, c := range []struct {
		client, secret, from string
		status               int
	}{
		{"away", "canary-secret-of-away", "203.0.113.7", 200}, {"away", "canary-secret-of-away", "198.51.100.1", 403}, {"away", "wrong", "198.51.100.2", 401},
		{"small", "canary-secret-of-small", "198.51.100.3", 200}, {"small", "canary-secret-of-small", "198.51.100.3", 200}, {"small", "canary-secret-of-small", "198.51.100.4", 429}, {"small", "wrong", "198.51.100.4", 401},
	} {
		status, header, _ := ask(c.client, c.secret, c.from)
		if status != c.status || status == 429 && !waits(header, 3600) {
			t.Errorf("%s from %s: %d %v", c.client, c.from, status, header)
		}
	}
	var took time.Duration
	for range 3 { // twice the limit at once, and one more
		var status int
		if status, _, took = ask("small", "wrong", "198.51.100.5"); status != 401 {
			t.Errorf("a wrong secret: %d", status)
		}
	}
	if took < time.Second {
		t.Errorf("one of too many is answered after %s", took)
	}
}

// Nine addresses hold every connection that there may be, and take each again as soon as it ends:
// the identity provider, from an address that the server does not know, is served all the same.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "")
	s.edit("server: {listen: 127.0.0.1:0}", "server: {listen: 127.0.0.1:0, limits: {connections: 64, connections_per_address: 16}}")
	s.start()
	address := strings.TrimSuffix(strings.TrimPrefix(s.scim, "http://"), "/scim/v2")
	ctx, stop := context.WithCancel(context.Background())
	var holding sync.WaitGroup
	var held atomic.Int64
	for i := range 9 {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(10+i))}}
		for range 8 {
			holding.Go(func() {
				for ctx.Err() == nil {
					c, err := from.DialContext(ctx, "tcp", address)
					if err != nil {
						continue
					}
					held.Add(1)
					release := context.AfterFunc(ctx, func() { _ = c.Close() })
					_, _ = io.Copy(io.Discard, c)
					release()
					_ = c.Close()
				}
			})
		}
	}
	for held.Load() < 9*8 { // each is accepted or refused
		runtime.Gosched()
	}
	for range 20 {
		c := s.dial()
		if status, body, _ := raw(t, c, "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n"+bearer+"\r\n"); status != 200 {
			t.Errorf("%d %s", status, body)
		}
		_ = c.Close()
	}
	stop()
	holding.Wait()
}

// An answer without a good credential ends its connection, and no other.
func TestRejectedConnection(t *testing.T) {
	t.Parallel()
	s := newSetup(t, "strict", "")
	s.start()
	for _, path := range []string{"/scim/v2/Users", "/oauth/token", "/"} {
		c := s.dial()
		status, body, _ := raw(t, c, "GET "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\n\r\n")
		if _, err := io.Copy(io.Discard, c); status != 401 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d %s %v", path, status, body, err)
		}
	}
	c := s.dial()
	for range 3 {
		if status, body, _ := raw(t, c, "GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n"+bearer+"\r\n"); status != 200 {
			t.Errorf("with a good credential: %d %s", status, body)
		}
	}
}
