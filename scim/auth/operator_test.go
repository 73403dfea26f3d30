package auth

import (
	"crypto/sha256"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestOperators(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	key := func(name string, role Role, expires time.Time) OperatorKey {
		return OperatorKey{Credential{IdP: name, Hash: sha256.Sum256([]byte("key-of-" + name)), Expires: expires}, role}
	}
	all := Operators{key("ci", Viewer, time.Time{}), key("ada", Approver, now.Add(time.Second)), key("old", Admin, now)}
	for name, c := range map[string]struct {
		headers []string
		want    string // a credential, or why it is refused
	}{
		"a key":                     {[]string{"Bearer key-of-ci"}, "key:ci viewer"},
		"a key that ends later":     {[]string{"Bearer key-of-ada"}, "key:ada approver"},
		"an expired key":            {[]string{"Bearer key-of-old"}, "expired: old"},
		"an unknown key":            {[]string{"Bearer key-of-eve"}, NoOperator},
		"the hash of a key":         {[]string{"Bearer sha256:" + strings.Repeat("0", 64)}, NoOperator},
		"an empty key":              {[]string{"Bearer "}, NoOperator},
		"no header":                 {nil, NoOperator},
		"two headers":               {[]string{"Bearer key-of-ci", "Bearer key-of-ada"}, NoOperator},
		"another scheme":            {[]string{"Basic key-of-ci"}, NoOperator},
		"a header that is too long": {[]string{"Bearer " + strings.Repeat("k", maxHeader)}, NoOperator},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/api/status", nil)
			r.Header["Authorization"] = c.headers
			who, err := all.Identify(r, func() time.Time { return now })
			got := ""
			var why *Refusal
			if err == nil {
				got = who.Credential() + " " + who.Role.String()
			} else if errors.As(err, &why) && errors.Is(err, ErrUnknown) {
				got = why.Why
			}
			if !strings.HasSuffix(got, c.want) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}
