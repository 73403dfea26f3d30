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

// ErrUnknown is the answer to every credential that is not known, whatever is wrong with it.
var ErrUnknown = errors.New("no valid credential")

// Credential is a token of an identity provider; only its hash is kept.
type Credential struct {
	IdP     string
	Hash    [sha256.Size]byte
	Expires time.Time // zero: never
}

// Identity is who is calling.
type Identity struct {
	IdP   string
	Token string // the first letters of the token's hash, to tell tokens apart in the audit trail
}

// Parse reads a configured token: the token itself, or "sha256:" and the hash in hexadecimal.
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
	Now         func() time.Time // nil: time.Now
}

// Identify finds who sends the request, by its Authorization header: "Bearer <token>", or the bare token as Okta's
// header application sends it. A token in the query is not looked at. The comparison takes the same time for all
// credentials, known or not.
func (v Verifier) Identify(r *http.Request) (Identity, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 || len(headers[0]) > maxHeader {
		return Identity{}, ErrUnknown
	}
	token := strings.TrimSpace(headers[0])
	if scheme, rest, ok := strings.Cut(token, " "); ok && strings.EqualFold(scheme, "Bearer") {
		token = strings.TrimSpace(rest)
	}
	if token == "" {
		return Identity{}, ErrUnknown
	}
	hash := sha256.Sum256([]byte(token))
	found := -1
	for i, c := range v.Credentials {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], c.Hash[:]), i, found)
	}
	if found < 0 && looksSigned(token) {
		return v.signed(r.Context(), token)
	}
	if found < 0 || v.expired(found) {
		return Identity{}, ErrUnknown
	}
	return Identity{IdP: v.Credentials[found].IdP, Token: hex.EncodeToString(hash[:4])}, nil
}

// signed asks each identity provider that signs tokens. They have different issuers or audiences, so at most one accepts it.
func (v Verifier) signed(ctx context.Context, token string) (Identity, error) {
	for _, s := range v.Signed {
		if who, err := s.identify(ctx, token); err == nil {
			return who, nil
		}
	}
	return Identity{}, ErrUnknown
}

func (v Verifier) expired(i int) bool {
	end := v.Credentials[i].Expires
	if end.IsZero() {
		return false
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	return !now().Before(end)
}

// NewToken makes a token of 256 random bits, and the form in which the configuration keeps it. The fixed prefix and
// the checksum at the end let a scanner find a leaked one.
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
