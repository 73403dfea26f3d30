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

// MinLifetime and MaxLifetime limit how long a token of the endpoint is valid.
const (
	MinLifetime = time.Minute
	MaxLifetime = 6 * time.Hour
)

const (
	tokenType      = "at+jwt"    // the type of an issued token (RFC 9068)
	tokenAlgorithm = "EdDSA"     // and how it is signed
	prefix         = "oauth-"    // of a client in the audit trail, before its id
	claimIdP       = "idp"       // the identity provider of a token
	claimID        = "client_id" // as RFC 9068 names it
	jtiBytes       = 16
)

// Client is a client of the token endpoint. It gets tokens of one identity provider, with a secret
// or with an assertion of a trusted issuer.
type Client struct {
	ID         string
	IdP        string
	Secrets    []Credential  // one or more, so that they can be rotated
	Assertions *Signed       // nil: none are accepted. No other client has the same issuer, audience, subject and application
	Lifetime   time.Duration // of its tokens
}

// Issuer is the token endpoint: it authenticates clients and issues short-lived tokens. Its fields
// are set before it serves; then it may be used concurrently.
type Issuer struct {
	URL     string // issuer and audience of the tokens: where SCIM is served
	Clients []Client
	Keys    *Keyring
	Spent   *Spent           // needed if a client has assertions
	Random  io.Reader        // nil: crypto/rand
	Now     func() time.Time // nil: time.Now
	// Issued records every issued token, Rejected every refused client, Failed every fault of the
	// server; each may be nil.
	Issued   func(r *http.Request, clientOf Identity)
	Rejected func(r *http.Request, why *Refusal)
	Failed   func(error)
	// Admit applies limits to an authenticated client. A status other than 0 refuses it, with the
	// seconds after which to try again. nil: no limits.
	Admit func(r *http.Request, clientOf Identity) (status, after int)
}

// Verifier returns a verifier of the issued tokens.
func (i *Issuer) Verifier() *Signed {
	s := &Signed{Issuer: i.URL, Audience: []string{i.URL}, Algorithms: []string{tokenAlgorithm}, Now: i.Now, types: []string{tokenType}, identityOf: i.clientOf}
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

// clientOf returns the client of an issued token; known is false once it is not configured any
// longer.
func (i *Issuer) clientOf(claims jwt.MapClaims) (Identity, bool) {
	for _, c := range i.Clients {
		if claims[claimID] == c.ID && claims[claimIdP] == c.IdP && claims["sub"] == c.ID {
			return c.identity(), true
		}
	}
	return Identity{}, false
}

// Name returns the name of a client in the audit trail.
func (c Client) Name() string { return prefix + c.ID }

// Expires returns when the last secret of the client expires; zero: never.
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

func (c Client) refusal(why string) *Refusal { return &Refusal{why, c.IdP, c.Name()} }

// proof is an authenticated client.
type proof struct {
	client Client
	once   *once // a one-time assertion, unused when it was checked; nil: the proof can be used again
}

// bySecret returns the client of a secret. forms are the ways to read what the client sent: as it
// is, or unescaped as RFC 6749 section 2.3.1 has it in a header. The comparison takes the same time
// for all clients and secrets, known or not.
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
		return proof{}, i.Clients[known].refusal("a client secret that has expired")
	}
	return proof{client: i.Clients[live]}, nil
}

// byAssertion returns the client whose trusted issuer signed an assertion (RFC 7523 section 3). An
// assertion with a `jti` is valid once.
func (i *Issuer) byAssertion(ctx context.Context, id, assertion string) (proof, error) {
	refusal := &Refusal{Why: "an assertion of no trusted issuer of a client"}
	for _, c := range i.Clients {
		if c.Assertions == nil || id != "" && id != c.ID {
			continue
		}
		claims, err := c.Assertions.verify(ctx, assertion)
		if err == nil {
			p := proof{client: c}
			p.once, err = i.onceOf(ctx, c, claims)
			return p, err
		}
		if !errors.Is(err, errOther) {
			refusal = c.refusal("an assertion that is " + err.Error())
		}
	}
	return proof{}, refusal
}

// sign returns a token for a client.
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
	t.Header["typ"], t.Header["kid"] = tokenType, key.ID
	signed, err := t.SignedString(key.private)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed, nil
}
