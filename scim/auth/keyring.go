package auth

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	rotateEvery = 7 * 24 * time.Hour // until a new signing key is made
	rereadEvery = time.Minute        // until stored keys are read again
	// storeWait is how long a request waits for the stored keys while it knows others. storePause
	// is how long no request reads them after a failure: all others wait for the one that does.
	storeWait  = 2 * time.Second
	storePause = 10 * time.Second
	// signsAfter is the age at which a key begins to sign, unless it is the only one. By then every
	// replica has read it.
	signsAfter = 5 * time.Minute
	// verifiesFor is how long a key verifies after it stopped signing: the longest lifetime of a
	// token, and a margin.
	verifiesFor = MaxLifetime + time.Hour
)

// Keyring holds the keys that sign issued tokens. They rotate weekly without a gap: every replica
// knows a key before it signs, and a key verifies until the last token that it signed has expired.
// Functions store the keys, which are secret. A Keyring may be used concurrently, and by several
// processes with one store.
type Keyring struct {
	// Load returns the stored keys, nil if there are none. Change replaces them in one transaction
	// by the result of the function; the function may run more than once, and nil changes nothing.
	Load   func(ctx context.Context) ([]byte, error)
	Change func(ctx context.Context, change func(stored []byte) ([]byte, error)) error
	Random io.Reader        // nil: crypto/rand
	Now    func() time.Time // nil: time.Now

	mu     sync.Mutex
	keys   []signingKey // by age, the oldest first
	read   time.Time
	failed time.Time
}

type signingKey struct {
	ID      string    `json:"kid"`
	Seed    []byte    `json:"seed"`
	Created time.Time `json:"created"`

	private ed25519.PrivateKey
}

// Init makes the first key, if there is none.
func (k *Keyring) Init(ctx context.Context) error {
	_, err := k.signer(ctx)
	return err
}

// signer returns the key that signs now.
func (k *Keyring) signer(ctx context.Context) (signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := clock(k.Now)
	err := k.refresh(ctx, now)
	if err == nil && (len(k.keys) == 0 || now.Sub(k.keys[len(k.keys)-1].Created) >= rotateEvery) {
		err = k.rotate(ctx, now)
	}
	if err != nil && len(k.keys) == 0 { // otherwise the previous key can sign for a while longer
		return signingKey{}, err
	}
	signs := k.keys[0] // the oldest, if none has settled
	for _, key := range k.keys {
		if now.Sub(key.Created) >= signsAfter {
			signs = key
		}
	}
	return signs, nil
}

// public returns a key that may have signed a token that has not expired.
func (k *Keyring) public(ctx context.Context, id string) (ed25519.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(ctx, clock(k.Now)); err != nil && len(k.keys) == 0 { // otherwise the keys of a minute ago are good enough
		return nil, err
	}
	for _, key := range k.keys {
		if public, ok := key.private.Public().(ed25519.PublicKey); ok && key.ID == id {
			return public, nil
		}
	}
	return nil, errors.New("no such key")
}

// refresh reads the stored keys if it is time.
func (k *Keyring) refresh(ctx context.Context, now time.Time) error {
	if age := now.Sub(k.read); !k.read.IsZero() && age >= 0 && age < rereadEvery {
		return nil
	}
	var stored []byte
	err := k.withStore(ctx, now, func(ctx context.Context) (err error) {
		stored, err = k.Load(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	k.keys, k.read = withoutExpired(parseKeys(stored), now), now
	return nil
}

// rotate adds a key, unless another process has added one meanwhile. It drops the keys whose tokens
// have all expired.
func (k *Keyring) rotate(ctx context.Context, now time.Time) error {
	fresh, err := newKey(k.Random, now)
	if err != nil {
		return err
	}
	var keys []signingKey
	err = k.withStore(ctx, now, func(ctx context.Context) error {
		return k.Change(ctx, func(stored []byte) ([]byte, error) {
			keys = withoutExpired(parseKeys(stored), now)
			if len(keys) > 0 && now.Sub(keys[len(keys)-1].Created) < rotateEvery {
				return nil, nil
			}
			keys = append(keys, fresh)
			return json.Marshal(keys)
		})
	})
	if err != nil {
		return fmt.Errorf("storing a new signing key: %w", err)
	}
	k.keys, k.read = keys, now
	return nil
}

// errStorePaused is the error of a request during storePause.
var errStorePaused = errors.New("the store of the keys failed a moment ago")

// withStore runs a function that uses the store. It waits at most storeWait if a key is known, and
// otherwise as long as the store takes.
func (k *Keyring) withStore(ctx context.Context, now time.Time, what func(ctx context.Context) error) error {
	if len(k.keys) == 0 {
		return what(ctx)
	}
	if since := now.Sub(k.failed); since >= 0 && since < storePause {
		return errStorePaused
	}
	limited, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	err := what(limited)
	if err != nil && ctx.Err() == nil { // otherwise the client has gone
		k.failed = now
	}
	return err
}

func newKey(random io.Reader, now time.Time) (signingKey, error) {
	if random == nil {
		random = rand.Reader
	}
	bits := make([]byte, 8+ed25519.SeedSize)
	if _, err := io.ReadFull(random, bits); err != nil {
		return signingKey{}, fmt.Errorf("reading random bytes: %w", err)
	}
	return signingKey{ID: hex.EncodeToString(bits[:8]), Seed: bits[8:], Created: now.UTC(), private: ed25519.NewKeyFromSeed(bits[8:])}, nil
}

// parseKeys reads stored keys. It drops keys that it cannot read: a new key replaces them, and
// clients with a token request another.
func parseKeys(stored []byte) []signingKey {
	var keys, complete []signingKey
	if json.Unmarshal(stored, &keys) != nil {
		return nil
	}
	for _, key := range keys {
		if len(key.Seed) == ed25519.SeedSize && key.ID != "" && !bytes.Equal(key.Seed, make([]byte, ed25519.SeedSize)) {
			key.private = ed25519.NewKeyFromSeed(key.Seed)
			complete = append(complete, key)
		}
	}
	return complete
}

// withoutExpired drops the keys whose tokens have all expired.
func withoutExpired(keys []signingKey, now time.Time) []signingKey {
	for len(keys) > 1 && now.Sub(keys[1].Created) > signsAfter+verifiesFor {
		keys = keys[1:]
	}
	return keys
}
