package ingress

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// address returns where a request comes from: the peer of the connection or, if that is a trusted
// proxy, the last address of X-Forwarded-For that is no trusted proxy. Clients can write anything
// further left. unclear: one of the addresses that count cannot be read.
func (d *Ingress) address(r *http.Request) (a netip.Addr, unclear bool) {
	a = addressOf(r.RemoteAddr)
	var hops []string
	for _, h := range r.Header.Values("X-Forwarded-For") {
		hops = append(hops, strings.Split(h, ",")...)
	}
	for ; len(hops) > 0 && within(d.Proxies, a); hops = hops[:len(hops)-1] {
		next := addressOf(strings.TrimSpace(hops[len(hops)-1]))
		if !next.IsValid() {
			return a, true
		}
		a = next
	}
	return a, false
}

// addressOf reads an address that may have a port; the zero Addr if it is not an address.
func addressOf(s string) netip.Addr {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		at, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		a = at.Addr()
	}
	return a.Unmap().WithZone("")
}

// subscriber returns the part of an address that limits count by: a client with an IPv6 address has
// the whole /64.
func subscriber(a netip.Addr) netip.Addr {
	if a.Is6() {
		p, err := a.Prefix(64)
		if err == nil {
			return p.Addr()
		}
	}
	return a
}

// maxAddresses bounds half of a table.
const maxAddresses = 8192

// table has a limiter for each address seen recently. It drops addresses that were not seen while
// maxAddresses others were: by then their limiter is full again.
type table struct {
	limit Limit

	mu         sync.Mutex
	young, old map[netip.Addr]*rate.Limiter
}

// of returns the limiter of an address; nil if there is no limit.
func (t *table) of(a netip.Addr) *rate.Limiter {
	if t.limit.N == 0 {
		return nil
	}
	a = subscriber(a)
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.young[a]
	if l != nil {
		return l
	}
	if l = t.old[a]; l == nil {
		l = t.limit.bucket()
	}
	if len(t.young) >= maxAddresses || t.young == nil {
		t.young, t.old = map[netip.Addr]*rate.Limiter{}, t.young
	}
	t.young[a] = l
	return l
}
