package ingress

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// failureDelay postpones the answer to a wrong credential beyond the limit. At most maxDelayed
// requests wait at a time, because each holds a connection; others are answered at once.
const (
	failureDelay = time.Second
	maxDelayed   = 64
)

// Limit is N in any period of length Per.
type Limit struct {
	N   int
	Per time.Duration
}

// bucket returns a limiter with a burst of twice the limit: a client that keeps the limit on average
// is never refused for a burst.
func (l Limit) bucket() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(l.N)/l.Per.Seconds()), 2*l.N)
}

// Provider is what the requests of an identity provider must meet besides a good credential.
type Provider struct {
	Allow        []netip.Prefix // where they come from; empty: from anywhere
	Certificates []string       // the client's: "sha256:" and the hash of its public key, or its subject; empty: any that the connection was opened with
	Requests     Limit          // zero: any number
}

// Ingress guards a listener. Its fields are set before Init; afterwards its methods may be called
// concurrently.
type Ingress struct {
	Proxies     []netip.Prefix // whose X-Forwarded-For is trusted
	Connections int            // from all addresses; 0: any number
	PerAddress  int            // connections from one address that is not a proxy's; 0: any number
	Requests    Limit          // with a good credential, from one address; zero: any number
	Failures    Limit          // with a wrong one, from one address, that are answered undelayed; zero: any number
	Providers   map[string]Provider
	Now         func() time.Time // nil: time.Now
	Refused     func(n int)      // called at most once a minute with the number of refused connections; may be nil

	requests, failures *table
	providers          map[string]*rate.Limiter
	delayed            chan struct{} // has one element for each request that waits
	conns              connections
}

// Init prepares an Ingress whose fields are set.
func (d *Ingress) Init() *Ingress {
	if d.Now == nil {
		d.Now = time.Now
	}
	d.requests, d.failures = &table{limit: d.Requests}, &table{limit: d.Failures}
	d.providers = map[string]*rate.Limiter{}
	for name, p := range d.Providers {
		if p.Requests.N > 0 {
			d.providers[name] = p.Requests.bucket()
		}
	}
	d.delayed = make(chan struct{}, maxDelayed)
	d.conns = connections{from: map[netip.Addr]int{}, unproven: map[netip.Addr][]*conn{}}
	return d
}

// Client is the sender of a request, with any credential or none.
type Client struct {
	Address  netip.Addr
	Flood    bool // Failed counted too many from there: not worth a line in a log
	ingress  *Ingress
	conn     *conn       // nil: not accepted by a Listener of an Ingress
	answer   http.Header // of this request
	unclear  bool        // a proxy sent an address that cannot be read
	verified []*x509.Certificate
}

// Network returns what the limits count the client by; "" if its address is unknown.
func (v *Client) Network() string {
	if !v.Address.IsValid() {
		return ""
	}
	return subscriber(v.Address).String()
}

type clientKey struct{}

// Of returns the client that sent a request; without an Ingress, a client that Admit accepts.
func Of(r *http.Request) *Client {
	if v, ok := r.Context().Value(clientKey{}).(*Client); ok {
		return v
	}
	return &Client{Address: addressOf(r.RemoteAddr)}
}

// Handler adds the client to each request. A connection that has shown no good credential ends with
// its next answer.
func (d *Ingress) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &Client{ingress: d, conn: connOf(r), answer: w.Header()}
		v.Address, v.unclear = d.address(r)
		if !v.conn.isProven() {
			v.last()
			v.conn.work()
			defer v.conn.await(readableFor)
			if r.Body != nil && r.Body != http.NoBody {
				r.Body = &awaited{r.Body, v.conn}
			}
		}
		if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			v.verified = r.TLS.PeerCertificates[:1]
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientKey{}, v)))
	})
}

// Refusal is the reason why a request with a good credential is refused.
type Refusal struct {
	Status int
	Detail string
	After  time.Duration // 429: when to try again, in whole seconds
}

func (e *Refusal) Error() string { return e.Detail }

// Admit decides about a request with a good credential of an identity provider. An error is a *Refusal.
func (v *Client) Admit(idp string) error {
	d := v.ingress
	if d == nil {
		return nil
	}
	p := d.Providers[idp]
	switch {
	case v.unclear:
		return &Refusal{Status: http.StatusBadRequest, Detail: "X-Forwarded-For is not a list of addresses"}
	case len(p.Allow) > 0 && !within(p.Allow, v.Address):
		return &Refusal{Status: http.StatusForbidden, Detail: "the credential is not accepted from this address"}
	case len(p.Certificates) > 0 && !slices.ContainsFunc(v.verified, p.pins):
		return &Refusal{Status: http.StatusForbidden, Detail: "the credential is accepted only over a connection with its client certificate"}
	}
	v.prove()
	now := d.Now()
	if l := d.providers[idp]; l != nil {
		if after := take(l, now); after > 0 {
			return &Refusal{http.StatusTooManyRequests, "too many requests of this identity provider; send it again later", after}
		}
	}
	if after := take(d.requests.of(v.Address), now); after > 0 {
		return &Refusal{http.StatusTooManyRequests, "too many requests from this address; send it again later", after}
	}
	return nil
}

// last closes the connection after this answer.
func (v *Client) last() { v.answer.Set("Connection", "close") }

// prove keeps the connection: it has shown a good credential.
func (v *Client) prove() {
	if v.conn != nil {
		v.conn.prove()
		v.answer.Del("Connection")
	}
}

// Failed counts a wrong credential before it is answered 401 and the connection is closed. Beyond
// the limit it waits for failureDelay, unless maxDelayed requests wait already.
func (v *Client) Failed(ctx context.Context) {
	d := v.ingress
	if d == nil {
		return
	}
	v.last()
	if take(d.failures.of(v.Address), d.Now()) == 0 {
		return
	}
	v.Flood = true
	select {
	case d.delayed <- struct{}{}:
		defer func() { <-d.delayed }()
	default:
		return
	}
	t := time.NewTimer(failureDelay)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// take uses one token of a limiter, or returns in how many whole seconds there will be one.
func take(l *rate.Limiter, now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	r := l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait == 0 {
		return 0
	}
	r.CancelAt(now)
	return time.Duration(math.Ceil(wait.Seconds())) * time.Second
}

func within(all []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
}

// pins reports whether a certificate is one of the provider's.
func (p Provider) pins(c *x509.Certificate) bool {
	key, subject := sha256.Sum256(c.RawSubjectPublicKeyInfo), pkix.RDNSequence{}
	rest, err := asn1.Unmarshal(c.RawSubject, &subject) // c.Subject sorts it, and keeps one of several names
	whole := err == nil && len(rest) == 0
	return slices.ContainsFunc(p.Certificates, func(pin string) bool {
		return strings.EqualFold(pin, "sha256:"+hex.EncodeToString(key[:])) || whole && pin == subject.String()
	})
}

// ParsePrefix reads a network, or an address as a network of one.
func ParsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is not a network such as 203.0.113.0/24", s)
	}
	if p.Masked() != p {
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its length; %s is meant?", s, p.Masked())
	}
	return p, nil
}
