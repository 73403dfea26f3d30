package ingress_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimbridge/scimbridge/scim/ingress"
)

// pipes is a listener in memory, whose connections come from addresses of the test's choice.
type pipes struct{ accepted chan net.Conn }

type pipe struct {
	net.Conn
	from string
}

func (p pipe) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.from))
}

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p.accepted
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial opens a connection.
func (p pipes) dial(from string) net.Conn {
	client, server := net.Pipe()
	p.accepted <- pipe{server, from + ":4711"}
	return client
}

// guarded serves behind an ingress, in a bubble whose clock is the test's, until the test ends. The
// credential is in the header, or in the body of a request for a token.
func guarded(t *testing.T, d *ingress.Ingress) pipes {
	t.Helper()
	d.Init()
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, shown := ingress.Of(r), r.Header.Get("Authorization")
		if r.URL.Path == "/token" {
			body, _ := io.ReadAll(r.Body)
			shown = string(body)
		}
		if shown != "good" {
			v.Failed(r.Context())
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if err := v.Admit("okta"); err != nil {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	})
	l := pipes{make(chan net.Conn)}
	srv := &http.Server{Handler: d.Handler(serve), ConnContext: d.ConnContext, ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 30 * time.Second, WriteTimeout: 55 * time.Second, IdleTimeout: 120 * time.Second}
	go func() { _ = srv.Serve(d.Listener(l)) }()
	t.Cleanup(func() {
		close(l.accepted)
		_ = srv.Close()
	})
	return l
}

const good = "Authorization: good\r\n"

// ask sends a request. It returns the status, 0 without an answer, and whether the connection stays open.
func ask(c net.Conn, request string) (status int, open bool) {
	go func() { _, _ = io.WriteString(c, request) }()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, false
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, !res.Close
}

func get(headers string) string { return "GET / HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" }

// lasts returns how long the server keeps a connection on which the client waits.
func lasts(c net.Conn) time.Duration {
	begun := time.Now()
	_, _ = io.Copy(io.Discard, c)
	return time.Since(begun)
}

func TestConnection(t *testing.T) {
	slowly := func(c net.Conn, text string, each time.Duration) {
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(each)
		}
	}
	for _, tt := range []struct {
		name  string
		send  func(c net.Conn)
		lasts time.Duration
	}{
		{"silence ends after five seconds", func(net.Conn) {}, 5 * time.Second},
		{"slow headers end after five seconds", func(c net.Conn) { slowly(c, get("X: "+strings.Repeat("x", 100)), time.Second/2) }, 5 * time.Second},
		{"a slow body with the credential ends after five seconds", func(c net.Conn) {
			_, _ = io.WriteString(c, "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
			slowly(c, strings.Repeat("x", 100), time.Second/2)
		}, 5 * time.Second},
		{"a slow body behind a wrong credential ends with the five seconds", func(c net.Conn) {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: bad\r\nContent-Length: 1000\r\n\r\n")
			slowly(c, strings.Repeat("x", 1000), time.Second/2)
		}, 5 * time.Second},
		{"a good credential keeps it", func(c net.Conn) { _, _ = io.WriteString(c, get(good)) }, 120 * time.Second},
		{"a good credential in a body keeps it", func(c net.Conn) {
			_, _ = io.WriteString(c, "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ngood")
		}, 120 * time.Second},
		{"a good credential after four seconds keeps it", func(c net.Conn) {
			time.Sleep(4 * time.Second)
			_, _ = io.WriteString(c, get(good))
		}, 124 * time.Second},
		{"a long upload with a good credential goes on", func(c net.Conn) {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n"+good+"Content-Length: 50\r\n\r\n")
			slowly(c, strings.Repeat("x", 50), time.Second/2)
		}, 144500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := guarded(t, &ingress.Ingress{Connections: 8, PerAddress: 8}).dial("203.0.113.1")
				var sent sync.WaitGroup
				sent.Go(func() { tt.send(c) })
				if got := lasts(c); got != tt.lasts {
					t.Errorf("it lasts %s, want %s", got, tt.lasts)
				}
				_ = c.Close()
				sent.Wait()
			})
		})
	}
	t.Run("a wrong credential ends it, also after a good one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := guarded(t, &ingress.Ingress{})
			if status, open := ask(l.dial("203.0.113.1"), get("")); status != 401 || open {
				t.Errorf("%d, more may follow: %v", status, open)
			}
			c := l.dial("203.0.113.1")
			for _, want := range []int{200, 200, 401, 0} {
				headers := map[int]string{200: good}[want]
				if status, open := ask(c, get(headers)); status != want || open != (want == 200) {
					t.Errorf("%d, want %d; more may follow: %v", status, want, open)
				}
			}
		})
	})
}

// hold keeps a connection without a credential open, again and again, until ctx ends.
func hold(ctx context.Context, l pipes, from string) {
	for ctx.Err() == nil {
		c := l.dial(from)
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		_, _ = io.Copy(io.Discard, c)
		stop()
		_ = c.Close()
		time.Sleep(200 * time.Millisecond) // it is not next to the server
	}
}

func TestSilentConnections(t *testing.T) {
	const all = 64
	for _, tt := range []struct {
		name            string
		addresses, each int
		known           bool
	}{
		{"nine addresses keep out no newcomer", 9, 8, false},
		{"many addresses keep out none that is known", 2 * all, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := guarded(t, &ingress.Ingress{Connections: all, PerAddress: 8})
				if status, _ := ask(l.dial("203.0.113.1"), get(good)); tt.known && status != 200 {
					t.Fatal(status)
				}
				var holding sync.WaitGroup
				ctx, stop := context.WithCancel(t.Context())
				for i := range tt.addresses {
					for range tt.each {
						from := fmt.Sprintf("10.1.%d.%d", i/250, i%250+1)
						holding.Go(func() { hold(ctx, l, from) })
					}
				}
				for s := range 20 {
					time.Sleep(time.Second)
					c := l.dial("203.0.113.1")
					time.Sleep(200 * time.Millisecond) // it is far away
					if status, _ := ask(c, get(good)); status != 200 {
						t.Errorf("second %d: %d", s, status)
					}
					_ = c.Close()
				}
				stop()
				holding.Wait()
			})
		})
	}
}

func TestConnectionsReserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := guarded(t, &ingress.Ingress{Connections: 8, PerAddress: 8})
		var held []net.Conn
		for range 2 {
			c := l.dial("203.0.113.1")
			if status, _ := ask(c, get(good)); status != 200 {
				t.Fatal(status)
			}
			held = append(held, c)
		}
		for range 8 { // three quarters of eight, and some in their place
			c := l.dial("203.0.113.2")
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
		synctest.Wait()
		for range 6 { // of a known address: they take what is left, and then the places of others
			held = append(held, l.dial("203.0.113.1"))
		}
		for i, c := range held {
			if status, _ := ask(c, get(good)); status != 200 {
				t.Errorf("connection %d: %d", i, status)
			}
		}
		if status, _ := ask(l.dial("203.0.113.3"), get(good)); status != 0 {
			t.Errorf("beyond the limit, with nothing to give way: %d", status)
		}
	})
}

// A connection over TLS, with HTTP/2 or without, is known by its credential as well.
func TestConnectionOverTLS(t *testing.T) {
	for _, two := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", two), func(t *testing.T) {
			d := (&ingress.Ingress{Connections: 8, PerAddress: 8}).Init()
			srv := httptest.NewUnstartedServer(d.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "good" {
					ingress.Of(r).Failed(r.Context())
					w.WriteHeader(http.StatusUnauthorized)
				} else if err := ingress.Of(r).Admit("okta"); err != nil {
					t.Error(err)
				}
			})))
			srv.Listener, srv.Config.ConnContext, srv.EnableHTTP2 = d.Listener(srv.Listener), d.ConnContext, two
			srv.StartTLS()
			t.Cleanup(srv.Close)
			var reused []bool
			for _, shown := range []string{"good", "good", "bad", "good"} {
				trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = append(reused, c.Reused) }})
				req, err := http.NewRequestWithContext(trace, http.MethodGet, srv.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", shown)
				res, err := srv.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if (res.ProtoMajor == 2) != two || (res.StatusCode == 200) != (shown == "good") {
					t.Errorf("%s: %s %s", shown, res.Proto, res.Status)
				}
				if two && shown == "bad" {
					srv.Client().CloseIdleConnections() // as soon as the client has seen that it ends
				}
			}
			if want := []bool{false, true, true, false}; !slices.Equal(reused, want) {
				t.Errorf("connections are used again: %v, want %v", reused, want)
			}
		})
	}
}
