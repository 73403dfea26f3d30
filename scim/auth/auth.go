package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxHeader bounds a credential before anything is computed from it.
const maxHeader = 8 << 10

// minToken is the shortest literal token that is accepted: shorter ones can be guessed.
const minToken = 16

// ErrUnknown is the error of every credential that is not accepted: test with errors.Is.
var ErrUnknown = errors.New("no valid credential")

// Refusal is the reason why a credential is not accepted. It is for the operator: the client gets
// only ErrUnknown. It holds fixed words and names of the configuration, never a part of the
// credential.
type Refusal struct {
	Why   string
	IdP   string // "" while the identity provider is unknown
	Token string // as in Identity; "" for an unknown credential
}

func (r *Refusal) Error() string { return ErrUnknown.Error() + ": " + r.Why }

// Is makes every refusal an ErrUnknown.
func (r *Refusal) Is(target error) bool { return target == ErrUnknown }

// Credential is a token of an identity provider; only its hash is kept.
type Credential struct {
	IdP     string
	Hash    [sha256.Size]byte
	Expires time.Time // zero: never
}

// Name returns the name of a token in the audit trail: the beginning of its hash.
func (c Credential) Name() string { return hex.EncodeToString(c.Hash[:4]) }

// live returns 1 until the credential expires, then 0.
func (c Credential) live(now time.Time) int {
	if c.Expires.IsZero() || now.Before(c.Expires) {
		return 1
	}
	return 0
}

// Identity is the identity provider that sends a request.
type Identity struct {
	IdP string
	// Token names the credential: the beginning of a token's hash, "jwt-" and the beginning of a
	// hash of issuer and subject, or "oauth-" and the id of a client.
	Token string
}

// Parse reads a configured token: the token itself, or "sha256:" and its hash in hexadecimal.
func Parse(idp, token string) (Credential, error) {
	if digits, ok := strings.CutPrefix(token, "sha256:"); ok {
		c := Credential{IdP: idp}
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) != len(c.Hash) {
			return Credential{}, errors.New("sha256: must be followed by 64 hexadecimal digits")
		}
		copy(c.Hash[:], b)
		return c, nil
	}
	if len(token) < minToken {
		return Credential{}, fmt.Errorf("a token has at least %d characters; `scimbridge token new` makes one", minToken)
	}
	return Credential{IdP: idp, Hash: sha256.Sum256([]byte(token))}, nil
}

// Verifier knows the credentials of all identity providers. It may be used concurrently.
type Verifier struct {
	Credentials []Credential
	Signed      []*Signed
	Used        func(Identity)   // records every accepted credential; may be nil
	Now         func() time.Time // nil: time.Now
}

// Identify returns the identity of a request by its Authorization header: "Bearer <token>", the
// bare token as Okta's header application sends it, or "Basic" with the token as the password. A
// token in the URL is ignored. The error is a *Refusal.
func (v Verifier) Identify(r *http.Request) (Identity, error) {
	identity, err := v.identify(r)
	if err == nil && v.Used != nil {
		v.Used(identity)
	}
	return identity, err
}

func (v Verifier) identify(r *http.Request) (Identity, error) {
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) == 0:
		return Identity{}, &Refusal{Why: "no credential"}
	case len(headers) > 1:
		return Identity{}, &Refusal{Why: "several credentials"}
	case len(headers[0]) > maxHeader:
		return Identity{}, &Refusal{Why: "a credential that is too long"}
	}
	token := strings.TrimSpace(headers[0])
	scheme, rest, _ := strings.Cut(token, " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		user, password, ok := r.BasicAuth()
		if !ok || password == "" {
			return Identity{}, &Refusal{Why: "a header that cannot be read"}
		}
		identity, err := v.static(password)
		if err == nil && user != "" && user != identity.IdP {
			return Identity{}, &Refusal{"the user name of another identity provider", identity.IdP, identity.Token}
		}
		return identity, asError(err)
	case strings.EqualFold(scheme, "Bearer"):
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		return Identity{}, &Refusal{Why: "no credential"}
	}
	identity, err := v.static(token)
	if err != nil && err.Token == "" && isJWT(token) {
		return v.signed(r.Context(), token)
	}
	return identity, asError(err)
}

// static finds the identity provider of a static token. The comparison takes the same time for all
// tokens, known or not.
func (v Verifier) static(token string) (Identity, *Refusal) {
	hash := sha256.Sum256([]byte(token))
	now := clock(v.Now)
	known, live := -1, -1
	for i, c := range v.Credentials {
		same := subtle.ConstantTimeCompare(hash[:], c.Hash[:])
		known = subtle.ConstantTimeSelect(same, i, known)
		live = subtle.ConstantTimeSelect(same&c.live(now), i, live)
	}
	switch {
	case known < 0:
		return Identity{}, &Refusal{Why: "an unknown token"}
	case live < 0:
		return Identity{}, &Refusal{"a token that has expired", v.Credentials[known].IdP, v.Credentials[known].Name()}
	}
	return Identity{IdP: v.Credentials[live].IdP, Token: v.Credentials[live].Name()}, nil
}

// asError returns a refusal as an error; nil if there is none.
func asError(r *Refusal) error {
	if r == nil {
		return nil
	}
	return r
}

// signed verifies a signed token. The identity providers and the token endpoint have different
// issuers or audiences, so at most one of them accepts it.
func (v Verifier) signed(ctx context.Context, token string) (Identity, error) {
	refusal := &Refusal{Why: "a token of an unknown issuer"}
	for _, s := range v.Signed {
		identity, err := s.identify(ctx, token)
		if err == nil {
			return identity, nil
		}
		if named := (*Refusal)(nil); errors.As(err, &named) {
			refusal = named
		}
	}
	return Identity{}, refusal
}

// Challenges returns the values of WWW-Authenticate, which list the accepted schemes (RFC 9110
// section 11.6.1).
func (v Verifier) Challenges() []string {
	all := []string{`Bearer realm="scim"`}
	if len(v.Credentials) > 0 {
		all = append(all, `Basic realm="scim", charset="UTF-8"`)
	}
	return all
}

func clock(now func() time.Time) time.Time {
	if now == nil {
		return time.Now()
	}
	return now()
}

// NewToken returns a token of 256 random bits, and the form of it for the configuration. The fixed
// prefix and the checksum at the end let a scanner find a leaked one.
func NewToken(random io.Reader) (token, hash string, err error) {
	secret := make([]byte, 32)
	if _, err := io.ReadFull(random, secret); err != nil {
		return "", "", fmt.Errorf("reading random bytes: %w", err)
	}
	body := base64.RawURLEncoding.EncodeToString(secret)
	token = fmt.Sprintf("scb_%s_%08x", body, crc32.ChecksumIEEE([]byte(body)))
	sum := sha256.Sum256([]byte(token))
	return token, "sha256:" + hex.EncodeToString(sum[:]), nil
}
