package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
)

const (
	keysLive   = time.Hour        // until keys are read again
	keysRetry  = 5 * time.Minute  // after they could not be read
	keysEnd    = 24 * time.Hour   // until keys without a good answer are not trusted any longer
	keysWait   = 10 * time.Second // for an answer
	unknownKey = 30 * time.Second // between two readings for an unknown key
	newKeyWait = 2 * time.Second  // how long a request waits for that
	maxKeySet  = 1 << 20
	minRSA     = 2048 // bits (RFC 7518 section 3.3)
	maxRSA     = 16384
)

// keySet holds the keys of an identity provider, as its JWKS had them last: a reading replaces all
// of them. All unknown keys together cause one reading per interval, so that inventing names costs
// the identity provider nothing.
type keySet struct {
	jwkset.Storage
	url        string
	algorithms []string
	client     *http.Client
	now        func() time.Time
	failed     func(error)

	mu          sync.Mutex
	flight      chan struct{} // closed when the current reading has ended; nil: no reading
	lastAttempt time.Time     // when the last reading began
	lastGood    time.Time     // when the last good reading began
}

// run reads the keys until ctx ends.
func (k *keySet) run(ctx context.Context) {
	for {
		<-k.read(ctx)
		wait := keysLive
		if k.age() > 0 {
			wait = keysRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// age returns how much older the keys are than the last attempt to read them: 0 if that was good.
func (k *keySet) age() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lastAttempt.Sub(k.lastGood)
}

// trusted reports whether the keys were read within a day.
func (k *keySet) trusted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now().Sub(k.lastGood) <= keysEnd
}

// read begins to read the keys, unless a reading has begun. It returns a channel that is closed at
// the end.
func (k *keySet) read(ctx context.Context) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.flight != nil {
		return k.flight
	}
	at, flight := k.now(), make(chan struct{})
	k.lastAttempt, k.flight = at, flight
	go func() {
		err := k.replace(ctx)
		k.mu.Lock()
		if err == nil {
			k.lastGood = at
		}
		k.flight = nil
		k.mu.Unlock()
		close(flight)
		if err != nil && ctx.Err() == nil {
			k.failed(err)
		}
	}()
	return flight
}

// rereadForKey begins a reading for a request with an unknown key. It returns nil if the last
// reading is too recent.
func (k *keySet) rereadForKey(ctx context.Context) <-chan struct{} {
	k.mu.Lock()
	if recent := k.flight == nil && k.now().Sub(k.lastAttempt) < unknownKey; recent {
		k.mu.Unlock()
		return nil
	}
	k.mu.Unlock()
	return k.read(ctx)
}

// keyOf finds a key by its name. A reading goes on after ctx has ended, until life ends.
func (k *keySet) keyOf(ctx, life context.Context, kid string) (jwkset.JWK, error) {
	key, err := k.KeyRead(ctx, kid)
	if !errors.Is(err, jwkset.ErrKeyNotFound) {
		return key, err
	}
	if reading := k.rereadForKey(life); reading != nil {
		timer := time.NewTimer(newKeyWait)
		defer timer.Stop()
		select {
		case <-reading:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return k.KeyRead(ctx, kid)
}

// replace reads the keys. A key set replaces all keys, even by none. Any other answer changes
// nothing.
func (k *keySet) replace(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keysWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // an error of Close changes nothing
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("reading keys: %s answered %d", req.URL.Host, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(body) > maxKeySet || json.Unmarshal(body, &set) != nil || set.Keys == nil {
		return fmt.Errorf("reading keys: the answer of %s is no key set", req.URL.Host)
	}
	usable := []jwkset.JWK{}
	for _, raw := range set.Keys {
		if key, ok := k.usable(raw); ok { // RFC 7517 section 5: ignore the others
			usable = append(usable, key)
		}
	}
	if err := k.KeyReplaceAll(ctx, usable); err != nil {
		return fmt.Errorf("storing keys: %w", err)
	}
	if len(usable) == 0 {
		k.failed(fmt.Errorf("reading keys: none of the %d keys of %s is for %s", len(set.Keys), req.URL.Host, strings.Join(k.algorithms, ", ")))
	}
	return nil
}

// usable returns what is needed of a key to verify with it. The key must have a name, be meant for
// signatures and fit an algorithm of the configuration. Certificates are ignored and never fetched:
// the URL vouches for the keys.
func (k *keySet) usable(raw json.RawMessage) (jwkset.JWK, bool) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(raw, &m) != nil || m.KID == "" {
		return jwkset.JWK{}, false
	}
	if m.USE != "" && m.USE != jwkset.UseSig || len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return jwkset.JWK{}, false
	}
	if exponent, err := base64.RawURLEncoding.DecodeString(m.E); m.KTY == jwkset.KtyRSA && (err != nil || len(exponent) > 4) {
		return jwkset.JWK{}, false // it would be cut
	}
	plain := jwkset.JWKMarshal{KTY: m.KTY, KID: m.KID, ALG: m.ALG, CRV: m.CRV, X: m.X, Y: m.Y, N: m.N, E: m.E}
	key, err := jwkset.NewJWKFromMarshal(plain, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return jwkset.JWK{}, false
	}
	return key, slices.ContainsFunc(k.algorithms, func(alg string) bool {
		return fits(alg, key.Key()) && (m.ALG == "" || m.ALG.String() == alg)
	})
}

var curves = map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}

// fits reports whether a key has the type and the size that an algorithm needs.
func fits(alg string, key any) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		bits := k.N.BitLen()
		return (strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS")) && bits >= minRSA && bits <= maxRSA
	case *ecdsa.PublicKey:
		return k.Curve == curves[alg]
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}
