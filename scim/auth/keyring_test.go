package auth

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestRotationHasNoGap rotates keys weekly, and secrets and static tokens by hand. For a month, two
// processes that issue and verify crosswise never refuse a token.
func TestRotationHasNoGap(t *testing.T) {
	w := newWorld(t)
	processes := []*Issuer{w.Issuer, w.issuerAt(t, w.shelf)}
	signers, most := map[string]bool{}, 0
	type held struct {
		answered
		until time.Time
	}
	var tokens []held
	for step := range 30 * 24 * 2 {
		w.set(now.Add(time.Duration(step) * 30 * time.Minute))
		secret := secret2
		if w.at().Before(now.Add(24 * time.Hour)) { // both are good for another day
			secret = secret1
		}
		a := post(t, processes[step%2], form("client_id", "okta-job", "client_secret", secret))
		if a.Status != 200 {
			t.Fatalf("at %s: %+v %q", w.at(), a, w.why)
		}
		head, _, err := new(jwt.Parser).ParseUnverified(a.Token, jwt.MapClaims{})
		if err != nil {
			t.Fatal(err)
		}
		signers[fmt.Sprint(head.Header["kid"])] = true
		tokens = append(tokens, held{a, w.at().Add(time.Hour)})
		tokens = slices.DeleteFunc(tokens, func(h held) bool { return h.until.Before(w.at()) })
		for n, h := range tokens {
			if _, err := h.who(t, processes[(step+n)%2]); err != nil {
				t.Fatalf("at %s, of %s: %v", w.at(), h.until, err)
			}
		}
		most = max(most, len(parseKeys(w.shelf.kept)))
	}
	if len(signers) != 5 || most > 2 {
		t.Errorf("%d keys signed in 30 days, %d were kept at once", len(signers), most)
	}
}

// TestKeyIsKnownBeforeItSigns: a process that read the keys just before another made one verifies
// what that one signs.
func TestKeyIsKnownBeforeItSigns(t *testing.T) {
	w := newWorld(t)
	other := w.issuerAt(t, w.shelf)
	for _, i := range []*Issuer{w.Issuer, other} {
		if err := i.Keys.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for week := range 4 {
		w.set(now.Add(time.Duration(week+1)*rotateEvery - 10*time.Second))
		post(t, w.Issuer, form("client_id", "okta-job", "client_secret", secret2)) // reads the keys
		w.set(w.at().Add(10 * time.Second))
		post(t, other, form("client_id", "okta-job", "client_secret", secret2)) // makes one
		for range 20 {
			w.set(w.at().Add(20 * time.Second))
			a := post(t, other, form("client_id", "okta-job", "client_secret", secret2))
			if _, err := a.who(t, w.Issuer); err != nil {
				t.Fatalf("%v", err)
			}
		}
	}
}

// TestStoredKeys: damaged, empty or missing keys yield no key, and known keys remain in use.
func TestStoredKeys(t *testing.T) {
	for name, kept := range map[string]string{"nothing": "", "damaged": "{", "no seed": `[{"kid":"a","seed":"","created":"2026-11-25T12:00:00Z"}]`,
		"zeros": `[{"kid":"a","seed":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","created":"2026-11-25T12:00:00Z"}]`} {
		w := newWorld(t)
		w.shelf.kept = []byte(kept)
		a := post(t, w.Issuer, form("client_id", "okta-job", "client_secret", secret1))
		if _, err := a.who(t, w.Issuer); err != nil {
			t.Errorf("%s: %+v %v", name, a, err)
		}
		if keys := parseKeys(w.shelf.kept); len(keys) != 1 || keys[0].ID == "a" {
			t.Errorf("%s: %d keys", name, len(keys))
		}
		w.shelf.fails = true
		w.set(w.at().Add(10 * time.Minute))
		if _, err := a.who(t, w.Issuer); err != nil {
			t.Errorf("%s: while the store is away: %v", name, err)
		}
		if a := post(t, w.Issuer, form("client_id", "okta-job", "client_secret", secret1)); a.Status != 200 {
			t.Errorf("%s: while the store is away: %+v", name, a)
		}
		if a := post(t, w.issuerAt(t, w.shelf), form("client_id", "okta-job", "client_secret", secret1)); a.Status != 503 || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: without a key: %+v", name, a)
		}
	}
}

// TestKeyringWithoutStore: if the store does not answer, one request waits a little, and no other
// request with a known key waits or asks again for a while.
func TestKeyringWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		ring := s.ring(nil)
		credential, err := Parse("okta", secret1)
		if err != nil {
			t.Fatal(err)
		}
		i := &Issuer{URL: public, Keys: ring, Clients: []Client{{ID: "job", IdP: "okta", Secrets: []Credential{credential}, Lifetime: MaxLifetime}}}
		asked := func(h http.Handler) answered {
			return post(t, h, form("client_id", "job", "client_secret", secret1))
		}
		asked(i)
		time.Sleep(rotateEvery - time.Hour)
		a := asked(i)
		load, change, asks := ring.Load, ring.Change, 0
		ring.Load = func(ctx context.Context) ([]byte, error) { asks++; <-ctx.Done(); return nil, ctx.Err() }
		ring.Change = func(ctx context.Context, _ func([]byte) ([]byte, error)) error {
			asks++
			<-ctx.Done()
			return ctx.Err()
		}
		for _, later := range []time.Duration{30 * time.Minute, 90 * time.Minute} { // then a new key is due
			time.Sleep(later)
			at, before := time.Now(), asks
			for range 5 {
				if who, err := a.who(t, i); err != nil || who.IdP != "okta" {
					t.Errorf("%+v %v", who, err)
				}
				if a := asked(i); a.Status != 200 {
					t.Errorf("%+v", a)
				}
			}
			if waited := time.Since(at); waited > 2*storeWait || asks == before {
				t.Errorf("ten callers wait for %s, and ask %d times", waited, asks-before)
			}
			ring.Load = load // then it can be read, and takes nothing
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(time.Hour)
		ring.Load = func(ctx context.Context) ([]byte, error) { return nil, ctx.Err() }
		_, _ = ring.signer(gone) // a client that hangs up proves nothing about the store
		ring.Load, ring.Change = load, change
		if asked(i); len(parseKeys(s.kept)) != 2 {
			t.Errorf("%d keys, once the store answers", len(parseKeys(s.kept)))
		}
	})
}
