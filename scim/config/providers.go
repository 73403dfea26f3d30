package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/legible"
)

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func (v *validation) idp(name string, c IdentityProvider) {
	path := []string{"identity_providers", name}
	if !plainName.MatchString(name) {
		v.bad(path, "a name is 1 to 64 letters, digits, dots, dashes and underscores")
	}
	switch {
	case c.JWT.Configured():
		v.jwt(append(path, "jwt"), c.JWT)
	case !c.CanCall():
		v.warn(path, "has no token: it cannot call")
	}
	if put := c.PutWithoutMembers; !slices.Contains([]string{"", "keep", "clear"}, put) {
		v.bad(append(slices.Clone(path), "put_without_members"), "%q is not one of keep, clear", legible.Clip(put))
	}
	for i, t := range c.Tokens {
		v.token(append(slices.Clone(path), "tokens", strconv.Itoa(i)), name, t)
	}
}

// token checks a token or the secret of a client. Each names one identity provider.
func (v *validation) token(at []string, idp string, t Token) {
	value, err := t.Secret.Value()
	if err != nil {
		v.wrong(at, err)
		return
	}
	if t.Secret.Literal() && !strings.HasPrefix(value.Reveal(), "sha256:") {
		v.warn(at, "is written in the file; prefer env:NAME, file:/path or sha256:<hex>")
	}
	parsed, err := auth.Parse(idp, value.Reveal())
	if err != nil {
		v.bad(at, "%v", err)
		return
	}
	switch other, taken := v.tokens[parsed.Hash]; {
	case taken && other != idp:
		v.bad(at, "is a token of %s too: a credential names exactly one identity provider or operator", other)
	case taken:
		v.warn(at, "stands there already")
	}
	v.tokens[parsed.Hash] = idp
	v.expiry(at, t.Expires.Time)
}

// expiryWarning is how long before its end a token causes a warning.
const expiryWarning = 30 * 24 * time.Hour

func (v *validation) expiry(at []string, end time.Time) {
	if words := ExpiryNotice(end, v.now); words != "" {
		v.warn(at, "%s", words)
	}
}

// ExpiryNotice returns what to say about an end that is near or past; "" otherwise.
func ExpiryNotice(end, now time.Time) string {
	left := end.Sub(now)
	switch {
	case end.IsZero() || left > expiryWarning:
		return ""
	case left <= 0:
		return fmt.Sprintf("expired on %s: requests with it are answered 401", end.Format(time.DateOnly))
	}
	return fmt.Sprintf("expires on %s", end.Format(time.DateOnly))
}
