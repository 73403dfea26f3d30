package ingress_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/scim/ingress"
)

func prefixes(t *testing.T, all ...string) (out []netip.Prefix) {
	t.Helper()
	for _, s := range all {
		p, err := ingress.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// visit is a request from an address, with the headers of a proxy.
func visit(d *ingress.Ingress, from string, forwarded ...string) (v *ingress.Client) {
	r := httptest.NewRequest("GET", "/scim/v2/Users", nil)
	r.RemoteAddr = from
	for _, f := range forwarded {
		r.Header.Add("X-Forwarded-For", f)
	}
	d.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { v = ingress.Of(r) })).ServeHTTP(httptest.NewRecorder(), r)
	return v
}

// The address of a request is that of the connection, or the one that a trusted proxy names.
func TestAddress(t *testing.T) {
	d := (&ingress.Ingress{Proxies: prefixes(t, "10.0.0.0/8", "2001:db8::1", "127.0.0.1")}).Init()
	for _, c := range []struct {
		from      string
		forwarded []string
		want      string // "": not to be read
	}{
		{"203.0.113.9:1", nil, "203.0.113.9"},
		{"203.0.113.9:1", []string{"198.51.100.1"}, "203.0.113.9"},
		{"[::ffff:203.0.113.9]:1", []string{"198.51.100.1"}, "203.0.113.9"},
		{"[fe80::1%eth0]:1", nil, "fe80::1"},
		{"10.1.2.3:1", nil, "10.1.2.3"},
		{"10.1.2.3:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[::ffff:10.1.2.3]:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.1.2.3:1", []string{"203.0.113.7, 198.51.100.1"}, "198.51.100.1"},
		{"10.1.2.3:1", []string{"203.0.113.7, 198.51.100.1, 10.9.9.9,127.0.0.1"}, "198.51.100.1"},
		{"10.1.2.3:1", []string{"203.0.113.7", "198.51.100.1", "10.9.9.9"}, "198.51.100.1"},
		{"[2001:db8::1]:1", []string{"2001:db8:7::9"}, "2001:db8:7::9"},
		{"10.1.2.3:1", []string{"[2001:db8:7::9]:4711"}, "2001:db8:7::9"},
		{"10.1.2.3:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"10.1.2.3:1", []string{"10.7.7.7, 10.9.9.9"}, "10.7.7.7"},
		{"10.1.2.3:1", []string{"<script>, 198.51.100.1"}, "198.51.100.1"}, // written by an unknown sender
		{"10.1.2.3:1", []string{"unknown"}, ""},
		{"10.1.2.3:1", []string{""}, ""},
		{"10.1.2.3:1", []string{"198.51.100.1,"}, ""},
		{"10.1.2.3:1", []string{"198.51.100.1, 10.9.9.9.9"}, ""},
		{"10.1.2.3:1", []string{"198.51.100.1 203.0.113.9"}, ""},
		{"10.1.2.3:1", []string{"0xC6336401"}, ""},
	} {
		v := visit(d, c.from, c.forwarded...)
		var refused *ingress.Refusal
		err := v.Admit("okta")
		if unclear := errors.As(err, &refused) && refused.Status == http.StatusBadRequest; unclear != (c.want == "") || c.want != "" && v.Address.String() != c.want {
			t.Errorf("%s, forwarded for %q: %v, %v", c.from, c.forwarded, v.Address, err)
		}
	}
}

// A credential is accepted from the addresses of its provider.
func TestAllow(t *testing.T) {
	d := (&ingress.Ingress{Proxies: prefixes(t, "10.0.0.1"), Providers: map[string]ingress.Provider{"okta": {Allow: prefixes(t, "203.0.113.0/24", "2001:db8::/32")}}}).Init()
	for _, c := range []struct {
		idp, from, forwarded string
		good                 bool
	}{
		{"okta", "203.0.113.255:1", "", true},
		{"okta", "203.0.114.0:1", "", false},
		{"okta", "[2001:db8::5]:1", "", true},
		{"okta", "[2001:db9::5]:1", "", false},
		{"okta", "[::ffff:203.0.113.5]:1", "", true},
		{"okta", "198.51.100.1:1", "203.0.113.5", false},
		{"okta", "10.0.0.1:1", "203.0.113.5", true},
		{"okta", "10.0.0.1:1", "203.0.113.5, 198.51.100.1", false},
		{"okta", "10.0.0.1:1", "", false},
		{"entra", "198.51.100.1:1", "", true},
	} {
		var forwarded []string
		if c.forwarded != "" {
			forwarded = []string{c.forwarded}
		}
		err := visit(d, c.from, forwarded...).Admit(c.idp)
		var refused *ingress.Refusal
		if c.good && err != nil || !c.good && (!errors.As(err, &refused) || refused.Status != http.StatusForbidden) {
			t.Errorf("%s from %s (%s): %v", c.idp, c.from, c.forwarded, err)
		}
	}
}

// The default admits two thousand requests a second from one address indefinitely, however uneven.
// Beyond that a client learns when to retry.
func TestRequests(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	limit := ingress.Limit{N: 2000, Per: time.Second}
	d := (&ingress.Ingress{Requests: limit, Providers: map[string]ingress.Provider{"small": {Requests: ingress.Limit{N: 30, Per: time.Minute}}}, Now: func() time.Time { return now }}).Init()
	for s := range 20 {
		for i := range 2000 {
			if err := visit(d, "203.0.113.9:1").Admit("okta"); err != nil {
				t.Fatalf("request %d of second %d: %v", i, s, err)
			}
		}
		now = now.Add(time.Second)
	}
	admitted := 0
	var refused *ingress.Refusal
	for range 10_000 {
		if err := visit(d, "203.0.113.9:1").Admit("okta"); err == nil {
			admitted++
		} else if !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests || refused.After < time.Second || refused.After%time.Second != 0 {
			t.Fatalf("%v", err)
		}
	}
	if refused == nil || admitted > 4000 {
		t.Errorf("%d of 10,000 at once were admitted", admitted)
	}
	if err := visit(d, "203.0.113.10:1").Admit("okta"); err != nil {
		t.Errorf("another address: %v", err)
	}
	now = now.Add(time.Second)
	for i := range 2000 { // what was refused took nothing away
		if err := visit(d, "203.0.113.9:1").Admit("okta"); err != nil {
			t.Fatalf("request %d of the second after: %v", i, err)
		}
	}
	for range 60 {
		if err := visit(d, "203.0.113.11:1").Admit("small"); err != nil {
			t.Fatalf("of a small one: %v", err)
		}
	}
	if err := visit(d, "203.0.113.12:1").Admit("small"); !errors.As(err, &refused) || refused.Status != http.StatusTooManyRequests || refused.After != 2*time.Second {
		t.Errorf("a provider's requests from two addresses are not counted together: %v", err)
	}
	if err := visit(d, "203.0.113.12:1").Admit("okta"); err != nil {
		t.Errorf("another provider: %v", err)
	}
}

// Wrong credentials wait for their answer only beyond a thousand a minute. Good ones never wait and
// are counted apart.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := (&ingress.Ingress{Requests: ingress.Limit{N: 2000, Per: time.Second}, Failures: ingress.Limit{N: 1000, Per: time.Minute}}).Init()
		fail := func(from string) (loud bool, took time.Duration) {
			before := time.Now()
			v := visit(d, from)
			v.Failed(context.Background())
			return !v.Flood, time.Since(before)
		}
		for i := range 5 {
			for range 1000 {
				if loud, took := fail("203.0.113.9:1"); !loud || took > 0 {
					t.Fatalf("minute %d: a wrong credential waits %s (%v)", i, took, loud)
				}
			}
			time.Sleep(time.Minute)
		}
		for range 2000 {
			fail("203.0.113.9:1")
		}
		if loud, took := fail("203.0.113.9:1"); loud || took != time.Second {
			t.Errorf("one of too many: waits %s (%v)", took, loud)
		}
		if loud, took := fail("203.0.113.10:1"); !loud || took > 0 {
			t.Errorf("another address: waits %s (%v)", took, loud)
		}
		begun, waiting := time.Now(), make(chan bool, 1000)
		for range 1000 {
			go func() { fail("203.0.113.9:1"); waiting <- true }()
		}
		synctest.Wait()
		if n := 1000 - len(waiting); n > 100 || n == 0 {
			t.Errorf("%d wait at a time", n)
		}
		if err := visit(d, "203.0.113.9:1").Admit("okta"); err != nil || time.Since(begun) > 0 {
			t.Errorf("a good one among them: %v after %s", err, time.Since(begun))
		}
		time.Sleep(5 * time.Second)
		for range 2000 {
			fail("203.0.113.11:1")
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		before := time.Now()
		if visit(d, "203.0.113.11:1").Failed(ctx); time.Since(before) != 10*time.Millisecond {
			t.Errorf("one whose client goes away waits %s", time.Since(before))
		}
		time.Sleep(time.Minute)
	})
}

// The number of remembered addresses is limited, and an IPv6 network counts as one.
func TestAddressesAreForgotten(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	d := (&ingress.Ingress{Requests: ingress.Limit{N: 1, Per: time.Hour}, Now: func() time.Time { return now }}).Init()
	admitted := func(from string) bool { return visit(d, from).Admit("okta") == nil }
	for range 2 {
		if !admitted("[2001:db8::1]:1") {
			t.Fatal("the burst is refused")
		}
	}
	if admitted("[2001:db8::ffff:1:2:3]:1") {
		t.Error("an address of the same /64 counts by itself")
	}
	if !admitted("[2001:db8:0:1::1]:1") {
		t.Error("an address of another /64 does not")
	}
	for i := range 100_000 {
		if !admitted(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)) {
			t.Fatal("a new address is refused")
		}
	}
	if n := d.Remembered(); n > 20_000 {
		t.Errorf("%d addresses are remembered", n)
	}
	if !admitted("[2001:db8::1]:1") {
		t.Error("an address is remembered indefinitely")
	}
}

// patience is how long a test waits for an event that must happen; it is no claim about speed.
const patience = 10 * time.Second

// No more connections are open than the limit; a closed one makes room, and a proxy's address has
// no limit.
func TestConnections(t *testing.T) {
	for _, c := range []struct {
		name                   string
		all, perAddress, admit int
		proxies                []netip.Prefix
	}{
		{"one address", 100, 3, 3, nil}, {"a proxy", 6, 3, 6, prefixes(t, "127.0.0.0/8")},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		refused := make(chan int, 100)
		d := (&ingress.Ingress{Connections: c.all, PerAddress: c.perAddress, Proxies: c.proxies, Refused: func(n int) { refused <- n }}).Init()
		limited, accepted := d.Listener(l), make(chan net.Conn, 100)
		go func() {
			for {
				conn, err := limited.Accept()
				if err != nil {
					return
				}
				accepted <- conn
			}
		}()
		dial := func() net.Conn {
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			return conn
		}
		next := func() (conn net.Conn) {
			select {
			case conn = <-accepted:
			case <-time.After(patience):
				t.Fatalf("%s: a connection that may be is not accepted", c.name)
			}
			return conn
		}
		var server []net.Conn
		for range c.admit {
			dial()
			server = append(server, next())
		}
		if _, err := dial().Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: one too many is not closed", c.name)
		}
		if len(refused) != 1 {
			t.Errorf("%s: %d reports", c.name, len(refused))
		}
		for range 2 { // closing twice makes room once
			server[0].Close()
		}
		dial()
		next()
		if _, err := dial().Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: a connection that was closed makes room for two", c.name)
		}
		if len(refused) != 1 {
			t.Errorf("%s: %d reports within a minute", c.name, len(refused))
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for s, want := range map[string]string{"203.0.113.0/24": "203.0.113.0/24", "203.0.113.7": "203.0.113.7/32", "2001:db8::/32": "2001:db8::/32", "::1": "::1/128", "::ffff:10.0.0.1": "10.0.0.1/32",
		"203.0.113.7/24": "", "": "", "example.com": "", "10.0.0.0/33": "", "fe80::1%eth0": "", "::ffff:10.0.0.0/104": "", "10/8": ""} {
		p, err := ingress.ParsePrefix(s)
		if want == "" && err == nil || want != "" && (err != nil || p.String() != want) {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
}
