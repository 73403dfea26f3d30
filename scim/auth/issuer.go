package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MinLifetime and MaxLifetime bound how long a token of ours is good.
const (
	MinLifetime = time.Minute
	MaxLifetime = 6 * time.Hour
)

const (
	ours       = "at+jwt"    // the type of our tokens (RFC 9068)
	signsOurs  = "EdDSA"     // and how they are signed
	maxReplays = 10_000      // assertions that are remembered
	prefix     = "oauth-"    // of a client in the audit trail, before its id
	claimIdP   = "idp"       // the identity provider as which a token calls
	claimID    = "client_id" // as RFC 9068 names it
	jtiBytes   = 16
)

// Client may ask for tokens as one identity provider: with a secret, or with an assertion that somebody whom we trust has signed.
type Client struct {
	ID         string
	IdP        string
	Secrets    []Credential  // one or more, so that they can be rotated
	Assertions *Signed       // nil: none are accepted. Its issuer, audience, subject and application are those of this client alone
	Lifetime   time.Duration // of its tokens
}

// Issuer is the token endpoint: it authenticates its own callers, and gives them short-lived tokens. Its fields are set before it
// serves; then it may be used concurrently.
type Issuer struct {
	URL     string // issuer and audience of the tokens: where SCIM is served
	Clients []Client
	Keys    *Keyring
	Random  io.Reader        // nil: crypto/rand
	Now     func() time.Time // nil: time.Now
	// Issued is told of every token that is given, Rejected of every caller who is not one of the clients, Failed of what is our own
	// fault; nil: nobody.
	Issued   func(r *http.Request, who Identity)
	Rejected func(r *http.Request, why *Refusal)
	Failed   func(error)
	// Admit is asked about a client that proved who it is; a status other than 0 is the answer, with the seconds after which to ask again.
	// nil: everybody is admitted.
	Admit func(r *http.Request, who Identity) (status, after int)

	seen replays
}

// Verifier accepts the tokens of the issuer, without asking anybody.
func (i *Issuer) Verifier() *Signed {
	s := &Signed{Issuer: i.URL, Audience: []string{i.URL}, Algorithms: []string{signsOurs}, Now: i.Now, types: []string{ours}, who: i.who}
	s.key = func(ctx context.Context, t *jwt.Token) (any, error) {
		id, ok := t.Header["kid"].(string)
		if !ok {
			return nil, errors.New("no key is named")
		}
		return i.Keys.public(ctx, id)
	}
	s.defaults()
	return s
}

// who is the client to whom a token was given, as long as it is configured.
func (i *Issuer) who(claims jwt.MapClaims) (Identity, bool) {
	for _, c := range i.Clients {
		if claims[claimID] == c.ID && claims[claimIdP] == c.IdP && claims["sub"] == c.ID {
			return c.identity(), true
		}
	}
	return Identity{}, false
}

// Name tells clients apart in the audit trail.
func (c Client) Name() string { return prefix + c.ID }

// Expires is when the client can ask for nothing any more: the end of the secret that lasts longest; zero: never.
func (c Client) Expires() time.Time {
	var last time.Time
	for _, s := range c.Secrets {
		if s.Expires.IsZero() {
			return time.Time{}
		}
		if s.Expires.After(last) {
			last = s.Expires
		}
	}
	if c.Assertions != nil {
		return time.Time{}
	}
	return last
}

func (c Client) identity() Identity { return Identity{IdP: c.IdP, Token: c.Name()} }

// bySecret finds the client by its secret, and says how that may be written: as it is, or escaped as RFC 6749 section 2.3.1 wants it
// in a header. The comparison takes the same time for all clients and secrets, known or not.
func (i *Issuer) bySecret(id string, forms ...string) (Client, *Refusal) {
	now, known, live := clock(i.Now), -1, -1
	for n, c := range i.Clients {
		for _, secret := range c.Secrets {
			same := 0
			for _, form := range forms {
				hash := sha256.Sum256([]byte(form))
				same |= subtle.ConstantTimeCompare(hash[:], secret.Hash[:])
			}
			same &= subtle.ConstantTimeCompare([]byte(id), []byte(c.ID))
			known = subtle.ConstantTimeSelect(same, n, known)
			live = subtle.ConstantTimeSelect(same&secret.live(now), n, live)
		}
	}
	switch {
	case known < 0:
		return Client{}, &Refusal{Why: "an unknown client or a wrong secret"}
	case live < 0:
		who := i.Clients[known].identity()
		return Client{}, &Refusal{"a client secret that has expired", who.IdP, who.Token}
	}
	return i.Clients[live], nil
}

// byAssertion finds the client whose trusted issuer has signed an assertion (RFC 7523 section 3). An assertion with a `jti` is good once.
func (i *Issuer) byAssertion(ctx context.Context, id, assertion string) (Client, *Refusal) {
	refusal := &Refusal{Why: "an assertion that nobody signs for this client"}
	for _, c := range i.Clients {
		if c.Assertions == nil || id != "" && id != c.ID {
			continue
		}
		claims, err := c.Assertions.verify(ctx, assertion)
		if err != nil {
			if !errors.Is(err, errOther) {
				refusal = &Refusal{"an assertion that is " + err.Error(), c.IdP, c.identity().Token}
			}
			continue
		}
		if !i.first(c, claims) {
			return Client{}, &Refusal{"an assertion that was used before", c.IdP, c.identity().Token}
		}
		return c, nil
	}
	return Client{}, refusal
}

// first says whether an assertion is seen for the first time.
func (i *Issuer) first(c Client, claims jwt.MapClaims) bool {
	id, there := claims["jti"]
	if !there {
		return true
	}
	end, err := claims.GetExpirationTime()
	if err != nil || end == nil {
		return false
	}
	return i.seen.first(fmt.Sprint(c.Assertions.Issuer, "\x00", id), end.Add(leeway), clock(i.Now))
}

// replays remembers assertions until they end. When there are too many at once no more are accepted: they all come from issuers that
// the configuration trusts.
type replays struct {
	mu   sync.Mutex
	ends map[[sha256.Size]byte]time.Time
}

func (r *replays) first(id string, end, now time.Time) bool {
	key := sha256.Sum256([]byte(id))
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, there := r.ends[key]; there && now.Before(known) {
		return false
	}
	if len(r.ends) >= maxReplays {
		for k, known := range r.ends {
			if !now.Before(known) {
				delete(r.ends, k)
			}
		}
	}
	if len(r.ends) >= maxReplays {
		return false
	}
	if r.ends == nil {
		r.ends = map[[sha256.Size]byte]time.Time{}
	}
	r.ends[key] = end
	return true
}

// sign makes a token for a client.
func (i *Issuer) sign(ctx context.Context, c Client) (string, error) {
	key, err := i.Keys.signer(ctx)
	if err != nil {
		return "", err
	}
	random := i.Random
	if random == nil {
		random = rand.Reader
	}
	id := make([]byte, jtiBytes)
	if _, err := io.ReadFull(random, id); err != nil {
		return "", fmt.Errorf("reading random bytes: %w", err)
	}
	now := clock(i.Now)
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": i.URL, "aud": i.URL, "sub": c.ID, claimID: c.ID, claimIdP: c.IdP,
		"jti": hex.EncodeToString(id), "iat": now.Unix(), "exp": now.Add(c.Lifetime).Unix()})
	t.Header["typ"], t.Header["kid"] = ours, key.ID
	signed, err := t.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed, nil
}
