package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// answers is a provider without a network: what it says, and how long it takes.
type answers struct {
	mu    sync.Mutex
	body  string
	after time.Duration
	down  bool
	read  int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.read++
	body, after, down := a.body, a.after, a.down
	a.mu.Unlock()
	select {
	case <-time.After(after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if down {
		return nil, errors.New("no route to host")
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
}

func (a *answers) set(change func(*answers)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func rsaJWK(kid string, k *rsa.PublicKey) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "RSA", "kid": kid, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

func set(t *testing.T, keys ...map[string]any) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(map[string]any{"keys": keys}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// slow is a verifier whose provider and clock are those of the bubble.
func slow(t *testing.T, a *answers, algorithms ...string) *Signed {
	t.Helper()
	s := &Signed{IdP: "entra", Issuer: "https://idp.example/", Audience: []string{"scim"}, JWKSURL: "https://idp.example/keys", Algorithms: algorithms, Transport: a}
	s.Init(t.Context())
	return s
}

func lasting(t *testing.T, key *rsa.PrivateKey, kid string) string {
	return token(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"iss": "https://idp.example/", "aud": "scim", "exp": time.Now().Add(1000 * time.Hour).Unix()}, map[string]any{"kid": kid})
}

// TestNewKeyIsFoundAtOnce: the request that names a new key finds it, also from a slow provider; a
// hundred requests cause one reading.
func TestNewKeyIsFoundAtOnce(t *testing.T) {
	first, second := rsaKey(t), rsaKey(t)
	synctest.Test(t, func(t *testing.T) {
		a := &answers{body: set(t, rsaJWK("1", &first.PublicKey)), after: time.Second}
		s := slow(t, a)
		if _, err := ask(s, lasting(t, first, "1")); err != nil {
			t.Errorf("right after the start: %v", err)
		}
		time.Sleep(unknownKey)
		a.set(func(a *answers) {
			a.body, a.read = set(t, rsaJWK("1", &first.PublicKey), rsaJWK("2", &second.PublicKey)), 0
		})
		var all sync.WaitGroup
		signed := lasting(t, second, "2")
		for range 100 {
			all.Go(func() {
				if _, err := ask(s, signed); err != nil {
					t.Errorf("a new key: %v", err)
				}
			})
		}
		all.Wait()
		if a.read != 1 {
			t.Errorf("read %d times", a.read)
		}
		if _, err := ask(s, lasting(t, first, "1")); err != nil {
			t.Errorf("the key before: %v", err)
		}
	})
}

// TestInventedKeysCostLittle: invented keys cause two readings a minute, and no request with a good
// key waits.
func TestInventedKeysCostLittle(t *testing.T) {
	key := rsaKey(t)
	synctest.Test(t, func(t *testing.T) {
		a := &answers{body: set(t, rsaJWK("1", &key.PublicKey))}
		s := slow(t, a)
		synctest.Wait()
		a.set(func(a *answers) { a.read, a.after = 0, time.Hour })
		good, forged := lasting(t, key, "1"), []string{lasting(t, key, "x"), lasting(t, key, "y"), lasting(t, key, "z")}
		for n := range 600 {
			began := time.Now()
			if _, err := ask(s, forged[n%3]); !errors.Is(err, ErrUnknown) {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited > newKeyWait {
				t.Fatalf("a bad credential waits for %v", waited)
			}
			began = time.Now()
			if _, err := ask(s, good); err != nil || time.Since(began) > 0 {
				t.Fatalf("a good credential: %v after %v", err, time.Since(began))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if minutes := int(time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))/time.Minute) + 1; a.read > 2*minutes {
			t.Errorf("read %d times in %d minutes", a.read, minutes)
		}
		a.set(func(a *answers) { a.read = 0 })
		time.Sleep(unknownKey)
		other := token(t, jwt.SigningMethodRS256, key, jwt.MapClaims{"iss": "https://other.example/", "aud": "scim", "exp": time.Now().Add(time.Hour).Unix()}, map[string]any{"kid": "y"})
		if _, err := ask(s, other); !errors.Is(err, ErrUnknown) || a.read != 0 {
			t.Errorf("another's token: %v, read %d times", err, a.read)
		}
	})
}

// TestOnlyKeySetIsTrusted: any answer but a key set leaves the keys in use for a day.
func TestOnlyKeySetIsTrusted(t *testing.T) {
	key := rsaKey(t)
	for name, body := range map[string]string{"a page": "<html>we are back soon</html>", "no keys": `{"error":"throttled"}`, "null": "null", "half a set": `{"keys":[{"kty":"RSA"`,
		"far too much": `{"keys":[],"pad":"` + strings.Repeat("x", maxKeySet) + `"}`} {
		synctest.Test(t, func(t *testing.T) {
			a := &answers{body: set(t, rsaJWK("1", &key.PublicKey))}
			s, signed := slow(t, a), lasting(t, key, "1")
			synctest.Wait()
			a.set(func(a *answers) { a.body = body })
			time.Sleep(23 * time.Hour)
			if _, err := ask(s, signed); err != nil {
				t.Errorf("%s: within a day: %v", name, err)
			}
			time.Sleep(3 * time.Hour)
			if _, err := ask(s, signed); !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: after a day: %v", name, err)
			}
			a.set(func(a *answers) { a.body = set(t, rsaJWK("1", &key.PublicKey)) })
			time.Sleep(keysRetry)
			synctest.Wait()
			if _, err := ask(s, signed); err != nil {
				t.Errorf("%s: once it is back: %v", name, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // all keys taken back
		a := &answers{body: set(t, rsaJWK("1", &key.PublicKey))}
		s, signed := slow(t, a), lasting(t, key, "1")
		synctest.Wait()
		a.set(func(a *answers) { a.body = `{"keys":[]}` })
		time.Sleep(keysLive + time.Second)
		if _, err := ask(s, signed); !errors.Is(err, ErrUnknown) {
			t.Errorf("a key that was taken back: %v", err)
		}
	})
}

// TestKeysFitTheAlgorithm: a key serves only its purpose, and an unusable key does not affect the
// others.
func TestKeysFitTheAlgorithm(t *testing.T) {
	key := rsaKey(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := p384.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	with := func(k map[string]any, name string, v any) map[string]any { k[name] = v; return k }
	synctest.Test(t, func(t *testing.T) {
		a := &answers{body: set(t,
			map[string]any{"kty": "EC", "kid": "broken", "crv": "P-256", "x": "AA", "y": "!"}, map[string]any{"kty": "oct", "kid": "secret", "k": b64([]byte("secret"))}, map[string]any{"kty": "new"},
			rsaJWK("weak", &weak.PublicKey), rsaJWK("", &key.PublicKey),
			with(rsaJWK("enc", &key.PublicKey), "use", "enc"), with(rsaJWK("wrap", &key.PublicKey), "key_ops", []string{"wrapKey"}), with(rsaJWK("ps", &key.PublicKey), "alg", "PS256"),
			map[string]any{"kty": "EC", "kid": "p384", "crv": "P-384", "x": b64(point[1:49]), "y": b64(point[49:])},
			with(with(with(rsaJWK("good", &key.PublicKey), "use", "sig"), "alg", "RS256"), "x5u", "https://nowhere.example/cert"))}
		s := slow(t, a, "RS256", "ES256", "PS384")
		synctest.Wait()
		if _, err := ask(s, lasting(t, key, "good")); err != nil {
			t.Errorf("the good key: %v", err)
		}
		for _, kid := range []string{"enc", "wrap", "ps", "", "broken", "secret"} {
			if _, err := ask(s, lasting(t, key, kid)); !errors.Is(err, ErrUnknown) {
				t.Errorf("key %q: %v", kid, err)
			}
		}
		if fits("ES256", crypto.PublicKey(&p384.PublicKey)) || !fits("ES384", &p384.PublicKey) || fits("RS256", &weak.PublicKey) || fits("HS256", []byte("secret")) || fits("RS256", &p384.PublicKey) || fits("ES256", &key.PublicKey) {
			t.Error("a key fits an algorithm that it is not for")
		}
		if a.read != 1 {
			t.Errorf("read %d times: a certificate, or for names that are refused at once", a.read)
		}
	})
}
