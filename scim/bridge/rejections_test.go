package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// events returns the events of the audit trail whose type begins so.
func (s *setup) events(begin string) (found []store.Event) {
	s.t.Helper()
	err := s.bridge.Store().View(context.Background(), func(tx store.Tx) error {
		found = nil
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(e.Type, begin) {
				found = append(found, e)
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// status returns what `status --json` shows of each credential.
func (s *setup) credentials() map[string]console.TokenStatus {
	s.t.Helper()
	code, out := s.command("status", "--json")
	var all console.Status
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		s.t.Fatalf("%d %v %s", code, err, out)
	}
	found := map[string]console.TokenStatus{}
	for _, p := range all.IdentityProviders {
		for _, t := range p.Tokens {
			found[p.Name+" "+t.Token] = t
		}
	}
	return found
}

// The last use of every kind of credential is shown, also after a restart. Storing it delays no request.
func TestLastUse(t *testing.T) {
	by := newSigner(t)
	s := withOAuth(t, by)
	s.edit("  okta: {", "  signing: {jwt: {issuer: 'https://idp.example/', audience: scim, jwks_url: '"+by.URL+"'}}\n  okta: {")
	s.fixConsole()
	s.start()
	began := time.Now().Add(-time.Second)
	_, got := s.askToken("grant_type=client_credentials&client_id=job&client_secret=another-secret-of-the-tests")
	signed := by.sign(t, jwt.MapClaims{"iss": "https://idp.example/", "aud": "scim", "sub": "job", "exp": time.Now().Add(time.Hour).Unix()})
	for _, token := range []string{oktaToken, got.Token, signed} {
		if status, body := s.send(token, "GET", "/Users", ""); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	if err := s.bridge.Store().View(context.Background(), func(tx store.Tx) error {
		for c, err := range record.List(tx, record.Credential{IdP: "okta"}) {
			if err != nil || !c.LastUse.IsZero() {
				t.Errorf("a request waits for the store: %v", err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.start()
	names := map[bool]int{}
	for name, c := range s.credentials() {
		names[c.LastUse.After(began)]++
		if used := c.LastUse.After(began); used != (strings.HasPrefix(name, "okta ") || name == "secretive oauth-job" || strings.HasPrefix(name, "signing jwt-")) {
			t.Errorf("%s: used %v", name, c.LastUse)
		}
	}
	if names[true] != 3 || names[false] != 2 {
		t.Errorf("%v", names)
	}
	if code, out := s.command("status"); code != 0 || !strings.Contains(out, "used "+time.Now().UTC().Format(time.DateOnly)) || !strings.Contains(out, "never used") {
		t.Errorf("%d %s", code, out)
	}
}

// operator calls the operator API with a key.
func (s *setup) operator(key string) {
	s.t.Helper()
	r, err := http.NewRequest("POST", s.bridge.ConsoleURL()+"/api/resync", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != 401 {
		s.t.Errorf("a wrong operator's key: %d", res.StatusCode)
	}
}

// name returns the name of a token in the audit trail.
func name(t *testing.T, token string) string {
	t.Helper()
	c, err := auth.Parse("x", token)
	if err != nil {
		t.Fatal(err)
	}
	return c.Name()
}

// Every rejected credential and every issued token is in the audit trail with a reason, without the
// credential.
func TestRejectionEvents(t *testing.T) {
	s := withOAuth(t, newSigner(t))
	s.edit("tokens: ["+oktaToken+"]", "tokens: ["+oktaToken+", {value: canary-expired-token-of-the-tests, expires: 2020-01-31}]")
	s.edit("  okta: {", "  away: {allow: [203.0.113.0/24], tokens: [canary-token-of-away], oauth: {clients: [{id: away, secrets: [canary-secret-of-away]}]}}\n  okta: {")
	s.start()
	s.send("canary-token-of-away", "GET", "/Users", "")
	s.askToken("grant_type=client_credentials&client_id=away&client_secret=canary-secret-of-away")
	s.operator("canary-of-a-key-that-is-wrong")
	s.send("canary-of-a-token-that-is-wrong", "GET", "/Users", "")
	s.send("canary-expired-token-of-the-tests", "GET", "/Users", "")
	s.askToken("grant_type=client_credentials&client_id=job&client_secret=canary-of-a-secret")
	s.askToken("grant_type=client_credentials&client_id=job&client_secret=another-secret-of-the-tests")
	s.stop()
	s.start()
	const stolen, keyless = "the credential is not accepted from this address", "no operator's key or a wrong one"
	want := map[string]string{"an unknown token": "unknown", "a token that has expired": "okta", "an unknown client or a wrong secret": "unknown", "a token was given": "secretive",
		stolen + "/" + name(t, "canary-token-of-away"): "away", stolen + "/oauth-away": "away", keyless: "unknown"}
	for _, e := range s.events("auth.") {
		why, place, _ := strings.Cut(e.Detail, ", ")
		if why == stolen {
			why += "/" + e.Token
		}
		place, _, _ = strings.Cut(place, ", and ") // the tests look at every page without a key, too
		if actor, known := want[why]; !known || e.Actor != actor || (e.Request == "") != (why == keyless) || e.At.IsZero() || place != "from 127.0.0.1" || strings.Contains(fmt.Sprint(e), "canary") {
			t.Errorf("%+v", e)
		}
		delete(want, why)
	}
	if len(want) > 0 {
		t.Errorf("no event of %v", want)
	}
}

// A client that knows only HTTP Basic calls with a token as its password.
func TestBasic(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.start()
	for user, want := range map[string]int{"okta": 200, "": 200, "entra": 401} {
		req, err := http.NewRequest("GET", s.scim+"/Users", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, oktaToken)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%q: %d", user, res.StatusCode)
		}
	}
}
