package door

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// connections counts those that are open.
type connections struct {
	mu      sync.Mutex
	all     int
	from    map[netip.Addr]int
	refused int       // since the last report
	told    time.Time // when that was
}

// Listener accepts no more connections than there may be, in all and from one address; those beyond are closed at once. A proxy's are not
// counted as one address: everybody comes from there.
func (d *Door) Listener(l net.Listener) net.Listener { return &listener{l, d} }

type listener struct {
	net.Listener
	door *Door
}

// Accept waits for a connection that may be.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(c.RemoteAddr().String())
		if l.door.enter(from) {
			return &conn{Conn: c, leave: sync.OnceFunc(func() { l.door.leave(from) })}, nil
		}
		_ = c.Close() // there is nobody to tell
	}
}

// conn is counted until it is closed.
type conn struct {
	net.Conn
	leave func()
}

// Close closes it and counts it no more.
func (c *conn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

func (d *Door) enter(from netip.Addr) bool {
	c, key := &d.conns, subscriber(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	many := d.PerAddress > 0 && c.from[key] >= d.PerAddress && !within(d.Proxies, from)
	if many || d.Connections > 0 && c.all >= d.Connections {
		c.refused++
		if now := d.Now(); d.Refused != nil && now.Sub(c.told) >= time.Minute {
			d.Refused(c.refused)
			c.refused, c.told = 0, now
		}
		return false
	}
	c.all++
	c.from[key]++
	return true
}

func (d *Door) leave(from netip.Addr) {
	c, key := &d.conns, subscriber(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.from[key]--; c.from[key] == 0 {
		delete(c.from, key)
	}
}
