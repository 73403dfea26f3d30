package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"github.com/scimbridge/scimbridge/scim/value"
)

const (
	leeway     = 30 * time.Second // between the clocks of issuer and bridge
	maxSubject = 8                // letters of the hash that names a subject
)

// asymmetric lists the algorithms that a configuration may name. With any other, a party that can
// verify can also sign.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// KnownAlgorithm reports whether tokens may be signed by an algorithm.
func KnownAlgorithm(name string) bool { return slices.Contains(asymmetric, name) }

// Signed verifies the tokens that an identity provider signs, as RFC 8725 advises. Algorithms,
// issuer, audience and keys come from the configuration; a token only chooses among the keys of its
// identity provider. Its fields are set before Init; then it may be used concurrently.
type Signed struct {
	IdP        string
	Issuer     string
	Audience   []string // a token is for exactly one of them
	JWKSURL    string
	Algorithms []string          // empty: RS256
	Claims     map[string]string // each is required, with exactly this text
	App        string            // the application of the token: `appid` or `azp` of Entra; "": any
	Now        func() time.Time  // nil: time.Now
	Transport  http.RoundTripper // nil: the default one
	Failed     func(error)       // the keys could not be read; may be nil

	types      []string                                                     // of tokens, as `typ` says them; "" is one without
	key        func(ctx context.Context, t *jwt.Token) (any, error)         // the public key for a token
	identityOf func(claims jwt.MapClaims) (identityOf Identity, known bool) // nil: the provider, by its subject
	parser     *jwt.Parser
}

// Init begins to read the keys, until ctx ends. While it cannot read them, tokens are refused.
func (s *Signed) Init(ctx context.Context) {
	s.defaults()
	keys := &keySet{Storage: jwkset.NewMemoryStorage(), url: s.JWKSURL, algorithms: s.Algorithms, now: s.Now, failed: s.Failed,
		client: &http.Client{Transport: s.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	s.key = func(asking context.Context, t *jwt.Token) (any, error) {
		find, err := keyfunc.New(keyfunc.Options{Ctx: asking, Storage: lookup{keys, ctx}})
		if err != nil {
			return nil, err
		}
		key, err := find.Keyfunc(t)
		if err == nil && !keys.trusted() {
			err = errors.New("the keys are too old")
		}
		return key, err
	}
	go keys.run(ctx)
}

// lookup is a key set that is read again for an unknown key.
type lookup struct {
	*keySet
	life context.Context
}

func (l lookup) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	return l.keyOf(ctx, l.life, kid)
}

func (s *Signed) defaults() {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Transport == nil {
		s.Transport = http.DefaultTransport
	}
	if s.Failed == nil {
		s.Failed = func(error) {}
	}
	if len(s.Algorithms) == 0 {
		s.Algorithms = []string{"RS256"}
	}
	if s.types == nil {
		s.types = []string{"", "jwt", "at+jwt", "application/at+jwt"}
	}
	s.parser = jwt.NewParser(jwt.WithValidMethods(s.Algorithms), jwt.WithIssuer(s.Issuer), jwt.WithAudience(s.Audience...), jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(s.Now), jwt.WithStrictDecoding())
}

// errOther is the error of a token of another issuer.
var errOther = errors.New("the token has another issuer")

// identify verifies a token and returns its identity. The error is a *Refusal, or errOther.
func (s *Signed) identify(ctx context.Context, token string) (Identity, error) {
	claims, err := s.verify(ctx, token)
	if errors.Is(err, errOther) {
		return Identity{}, err
	}
	if err != nil {
		return Identity{}, &Refusal{Why: err.Error(), IdP: s.IdP}
	}
	if s.identityOf != nil {
		identity, known := s.identityOf(claims)
		if !known {
			return Identity{}, &Refusal{Why: "a token of a client that is not configured any longer"}
		}
		return identity, nil
	}
	subject, err := claims.GetSubject()
	if err != nil {
		return Identity{}, &Refusal{Why: "a token whose subject is no text", IdP: s.IdP}
	}
	sum := sha256.Sum256([]byte(s.Issuer + "\x00" + subject))
	return Identity{IdP: s.IdP, Token: "jwt-" + hex.EncodeToString(sum[:])[:maxSubject]}, nil
}

// verify checks everything about a token. Its errors are fixed words.
func (s *Signed) verify(ctx context.Context, token string) (jwt.MapClaims, error) {
	if len(token) > maxHeader {
		return nil, errors.New("a token that is too long")
	}
	for part := range strings.SplitSeq(token, ".") {
		if part == "" {
			return nil, errors.New("a token that cannot be read")
		}
	}
	claims := jwt.MapClaims{}
	_, err := s.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if issuer, err := claims.GetIssuer(); err != nil || issuer != s.Issuer { // before a key is read for it
			return nil, errOther
		}
		if err := s.header(t, token); err != nil {
			return nil, err
		}
		key, err := s.key(ctx, t)
		if err == nil && !fits(t.Method.Alg(), key) {
			err = errors.New("the key is not for this algorithm")
		}
		return key, err
	})
	if issuer, wrong := claims.GetIssuer(); err != nil && (wrong != nil || issuer != s.Issuer) {
		return nil, errOther
	}
	if err != nil {
		return nil, fixedError(err)
	}
	for name, want := range s.Claims {
		if got, ok := claims[name].(string); !ok || got != want {
			return nil, errors.New("a token with another value of a claim")
		}
	}
	if !s.matchesApp(claims) {
		return nil, errors.New("a token of another application")
	}
	if audience, err := claims.GetAudience(); err != nil || len(audience) != 1 { // it must be for this server alone
		return nil, errors.New("a token for several audiences")
	}
	return claims, nil
}

// header checks the header of a token. Parameters that would choose a key or change what is signed
// are ignored.
func (s *Signed) header(t *jwt.Token, token string) error {
	for _, name := range []string{"crit", "b64"} { // RFC 7515 section 4.1.11: refuse what is critical and unknown
		if _, there := t.Header[name]; there {
			return errors.New("an extension is critical")
		}
	}
	if id, ok := t.Header["kid"].(string); !ok || id == "" {
		return errors.New("no key is named")
	}
	kind, isText := t.Header["typ"].(string)
	if _, there := t.Header["typ"]; there && !isText || !slices.Contains(s.types, strings.ToLower(kind)) {
		return errors.New("a token for something else")
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	if !unambiguous(header) || !unambiguous(payload) {
		return errors.New("a name is given twice")
	}
	return nil
}

// matchesApp reports whether the token was made for the configured application. Version 1 of
// Entra's tokens has `appid`, version 2 `azp`.
func (s *Signed) matchesApp(claims jwt.MapClaims) bool {
	if s.App == "" {
		return true
	}
	named := 0
	for _, name := range []string{"appid", "azp"} {
		if value, there := claims[name]; there {
			if value != s.App {
				return false
			}
			named++
		}
	}
	return named > 0
}

// fixedError returns the problem of a token in fixed words: an error of the library may repeat
// parts of it.
func fixedError(err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return errors.New("a token whose key or form is not accepted")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return errors.New("a token with a wrong signature or algorithm")
	case errors.Is(err, jwt.ErrTokenExpired):
		return errors.New("a token that has expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return errors.New("a token that is not valid yet")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return errors.New("a token for another audience")
	case errors.Is(err, jwt.ErrTokenInvalidClaims):
		return errors.New("a token that lacks a claim")
	}
	return errors.New("a token that cannot be read")
}

// unambiguous reports whether every program reads a part of a token alike: UTF-8, one JSON object,
// and no name twice in it (RFC 8725 section 2.4, RFC 7519 section 4).
func unambiguous(part string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return false
	}
	object, err := value.Parse(raw, value.MaxDepth)
	return err == nil && object.IsObject()
}

// isJWT reports whether a token has the form of a JWT; a static token has no dots.
func isJWT(token string) bool { return strings.Count(token, ".") == 2 }
