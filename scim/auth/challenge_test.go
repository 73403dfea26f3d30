package auth_test

import (
	"testing"
	"time"

	"github.com/scimbridge/scimbridge/scim/auth"
)

func TestChallenger(t *testing.T) {
	const key = "canary-key-of-the-operator-for-tests"
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	c := &auth.Challenger{Now: func() time.Time { return now }}
	other := &auth.Challenger{Now: c.Now}
	sign := func(server *auth.Challenger, key string) string {
		t.Helper()
		nonce := auth.Nonce()
		challenge, proof, err := server.Challenge(key, nonce)
		if err != nil {
			t.Fatal(err)
		}
		header, ok := auth.Answer(key, nonce, challenge, proof, "POST", "/api/resync?backend=vt", []byte("{}"))
		if !ok {
			t.Fatal("the proof of a server with the key is refused")
		}
		return header
	}
	first := sign(c, key)
	for _, tt := range []struct {
		name, header, method, uri string
		later                     time.Duration
		good                      bool
	}{
		{"another method", first, "GET", "/api/resync?backend=vt", 0, false},
		{"another address", first, "POST", "/api/resync?backend=rc", 0, false},
		{"the request that was signed", first, "POST", "/api/resync?backend=vt", 0, true},
		{"the same again", first, "POST", "/api/resync?backend=vt", 0, false},
		{"another key", sign(c, key+"x"), "POST", "/api/resync?backend=vt", 0, false},
		{"a challenge of another process", sign(other, key), "POST", "/api/resync?backend=vt", 0, false},
		{"after a minute and more", sign(c, key), "POST", "/api/resync?backend=vt", time.Minute + 2*time.Second, false},
		{"not of the form", "Scimbridge x:y", "POST", "/api/resync?backend=vt", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now = now.Add(tt.later)
			hash, ok := c.Verify(key, tt.header, tt.method, tt.uri)
			if ok != tt.good || ok && hash != auth.BodyHash([]byte("{}")) {
				t.Errorf("accepted: %v, body %s", ok, hash)
			}
		})
	}
	t.Run("a server without the key", func(t *testing.T) {
		nonce := auth.Nonce()
		challenge, proof, err := c.Challenge("another key of the same length....", nonce)
		if err != nil {
			t.Fatal(err)
		}
		if header, ok := auth.Answer(key, nonce, challenge, proof, "GET", "/", nil); ok || header != "" {
			t.Errorf("it is trusted with %q", header)
		}
		if _, proof, _ = c.Challenge(key, auth.Nonce()); proof != "" {
			if _, ok := auth.Answer(key, nonce, challenge, proof, "GET", "/", nil); ok {
				t.Error("the proof for another nonce is trusted")
			}
		}
	})
	t.Run("without a key everything is refused", func(t *testing.T) {
		if _, ok := c.Verify("", sign(c, ""), "POST", "/api/resync?backend=vt"); ok {
			t.Error("accepted")
		}
	})
}
