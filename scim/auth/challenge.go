package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"
)

// challengeFor is how long a challenge may be answered.
const challengeFor = time.Minute

// operatorScheme begins the Authorization header of a request that a key signs.
const operatorScheme = "Scimbridge "

// Sizes of the parts of a challenge, in bytes.
const (
	nonceBytes = 32
	moment     = 8
	sealBytes  = 16
)

// Challenger lets a command prove that it has the operator's key without showing it, to a server
// that has proved the same. A command sends a nonce of its own; the server answers with a challenge
// and a proof over both; the command signs one request with the key, which holds the challenge, the
// method, the address and the body. A signature is good once, for a minute and for that request. A
// program that impersonates the server learns nothing about the key. Now is set before first use;
// then methods may be called concurrently.
type Challenger struct {
	Now func() time.Time // nil: time.Now

	once   sync.Once
	secret [sha256.Size]byte // of this process, so that open challenges need no storage
	mu     sync.Mutex
	spent  map[string]time.Time // challenges that were answered, until they end
}

// Nonce returns the nonce of a command.
func Nonce() string {
	var b [nonceBytes]byte
	_, _ = rand.Read(b[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Challenge returns the challenge for a nonce, and the proof that the server has the key.
func (c *Challenger) Challenge(key, nonce string) (challenge, proof string, err error) {
	if raw, err := base64.RawURLEncoding.DecodeString(nonce); err != nil || len(raw) != nonceBytes {
		return "", "", errors.New("nonce: expected 32 bytes in base64url, got something else")
	}
	body := make([]byte, nonceBytes, nonceBytes+moment+sealBytes)
	_, _ = rand.Read(body) // it never fails
	body = binary.BigEndian.AppendUint64(body, uint64(clock(c.Now).Unix()))
	challenge = base64.RawURLEncoding.EncodeToString(append(body, c.seal(body)...))
	return challenge, serverProof(key, nonce, challenge), nil
}

// seal returns the seal of this process over a challenge.
func (c *Challenger) seal(body []byte) []byte {
	c.once.Do(func() { _, _ = rand.Read(c.secret[:]) })
	h := hmac.New(sha256.New, c.secret[:])
	h.Write(body)
	return h.Sum(nil)[:sealBytes]
}

// Signs reports whether a header claims to be of the challenger's scheme.
func Signs(header string) bool { return strings.HasPrefix(header, operatorScheme) }

// Verify checks the signature of a request, and returns the hash that its body must have.
func (c *Challenger) Verify(key, header, method, uri string) (bodyHash string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(header, operatorScheme), ":")
	if key == "" || len(header) > maxHeader || !Signs(header) || len(parts) != 3 {
		return "", false
	}
	challenge, bodyHash, signature := parts[0], parts[1], parts[2]
	want := requestSignature(key, challenge, method, uri, bodyHash)
	if !hmac.Equal([]byte(signature), []byte(want)) {
		return "", false
	}
	return bodyHash, c.spend(challenge)
}

// spend uses a challenge. It reports whether this process made it, it has not expired, and it was
// not used before.
func (c *Challenger) spend(challenge string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil || len(raw) != nonceBytes+moment+sealBytes {
		return false
	}
	body := raw[:nonceBytes+moment]
	now := clock(c.Now)
	age := now.Sub(time.Unix(int64(binary.BigEndian.Uint64(body[nonceBytes:])), 0)) //nolint:gosec // sealed below
	if !hmac.Equal(raw[len(body):], c.seal(body)) || age < -challengeFor || age > challengeFor {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, end := range c.spent {
		if now.After(end) {
			delete(c.spent, old)
		}
	}
	if _, answered := c.spent[challenge]; answered {
		return false
	}
	if c.spent == nil {
		c.spent = map[string]time.Time{}
	}
	c.spent[challenge] = now.Add(3 * challengeFor)
	return true
}

// Answer checks the proof of a server and signs a request; ok is false if the server does not have
// the key.
func Answer(key, nonce, challenge, proof, method, uri string, body []byte) (header string, ok bool) {
	if !hmac.Equal([]byte(proof), []byte(serverProof(key, nonce, challenge))) {
		return "", false
	}
	hash := BodyHash(body)
	return operatorScheme + challenge + ":" + hash + ":" + requestSignature(key, challenge, method, uri, hash), true
}

// BodyHash returns the hash by which a signature names the body of its request.
func BodyHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func serverProof(key, nonce, challenge string) string {
	return keyed(key, "scimbridge server", nonce, challenge)
}

func requestSignature(key, challenge, method, uri, bodyHash string) string {
	return keyed(key, "scimbridge request", challenge, method, uri, bodyHash)
}

// keyed returns the authentication code of texts, none of which has a line break.
func keyed(key string, texts ...string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(strings.Join(texts, "\n")))
	return hex.EncodeToString(h.Sum(nil))
}
