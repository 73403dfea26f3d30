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
	keyTurn  = 7 * 24 * time.Hour // a new signing key is made so often
	keyReads = time.Minute        // how old what is known of the kept keys may be
	// keyWait is how long a caller waits for what is kept while other keys are known, and keyPause how long nobody asks after a failure:
	// everybody else waits meanwhile.
	keyWait  = 2 * time.Second
	keyPause = 10 * time.Second
	// keySettle is how old a key is before it signs, unless it is the only one: meanwhile every replica has read it.
	keySettle = 5 * time.Minute
	// keyKept is for how long a key verifies after it has ceased to sign: the longest lifetime of a token, and a while.
	keyKept = MaxLifetime + time.Hour
)

// Keyring is the keys that sign our own tokens. They turn weekly, without a gap: a key is known everywhere before it signs, and
// verifies until the last token that it signed has ended. Where they are kept is the caller's; what is kept is secret. A Keyring may
// be used concurrently, and by several processes that keep the keys in one place.
type Keyring struct {
	// Load gives what is kept, nil if nothing is. Change replaces it, in one transaction, by what the function makes of it; the
	// function may run more than once, and nil leaves what is there.
	Load   func(ctx context.Context) ([]byte, error)
	Change func(ctx context.Context, change func(kept []byte) ([]byte, error)) error
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

// signer is the key that signs now.
func (k *Keyring) signer(ctx context.Context) (signingKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := clock(k.Now)
	err := k.refresh(ctx, now)
	if err == nil && (len(k.keys) == 0 || now.Sub(k.keys[len(k.keys)-1].Created) >= keyTurn) {
		err = k.turn(ctx, now)
	}
	if err != nil && len(k.keys) == 0 { // else the key before can sign for a while longer
		return signingKey{}, err
	}
	signs := k.keys[0] // the oldest, if none has settled
	for _, key := range k.keys {
		if now.Sub(key.Created) >= keySettle {
			signs = key
		}
	}
	return signs, nil
}

// public is a key that may have signed a token that has not ended.
func (k *Keyring) public(ctx context.Context, id string) (ed25519.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(ctx, clock(k.Now)); err != nil && len(k.keys) == 0 { // else what was known a minute ago will do
		return nil, err
	}
	for _, key := range k.keys {
		if public, ok := key.private.Public().(ed25519.PublicKey); ok && key.ID == id {
			return public, nil
		}
	}
	return nil, errors.New("we have no such key")
}

// refresh reads the keys if what is known of them is old.
func (k *Keyring) refresh(ctx context.Context, now time.Time) error {
	if age := now.Sub(k.read); !k.read.IsZero() && age >= 0 && age < keyReads {
		return nil
	}
	var kept []byte
	err := k.ask(ctx, now, func(ctx context.Context) (err error) {
		kept, err = k.Load(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	k.keys, k.read = alive(parseKeys(kept), now), now
	return nil
}

// turn adds a key, unless another process has done so meanwhile, and forgets those whose tokens have all ended.
func (k *Keyring) turn(ctx context.Context, now time.Time) error {
	fresh, err := newKey(k.Random, now)
	if err != nil {
		return err
	}
	var keys []signingKey
	err = k.ask(ctx, now, func(ctx context.Context) error {
		return k.Change(ctx, func(kept []byte) ([]byte, error) {
			keys = alive(parseKeys(kept), now)
			if len(keys) > 0 && now.Sub(keys[len(keys)-1].Created) < keyTurn {
				return nil, nil
			}
			keys = append(keys, fresh)
			return json.Marshal(keys)
		})
	})
	if err != nil {
		return fmt.Errorf("keeping a new signing key: %w", err)
	}
	k.keys, k.read = keys, now
	return nil
}

// errPause is why nobody asks: somebody just did in vain.
var errPause = errors.New("what keeps the keys did not answer a moment ago")

// ask does something with what is kept. While no key is known it takes as long as it takes.
func (k *Keyring) ask(ctx context.Context, now time.Time, what func(ctx context.Context) error) error {
	if len(k.keys) == 0 {
		return what(ctx)
	}
	if since := now.Sub(k.failed); since >= 0 && since < keyPause {
		return errPause
	}
	limited, cancel := context.WithTimeout(ctx, keyWait)
	defer cancel()
	err := what(limited)
	if err != nil && ctx.Err() == nil { // else the caller went away
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

// parseKeys reads what is kept. What cannot be read is as good as none: a new key takes its place, and who has a token asks for another.
func parseKeys(kept []byte) []signingKey {
	var keys, whole []signingKey
	if json.Unmarshal(kept, &keys) != nil {
		return nil
	}
	for _, key := range keys {
		if len(key.Seed) == ed25519.SeedSize && key.ID != "" && !bytes.Equal(key.Seed, make([]byte, ed25519.SeedSize)) {
			key.private = ed25519.NewKeyFromSeed(key.Seed)
			whole = append(whole, key)
		}
	}
	return whole
}

// alive leaves out the keys that another has followed for so long that no token of theirs is left.
func alive(keys []signingKey, now time.Time) []signingKey {
	for len(keys) > 1 && now.Sub(keys[1].Created) > keySettle+keyKept {
		keys = keys[1:]
	}
	return keys
}
