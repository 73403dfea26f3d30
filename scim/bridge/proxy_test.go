package bridge_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is the network between a replica and its databases. It can break connections, and hold back their data.
type proxy struct {
	address string
	to      string

	mu    sync.Mutex
	pairs map[net.Conn]net.Conn
	hole  chan struct{} // closed when data flows again; nil while it flows
}

// newProxy listens until the test ends.
func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), to: to, pairs: map[net.Conn]net.Conn{}}
	t.Cleanup(func() { _ = l.Close(); p.heal(); p.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *proxy) serve(c net.Conn) {
	p.passes() // connections wait while nothing passes
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = c.Close()
		return
	}
	p.mu.Lock()
	p.pairs[c] = s
	p.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
		both.Go(func() {
			_, _ = io.Copy(through{way[0], p}, way[1]) // ends with the connection
			_ = c.Close()
			_ = s.Close()
		})
	}
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// through is a connection whose data the proxy can hold back.
type through struct {
	net.Conn
	p *proxy
}

func (t through) Write(b []byte) (int, error) {
	t.p.passes()
	return t.Conn.Write(b)
}

func (p *proxy) passes() {
	p.mu.Lock()
	hole := p.hole
	p.mu.Unlock()
	if hole != nil {
		<-hole
	}
}

// cut breaks every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, s := range p.pairs {
		_ = c.Close()
		_ = s.Close()
	}
}

// swallow holds back all data, without an error, until heal.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hole == nil {
		p.hole = make(chan struct{})
	}
}

func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hole != nil {
		close(p.hole)
		p.hole = nil
	}
}
