package auth

import (
	"encoding/binary"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func named(jti string) func(jwt.MapClaims) {
	return func(c jwt.MapClaims) { c["jti"] = jti }
}

// TestAssertionIsValidOnce: an assertion with a name is valid once, for all processes with one
// store.
func TestAssertionIsValidOnce(t *testing.T) {
	w := newWorld(t)
	other := w.issuerAt(t, w.shelf)
	once := w.assertion(t, named("once"))
	if a := post(t, w.Issuer, once); a.Status != 200 {
		t.Fatalf("%+v", a)
	}
	if a := post(t, w.Issuer, once); a.Status != 401 || w.why[0] != "an assertion that was used before" {
		t.Errorf("again: %+v %q", a, w.why)
	}
	if a := post(t, other, once); a.Status != 401 || a.Error != "invalid_client" {
		t.Errorf("at another process: %+v", a)
	}
	if a := post(t, other, w.assertion(t, named("another"))); a.Status != 200 {
		t.Errorf("another one: %+v", a)
	}
	w.set(now.Add(65*time.Minute + leeway - time.Second))
	if a := post(t, other, once); a.Status != 401 {
		t.Errorf("at its very end: %+v", a)
	}
	w.set(now)
	for life, want := range map[time.Duration]int{
		maxAssertion + time.Second: 200, maxAssertion + leeway: 200, // a day, by the clock of an issuer who is ahead
		maxAssertion + leeway + time.Second: 401, 200 * 365 * 24 * time.Hour: 401,
	} {
		forLong := func(c jwt.MapClaims) { c["jti"], c["exp"] = life.String(), now.Add(life).Unix() }
		if a := post(t, w.Issuer, w.assertion(t, forLong)); a.Status != want {
			t.Errorf("that lasts for %s: %+v", life, a)
		}
	}
}

// TestAssertionIsUsedLast: a request with a temporary error does not use up its assertion.
func TestAssertionIsUsedLast(t *testing.T) {
	w := newWorld(t)
	if err := w.Keys.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	once := w.assertion(t, named("once"))
	admitted, after := http.StatusTooManyRequests, 7
	w.Admit = func(*http.Request, Identity) (int, int) { return admitted, after }
	if a := post(t, w.Issuer, once); a.Status != 429 || a.Header.Get("Retry-After") != "7" {
		t.Errorf("too many: %+v", a)
	}
	admitted, after = 0, 0
	var failed error
	w.Failed = func(err error) { failed = err }
	w.shelf.fails = true
	if a := post(t, w.Issuer, once); a.Status != 503 || a.Header.Get("Retry-After") == "" || a.Token != "" || failed == nil {
		t.Errorf("while the store is away: %+v %v", a, failed)
	}
	w.shelf.fails = false
	if a := post(t, w.Issuer, once); a.Status != 200 {
		t.Errorf("%+v", a)
	}
	admitted = http.StatusForbidden
	if a := post(t, w.Issuer, w.assertion(t, nil)); a.Status != 403 || a.Header.Get("Retry-After") != "" {
		t.Errorf("from elsewhere: %+v", a)
	}
	if a := post(t, w.Issuer, once); a.Status != 401 {
		t.Errorf("used before, and from elsewhere: %+v", a)
	}
	if len(w.why) != 1 {
		t.Errorf("the operator sees %q", w.why)
	}
}

// What is remembered is bounded for each identity provider, and forgotten when no process accepts
// it any more, however its clock goes.
func TestSpentSize(t *testing.T) {
	w := newWorld(t)
	spent := w.shelf.spent()
	ones := func(idp string, n int, end time.Time) (o once) {
		binary.BigEndian.PutUint64(o.name[8:], uint64(n)) // all in one list
		o.idp, o.end = idp, end.Add(spentFor)
		return o
	}
	first := func(o once, at time.Time) (bool, error) {
		t.Helper()
		return spent.use(t.Context(), &o, at)
	}
	end := now.Add(time.Hour)
	for n := range maxSpent {
		if ok, err := first(ones("entra", n, end), now); err != nil || !ok {
			t.Fatalf("the %dth: %v %v", n, ok, err)
		}
	}
	if ok, err := first(ones("entra", maxSpent, end), now); !errors.Is(err, errManySpent) || ok {
		t.Errorf("one more: %v %v", ok, err)
	}
	if ok, err := first(ones("entra", 5, end), now); err != nil || ok {
		t.Errorf("one that is known, when there are too many: %v %v", ok, err)
	}
	if ok, err := first(ones("okta", maxSpent, end), now); err != nil || !ok {
		t.Errorf("another provider's: %v %v", ok, err)
	}
	slow := end.Add(leeway) // by a clock that is as slow as may be, and still accepts it
	if ok, err := first(ones("entra", maxSpent, end), slow.Add(2*leeway-time.Second)); !errors.Is(err, errManySpent) || ok {
		t.Errorf("forgotten too early: %v %v", ok, err)
	}
	if ok, err := first(ones("entra", maxSpent, end.Add(time.Hour)), slow.Add(2*leeway+time.Second)); err != nil || !ok {
		t.Errorf("not forgotten: %v %v", ok, err)
	}
	list := ones("entra", 0, end)
	if n := len(w.shelf.lists[list.list()]); n != spentSize {
		t.Errorf("%d bytes are kept", n)
	}
	w.shelf.lists[list.list()] = []byte("damaged: this is no list that we wrote, and its end is missing")
	if ok, err := first(ones("entra", 1, end), now); err != nil || !ok {
		t.Errorf("after damage: %v %v", ok, err)
	}
}
