package ingress

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// proveWithin is how long the server waits, in all, for the first good credential of a connection:
// for its TLS handshake, its headers, and a body that holds the credential.
const proveWithin = 5 * time.Second

// readableFor is how long a connection without a good credential stays open after an answer, at
// least: the client must be able to read it.
const readableFor = time.Second

// knownFor is how long, at least, an address stays known after it showed a good credential.
const knownFor = 24 * time.Hour

// connections are those that are open.
type connections struct {
	mu            sync.Mutex
	all           int
	from          map[netip.Addr]int
	unproven      map[netip.Addr][]*conn // without a good credential, the oldest first; not those of known addresses
	unprovenCount int                    // how many those are
	known         recent                 // addresses that showed a good credential lately
	refused       int                    // since the last report
	reportedAt    time.Time              // when that was
}

// Listener accepts at most Connections connections, and PerAddress of one address. A connection has
// five seconds to show a good credential. Those that have not may be three quarters of all; a
// further one takes the place of the oldest of the address with the most of them, so that no
// number of silent connections keeps out a client with a good credential. A quarter is left for
// addresses that showed one lately. A proxy's connections are not counted by their address.
func (d *Ingress) Listener(l net.Listener) net.Listener { return &listener{l, d} }

type listener struct {
	net.Listener
	ingress *Ingress
}

// Accept waits for a connection within the limits.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		in := &conn{Conn: c, ingress: l.ingress, from: addressOf(c.RemoteAddr().String()), end: l.ingress.Now().Add(proveWithin)}
		if l.ingress.enter(in) {
			return in, nil
		}
		_ = c.Close() // the client learns no more than that
	}
}

// conn is counted until it is closed, and closed when it shows no good credential in time.
type conn struct {
	net.Conn
	ingress *Ingress
	from    netip.Addr
	end     time.Time // by then it must have shown a good credential
	once    sync.Once

	mu     sync.Mutex
	proven bool
	busy   int // requests that the server works on without waiting for the client
	timer  *time.Timer
}

// Close closes the connection and frees its place.
func (c *conn) Close() error {
	defer c.once.Do(func() {
		c.mu.Lock()
		c.timer.Stop()
		c.mu.Unlock()
		c.ingress.leave(c)
	})
	return c.Conn.Close()
}

// start starts the clock.
func (c *conn) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(proveWithin, func() { _ = c.Close() })
}

// prove ends the time limit: the connection has shown a good credential.
func (c *conn) prove() {
	c.mu.Lock()
	first := !c.proven
	c.proven = true
	c.timer.Stop()
	c.mu.Unlock()
	c.ingress.proved(c, first)
}

// work stops the clock while the server, and not the client, is what a request waits for.
func (c *conn) work() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	c.timer.Stop()
}

// await starts the clock again, for at least so long.
func (c *conn) await(least time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy--; c.busy == 0 && !c.proven {
		c.timer.Reset(max(least, c.end.Sub(c.ingress.Now())))
	}
}

type connKey struct{}

// ConnContext is for http.Server: it lets Handler find the connection of a request.
func (d *Ingress) ConnContext(ctx context.Context, c net.Conn) context.Context {
	if over, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
		c = over.NetConn()
	}
	if ours, ok := c.(*conn); ok {
		return context.WithValue(ctx, connKey{}, ours)
	}
	return ctx
}

// connOf returns the connection of a request; nil if no Listener of an Ingress accepted it.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// isProven reports whether the connection has shown a good credential, or is not guarded.
func (c *conn) isProven() bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proven
}

// awaited is a body for which the server waits: the clock of its connection runs meanwhile.
type awaited struct {
	io.ReadCloser
	conn *conn
}

func (b *awaited) Read(p []byte) (int, error) {
	b.conn.await(0)
	defer b.conn.work()
	return b.ReadCloser.Read(p)
}

// enter admits a connection, if necessary in the place of another.
func (d *Ingress) enter(in *conn) bool {
	evicted, entered := d.admitConn(in)
	if evicted != nil {
		_ = evicted.Close() // it had its time
	}
	return entered
}

func (d *Ingress) admitConn(in *conn) (evicted *conn, entered bool) {
	c, key := &d.conns, subscriber(in.from)
	c.mu.Lock()
	defer c.mu.Unlock()
	proxy := within(d.Proxies, in.from)
	known := proxy || c.known.has(key, d.Now())
	if d.PerAddress > 0 && c.from[key] >= d.PerAddress && !proxy {
		d.refuse()
		return nil, false
	}
	if d.Connections > 0 && (c.all >= d.Connections || !known && c.unprovenCount >= max(1, d.Connections*3/4)) {
		d.refuse() // this one, or the one in whose place it comes
		if evicted = c.oldest(); evicted == nil {
			return nil, false
		}
		c.forget(evicted)
	}
	c.all++
	c.from[key]++
	if !known {
		c.unprovenCount++
		c.unproven[key] = append(c.unproven[key], in)
	}
	in.start()
	return evicted, true
}

// refuse counts a connection that was refused or evicted, and reports once a minute.
func (d *Ingress) refuse() {
	c := &d.conns
	c.refused++
	if now := d.Now(); d.Refused != nil && now.Sub(c.reportedAt) >= time.Minute {
		d.Refused(c.refused)
		c.refused, c.reportedAt = 0, now
	}
}

// oldest finds the oldest connection of the address that has the most without a good credential.
func (c *connections) oldest() *conn {
	var most []*conn
	for _, all := range c.unproven {
		if len(all) > len(most) || len(all) == len(most) && len(all) > 0 && all[0].end.Before(most[0].end) {
			most = all
		}
	}
	if most == nil {
		return nil
	}
	return most[0]
}

// forget removes a connection from the unproven ones; it stays counted until it is closed.
func (c *connections) forget(gone *conn) {
	key := subscriber(gone.from)
	for i, one := range c.unproven[key] {
		if one == gone {
			c.unprovenCount--
			c.unproven[key] = append(c.unproven[key][:i], c.unproven[key][i+1:]...)
			if len(c.unproven[key]) == 0 {
				delete(c.unproven, key)
			}
			return
		}
	}
}

// proved notes that a connection, and so its address, has shown a good credential.
func (d *Ingress) proved(in *conn, first bool) {
	c, now := &d.conns, d.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.add(subscriber(in.from), now)
	if first {
		c.forget(in)
	}
}

func (d *Ingress) leave(gone *conn) {
	c, key := &d.conns, subscriber(gone.from)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(gone)
	c.all--
	if c.from[key]--; c.from[key] == 0 {
		delete(c.from, key)
	}
}

// recent remembers addresses for knownFor at least, and for twice as long at most. When there are
// too many, the older half is forgotten.
type recent struct {
	young, old map[netip.Addr]bool
	turned     time.Time
}

func (r *recent) has(a netip.Addr, now time.Time) bool {
	r.turn(now)
	return r.young[a] || r.old[a]
}

func (r *recent) add(a netip.Addr, now time.Time) {
	r.turn(now)
	if r.young[a] {
		return
	}
	if len(r.young) >= maxAddresses {
		r.young, r.old, r.turned = nil, r.young, now
	}
	if r.young == nil {
		r.young = map[netip.Addr]bool{}
	}
	r.young[a] = true
}

func (r *recent) turn(now time.Time) {
	switch age := now.Sub(r.turned); {
	case age >= 2*knownFor:
		r.young, r.old, r.turned = nil, nil, now
	case age >= knownFor:
		r.young, r.old, r.turned = nil, r.young, now
	}
}
