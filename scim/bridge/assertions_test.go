package bridge_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/scimbridge/scimbridge/scim/bridge"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/store"
)

// federation configures a replica to accept the assertions of an issuer.
func (s *setup) federation(by *signer) {
	s.t.Helper()
	s.edit("server: {listen: 127.0.0.1:0}", "server: {listen: 127.0.0.1:0, public_url: 'https://scim.example.com/scim/v2'}")
	s.edit("  okta: {", "  federated: {oauth: {clients: [{id: wif, federation: {tenant: "+tenantID+", app_id: "+appID+", subject: "+objectID+", jwks_url: '"+by.URL+"'}}]}}\n  okta: {")
}

// assertion is a request for a token by an assertion that has a name.
func (s *signer) assertion(t *testing.T, jti string) string {
	t.Helper()
	at := time.Now()
	return url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion": {s.sign(t, jwt.MapClaims{"aud": "api://" + appID, "iss": "https://login.microsoftonline.com/" + tenantID + "/v2.0", "exp": at.Add(time.Hour).Unix(),
			"appid": appID, "sub": objectID, "tid": tenantID, "jti": jti})}}.Encode()
}

// crowd is a store in which uses of an assertion wait, if a test wants it, until all have found it unused.
type crowd struct {
	store.Shared
	coming *sync.WaitGroup
}

func (c crowd) Update(ctx context.Context, fn func(store.Tx) error) error {
	if strings.HasPrefix(store.IsAbout(ctx), bridge.SpentAssertions) {
		c.coming.Done()
		c.coming.Wait()
	}
	return c.Shared.Update(ctx, fn)
}

// An assertion gives one token: at any replica, with concurrent requests, and after a restart.
func TestAssertionsOnce(t *testing.T) {
	for kind, share := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			by := newSigner(t)
			all := replicasOf(t, 2)
			share(t, all)
			for _, s := range all {
				s.fixConsole()
				s.federation(by)
				s.start()
			}
			once := by.assertion(t, "once")
			if status, got := all[0].askToken(once); status != 200 {
				t.Fatalf("%d %+v", status, got)
			}
			if status, got := all[1].askToken(once); status != 401 || got.Error != "invalid_client" {
				t.Errorf("at another replica: %d %+v", status, got)
			}
			all[0].stop()
			all[0].start()
			if status, got := all[0].askToken(once); status != 401 || got.Error != "invalid_client" {
				t.Errorf("after a restart: %d %+v", status, got)
			}
			const each = 4
			var coming sync.WaitGroup
			for _, s := range all {
				shared, ok := s.bridge.Store().(store.Shared)
				if !ok {
					t.Fatalf("%T", s.bridge.Store())
				}
				s.stop()
				s.given = crowd{reopened(t, shared, s), &coming}
				s.start()
			}
			for _, jti := range []string{"a", "b", "c"} {
				coming.Add(each * len(all))
				if given := atOnce(t, all, each, by.assertion(t, jti)); given != 1 {
					t.Errorf("%s: used at once, it gives %d tokens", jti, given)
				}
			}
		})
	}
}

// reopened returns the store of a stopped replica.
func reopened(t *testing.T, was store.Shared, s *setup) store.Shared {
	t.Helper()
	if s.given != nil {
		return was
	}
	c, _, err := config.Load(s.path, bridge.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	again, err := bridge.OpenStore(t.Context(), c.Store)
	if err != nil {
		t.Fatal(err)
	}
	shared, ok := again.(store.Shared)
	if !ok {
		t.Fatalf("%T", again)
	}
	return shared
}

// atOnce sends concurrent requests to every replica and counts the tokens in the answers.
func atOnce(t *testing.T, all []*setup, each int, form string) int {
	t.Helper()
	var wg sync.WaitGroup
	var given atomic.Int32
	for n := range each * len(all) {
		wg.Go(func() {
			switch status, got := all[n%len(all)].askToken(form); {
			case status == 200:
				given.Add(1)
			case status != 401 || got.Error != "invalid_client":
				t.Errorf("%d %+v", status, got)
			}
		})
	}
	wg.Wait()
	return int(given.Load())
}

// While the store is away no assertion is accepted, because its use cannot be checked. The same
// assertion is accepted once the store is back.
func TestAssertionsWithoutStore(t *testing.T) {
	by := newSigner(t)
	all := replicasOf(t, 1)
	aFile(t, all)
	s := all[0]
	s.federation(by)
	s.start()
	one := by.assertion(t, "one")
	way, ok := s.given.(shared)
	if !ok {
		t.Fatalf("%T", s.given)
	}
	way.Cut(errAway)
	if status, got := s.askToken(one); status != 503 || got.Error != "temporarily_unavailable" {
		t.Errorf("%d %+v", status, got)
	}
	way.Cut(nil)
	if status, got := s.askToken(one); status != 200 {
		t.Errorf("once it is back: %d %+v", status, got)
	}
}

var errAway = errors.Join(store.ErrFull, errors.New("the store is away"))
