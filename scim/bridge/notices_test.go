package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/canary"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/bolt"
)

// events are those of the audit trail whose type begins so.
func (s *setup) events(begin string) (found []store.Event) {
	s.t.Helper()
	err := s.bridge.store.View(context.Background(), func(tx store.Tx) error {
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

// status is what `status --json` shows of each credential.
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

// The last use of every kind of credential is shown, and is known after a restart; a request does not wait for its being stored.
func TestLastUseIsShown(t *testing.T) {
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
	if err := s.bridge.store.View(context.Background(), func(tx store.Tx) error {
		for c, err := range store.List(tx, store.Credential{IdP: "okta"}) {
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

// name is how the audit trail tells a token.
func name(t *testing.T, token string) string {
	t.Helper()
	c, err := auth.Parse("x", token)
	if err != nil {
		t.Fatal(err)
	}
	return c.Name()
}

// Whoever is refused, and every token that is given, is in the audit trail with a reason, and nothing of the credential.
func TestRejectionsAreEvents(t *testing.T) {
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

// A flood fills neither the trail nor the memory: the same is told once a minute, with how many times it was.
func TestAFloodIsTold(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.start()
	clock := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	n := &notices{now: func() time.Time { return clock }}
	ctx, r := context.Background(), httptest.NewRequest("GET", "/scim/v2/Users", nil)
	write := func(all bool) {
		t.Helper()
		if err := n.write(ctx, s.bridge.store, all); err != nil {
			t.Fatal(err)
		}
	}
	for range 180 { // three minutes, a thousand a second
		for range 1000 {
			n.rejected(r, &auth.Refusal{Why: "an unknown token"})
		}
		write(false)
		clock = clock.Add(time.Second)
	}
	write(true)
	found := s.events("auth.rejected")
	if len(found) != 4 || found[0].Detail != "an unknown token, from 192.0.2.1, and 999 more until 2026-11-26T12:00:00Z" || found[1].Detail != "an unknown token, from 192.0.2.1, and 59999 more until 2026-11-26T12:01:00Z" {
		t.Errorf("%d events, %+v", len(found), found)
	}
	for i := range 5 * maxNotices {
		n.rejected(r, &auth.Refusal{Why: "another", Token: fmt.Sprint(i)})
	}
	if len(n.all) > maxNotices+1 {
		t.Errorf("%d are remembered", len(n.all))
	}
	write(true)
	clock = clock.Add(time.Hour)
	write(false)
	if found := s.events("auth.rejected"); len(n.all) != 0 || len(found) > 4+maxNotices+1 || !strings.Contains(fmt.Sprint(found), "more than can be told apart") {
		t.Errorf("%d are remembered, %d events", len(n.all), len(found))
	}
}

func TestRejections(t *testing.T) {
	s := newSetup(t, "strict", "batch: {size: 25, wait: 20ms}")
	s.start()
	clock := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	n := &notices{now: func() time.Time { return clock }}
	reject := func(from, why string) {
		r := httptest.NewRequest("GET", "/scim/v2/Users", nil)
		r.RemoteAddr = from
		n.rejected(r, &auth.Refusal{Why: why})
	}
	written := func() (details []string) {
		t.Helper()
		before := len(s.events("auth.rejected"))
		if err := n.write(context.Background(), s.bridge.store, true); err != nil {
			t.Fatal(err)
		}
		for _, e := range s.events("auth.rejected")[before:] {
			details = append(details, e.Detail)
		}
		slices.Sort(details)
		return details
	}
	t.Run("are told apart by address", func(t *testing.T) {
		for range 3 {
			reject("203.0.113.1:1", "an unknown token")
		}
		reject("203.0.113.2:1", "an unknown token")
		reject("[2001:db8::1]:1", "an unknown token")
		reject("[2001:db8::2]:1", "an unknown token") // of the same network
		want := []string{"an unknown token, from 2001:db8::1, and 1 more until 2026-11-26T12:00:00Z",
			"an unknown token, from 203.0.113.1, and 2 more until 2026-11-26T12:00:00Z", "an unknown token, from 203.0.113.2"}
		if got := written(); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
	t.Run("from many addresses fill nothing, and hide no other kind", func(t *testing.T) {
		for i := range 100_000 {
			reject(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), "another reason")
		}
		reject("203.0.113.9:1", "the credential is not accepted from this address")
		got := written()
		if len(got) != maxPlaces+2 || !strings.HasPrefix(got[maxPlaces], "another reason, from other addresses, and 99989 more") ||
			got[maxPlaces+1] != "the credential is not accepted from this address, from 203.0.113.9" {
			t.Errorf("%d: %q", len(got), got)
		}
		clock = clock.Add(time.Hour)
		written()
		if len(n.all) != 0 {
			t.Errorf("%d are remembered", len(n.all))
		}
	})
}

// slow is a store that takes its time for an update, and does none of which nobody waits for the end.
type slow struct{ store.Store }

func (s slow) Update(ctx context.Context, fn func(store.Tx) error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(3 * time.Second):
		return s.Store.Update(ctx, fn)
	}
}

// What is being written when the bridge stops is written.
func TestAStopLosesNoRejection(t *testing.T) {
	opened, err := bolt.Open(filepath.Join(t.TempDir(), "s.db"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	s := &setup{t: t, bridge: &Bridge{store: slow{opened}, Log: canary.Log(t)}}
	synctest.Test(t, func(t *testing.T) {
		s.bridge.startNotices()
		reject := func(why string) {
			s.bridge.notices.rejected(httptest.NewRequest("GET", "/scim/v2/Users", nil), &auth.Refusal{Why: why})
		}
		reject("an unknown token")
		time.Sleep(noticeEvery + time.Second) // it is being written
		reject("another reason")
		if err := s.bridge.Stop(); err != nil {
			t.Error(err)
		}
	})
	if found := s.events("auth.rejected"); len(found) != 2 {
		t.Errorf("%+v", found)
	}
}

// The server says every day what ends soon; the first time is by whoever reads the configuration.
func TestEndsAreWarnedOf(t *testing.T) {
	var log bytes.Buffer
	b := &Bridge{Log: slog.New(slog.NewJSONHandler(&log, nil)), tokens: []console.Token{{IdP: "okta", Token: "1a2b3c4d", Expires: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)}, {IdP: "entra", Token: "oauth-x"}}}
	for day, want := range map[string]string{"2026-11-01": "", "2026-11-30": "expires on 2026-12-24", "2026-12-24": "expired on 2026-12-24"} {
		log.Reset()
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		b.warnOfEnds(at)
		if got := log.String(); (want == "") != (got == "") || !strings.Contains(got, want) || want != "" && !strings.Contains(got, "1a2b3c4d") || strings.Contains(got, "oauth-x") {
			t.Errorf("%s: %s", day, got)
		}
	}
	var out bytes.Buffer
	soon(&out, console.Status{IdentityProviders: []console.ProviderStatus{{Name: "okta", Tokens: []console.TokenStatus{{Token: "1a2b3c4d", Expires: time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)}}}}}, time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
	if out.String() != "\nokta: 1a2b3c4d expires on 2026-12-24\n" {
		t.Errorf("%q", out.String())
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
