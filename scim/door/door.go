package door

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

// What a wrong credential beyond the limit waits for its answer, and how many wait at a time: more are answered at once, since whoever waits
// holds a connection.
const (
	failureDelay = time.Second
	maxDelayed   = 64
)

// Limit is so many in any stretch of a length.
type Limit struct {
	N   int
	Per time.Duration
}

// bucket lets twice as many through at once: whoever keeps the limit on average is never refused for being uneven.
func (l Limit) bucket() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(l.N)/l.Per.Seconds()), 2*l.N)
}

// Provider is what an identity provider's requests must be beside having a good credential.
type Provider struct {
	Allow        []netip.Prefix // where they come from; empty: from anywhere
	Certificates []string       // the client's: "sha256:" and the hash of its public key, or its subject; empty: any that the connection was opened with
	Requests     Limit          // zero: any number
}

// Door is what stands before a listener. Its fields are set before Init; then its methods may be called concurrently.
type Door struct {
	Proxies     []netip.Prefix // whose X-Forwarded-For is believed
	Connections int            // from all addresses; 0: any number
	PerAddress  int            // connections from one address that is not a proxy's; 0: any number
	Requests    Limit          // with a good credential, from one address; zero: any number
	Failures    Limit          // with a wrong one, from one address, that are answered undelayed; zero: any number
	Providers   map[string]Provider
	Now         func() time.Time // nil: time.Now
	Refused     func(n int)      // connections were refused, since it was last called; at most once a minute; nil: nobody is told

	requests, failures *table
	providers          map[string]*rate.Limiter
	delayed            chan struct{}
	conns              connections
}

// Init prepares a door whose fields are set.
func (d *Door) Init() *Door {
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
	d.conns = connections{from: map[netip.Addr]int{}, strangers: map[netip.Addr][]*conn{}}
	return d
}

// Visitor is who sends a request, before and beside any credential.
type Visitor struct {
	Address  netip.Addr
	Flood    bool // Failed found that it is one of too many: not worth a line in a log
	door     *Door
	conn     *conn       // nil: no listener of a door accepted it
	answer   http.Header // of this request
	unclear  bool        // a proxy named an address that is none
	verified []*x509.Certificate
}

// Network is what the limits count the visitor's address by; "" if there is none.
func (v *Visitor) Network() string {
	if !v.Address.IsValid() {
		return ""
	}
	return subscriber(v.Address).String()
}

type visitorKey struct{}

// Of returns the visitor who sends a request; where no door stands, one who may come in.
func Of(r *http.Request) *Visitor {
	if v, ok := r.Context().Value(visitorKey{}).(*Visitor); ok {
		return v
	}
	return &Visitor{Address: addressOf(r.RemoteAddr)}
}

// Handler finds out for every request from where it comes. An answer on a connection that has shown
// no good credential, this one included, is its last.
func (d *Door) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &Visitor{door: d, conn: connOf(r), answer: w.Header()}
		v.Address, v.unclear = d.address(r)
		if !v.conn.isProven() {
			v.last()
			v.conn.work()
			defer v.conn.await(lastWords)
			if r.Body != nil && r.Body != http.NoBody {
				r.Body = &awaited{r.Body, v.conn}
			}
		}
		if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			v.verified = r.TLS.PeerCertificates[:1]
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
	})
}

// Refusal is why a request with a good credential is not served.
type Refusal struct {
	Status int
	Detail string
	After  time.Duration // 429: when to try again, in whole seconds
}

func (e *Refusal) Error() string { return e.Detail }

// Admit decides about a request with a good credential of an identity provider. An error is a *Refusal.
func (v *Visitor) Admit(idp string) error {
	d := v.door
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

// last makes the answer the last of its connection.
func (v *Visitor) last() { v.answer.Set("Connection", "close") }

// prove keeps the connection: it has shown a good credential.
func (v *Visitor) prove() {
	if v.conn != nil {
		v.conn.prove()
		v.answer.Del("Connection")
	}
}

// Failed counts a wrong credential, before it is answered 401 and the connection ends. Beyond the
// limit it waits a while, if not too many wait already.
func (v *Visitor) Failed(ctx context.Context) {
	d := v.door
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

// take takes one of a limiter, or says in how many whole seconds there will be one.
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

// pins says whether a certificate is one of the provider's.
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
