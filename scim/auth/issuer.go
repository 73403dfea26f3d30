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
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MinLifetime and MaxLifetime bound how long a token of ours is good.
const (
	MinLifetime = time.Minute
	MaxLifetime = 6 * time.Hour
)

const (
	ours      = "at+jwt"    // the type of our tokens (RFC 9068)
	signsOurs = "EdDSA"     // and how they are signed
	prefix    = "oauth-"    // of a client in the audit trail, before its id
	claimIdP  = "idp"       // the identity provider as which a token calls
	claimID   = "client_id" // as RFC 9068 names it
	jtiBytes  = 16
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
	Spent   *Spent           // needed if a client has assertions
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

func (c Client) refused(why string) *Refusal { return &Refusal{why, c.IdP, c.Name()} }

// proof is a client that proved who it is.
type proof struct {
	client Client
	once   *once // an assertion that is good once, and was not used when it was looked at; nil: what was shown is good again
}

// bySecret finds the client by its secret, and says how that may be written: as it is, or escaped as RFC 6749 section 2.3.1 wants it
// in a header. The comparison takes the same time for all clients and secrets, known or not.
func (i *Issuer) bySecret(id string, forms ...string) (proof, error) {
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
		return proof{}, &Refusal{Why: "an unknown client or a wrong secret"}
	case live < 0:
		return proof{}, i.Clients[known].refused("a client secret that has expired")
	}
	return proof{client: i.Clients[live]}, nil
}

// byAssertion finds the client whose trusted issuer has signed an assertion (RFC 7523 section 3). An assertion with a `jti` is good once.
func (i *Issuer) byAssertion(ctx context.Context, id, assertion string) (proof, error) {
	refusal := &Refusal{Why: "an assertion that nobody signs for this client"}
	for _, c := range i.Clients {
		if c.Assertions == nil || id != "" && id != c.ID {
			continue
		}
		claims, err := c.Assertions.verify(ctx, assertion)
		if err == nil {
			p := proof{client: c}
			p.once, err = i.once(ctx, c, claims)
			return p, err
		}
		if !errors.Is(err, errOther) {
			refusal = c.refused("an assertion that is " + err.Error())
		}
	}
	return proof{}, refusal
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
