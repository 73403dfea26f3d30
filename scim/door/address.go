package door

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// address finds where a request comes from: whoever opened the connection, or, if that is a proxy of ours, the last of those it names that
// is none. What stands further left may have been written by anybody. unclear: one of those that count is no address.
func (d *Door) address(r *http.Request) (a netip.Addr, unclear bool) {
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

// addressOf reads an address that may have a port; the zero one if it is none.
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

// subscriber is the part of an address by which somebody is counted: whoever has one of IPv6 has all of its /64.
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

// table has a limiter for each address that was seen lately. Those that were not seen while as many others were are forgotten: theirs is
// full again, unless somebody has as many addresses.
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
