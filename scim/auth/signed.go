package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

const (
	leeway     = 30 * time.Second // between the clocks of issuer and bridge
	keysLive   = time.Hour        // how often keys are read again
	keysEnd    = 24 * time.Hour   // without a good answer for so long the keys are not believed any more
	keysWait   = 10 * time.Second // for an answer
	newKeys    = 5 * time.Minute  // an unknown key makes the keys be read again, at most so often
	maxKeySet  = 1 << 20
	maxSubject = 8 // letters of the hash that tells callers apart
)

// asymmetric are the algorithms that a configuration may name: with others whoever can verify can sign.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// KnownAlgorithm says whether tokens may be signed in this way.
func KnownAlgorithm(name string) bool { return slices.Contains(asymmetric, name) }

// Signed verifies the tokens that an identity provider signs, as RFC 8725 advises: the algorithms, the issuer, the audience and the
// keys are those of the configuration, and nothing in a token chooses them but the key among the keys of this provider. Its fields are
// set before Init; then it may be used concurrently.
type Signed struct {
	IdP        string
	Issuer     string
	Audience   string
	JWKSURL    string
	Algorithms []string          // empty: RS256
	Claims     map[string]string // each is required, with exactly this text
	Now        func() time.Time  // nil: time.Now
	Transport  http.RoundTripper // nil: the default one
	Failed     func(error)       // the keys could not be read; may be nil

	keys   keyfunc.Keyfunc
	parser *jwt.Parser
	good   atomic.Int64 // when the keys were last read, in seconds of the epoch
}

// Init begins to read the keys, until ctx ends. That they cannot be read now is no error: tokens are refused until they can.
func (s *Signed) Init(ctx context.Context) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Transport == nil {
		s.Transport = http.DefaultTransport
	}
	if len(s.Algorithms) == 0 {
		s.Algorithms = []string{"RS256"}
	}
	failed := func(_ context.Context, err error) {
		if s.Failed != nil {
			s.Failed(err)
		}
	}
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{s.JWKSURL}, keyfunc.Override{
		Client: &http.Client{Transport: noting{s}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, HTTPTimeout: keysWait, RefreshInterval: keysLive,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(newKeys), 1), RateLimitWaitMax: time.Millisecond, // nobody waits behind a forger
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) { return failed },
	})
	if err != nil {
		return fmt.Errorf("keys of %s: %w", s.IdP, err)
	}
	s.keys = keys
	s.parser = jwt.NewParser(jwt.WithValidMethods(s.Algorithms), jwt.WithIssuer(s.Issuer), jwt.WithAudience(s.Audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway), jwt.WithTimeFunc(s.Now), jwt.WithStrictDecoding())
	return nil
}

// noting reads a bounded answer and remembers when one was good.
type noting struct{ s *Signed }

func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := n.s.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxKeySet), res.Body}
	if res.StatusCode == http.StatusOK {
		n.s.good.Store(n.s.Now().Unix())
	}
	return res, nil
}

// identify verifies a token. Whatever is wrong with it, the error is ErrUnknown.
func (s *Signed) identify(ctx context.Context, token string) (Identity, error) {
	claims := jwt.MapClaims{}
	parsed, err := s.parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical { // RFC 7515 section 4.1.11: it says that not understanding is fatal
			return nil, errors.New("an extension is critical")
		}
		if id, ok := t.Header["kid"].(string); !ok || id == "" {
			return nil, errors.New("no key is named")
		}
		if s.Now().Unix()-s.good.Load() > int64(keysEnd/time.Second) {
			return nil, errors.New("the keys are too old")
		}
		return s.keys.KeyfuncCtx(ctx)(t)
	})
	if err != nil || !parsed.Valid {
		return Identity{}, ErrUnknown
	}
	for name, want := range s.Claims {
		if got, ok := claims[name].(string); !ok || got != want {
			return Identity{}, ErrUnknown
		}
	}
	subject, err := claims.GetSubject()
	if audience, audErr := claims.GetAudience(); err != nil || audErr != nil || len(audience) != 1 { // made for us and nobody else
		return Identity{}, ErrUnknown
	}
	sum := sha256.Sum256([]byte(s.Issuer + "\x00" + subject))
	return Identity{IdP: s.IdP, Token: "jwt-" + hex.EncodeToString(sum[:])[:maxSubject]}, nil
}

// looksSigned says whether a token has the form of a JWT; a static one has no dots.
func looksSigned(token string) bool { return strings.Count(token, ".") == 2 }
