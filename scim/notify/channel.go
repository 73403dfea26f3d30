package notify

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// The kinds of a Channel.
const (
	KindWebhook = "webhook"
)

// Kinds lists the kinds of channels that a configuration may name.
func Kinds() []string { return []string{KindWebhook} }

// Channel is a way by which operators are notified, as it is configured.
type Channel struct {
	Name   string
	Kind   string
	URL    backend.Secret
	Secret backend.Secret
	Way    backend.Outgoing
	On     []string // the types of conditions; empty: all
}

// wants reports whether the channel is notified of a type.
func (c Channel) wants(t Type) bool { return len(c.On) == 0 || slices.Contains(c.On, string(t)) }

// Problems returns the mistakes in a channel, by its keys in the configuration. No text repeats a
// secret.
func Problems(c Channel) []backend.Mistake {
	var out []backend.Mistake
	bad := func(key, text string) { out = append(out, backend.Mistake{Key: key, Text: text}) }
	for _, t := range c.On {
		if !slices.Contains(Types(), t) {
			bad("on", `"`+legible.Clip(t)+`" is not one of `+strings.Join(Types(), ", "))
		}
	}
	switch c.Kind {
	case KindWebhook:
		if text := wrongURL(c.URL); text != "" {
			bad("url", text)
		}
		if _, ok := signingKey(c.Secret); !ok {
			bad("secret", "must be the signing secret of the receiver: whsec_ and 24 to 64 bytes in base64")
		}
	default:
		bad("kind", `"`+legible.Clip(c.Kind)+`" is not one of `+strings.Join(Kinds(), ", "))
	}
	return out
}

// wrongURL says what is wrong with the URL of a receiver; "" if it can be used.
func wrongURL(s backend.Secret) string {
	u, err := url.Parse(s.Reveal())
	switch {
	case s.IsZero():
		return "is missing: where the receiver takes messages"
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "is not a URL"
	case u.User != nil:
		return "must not hold a user name or password"
	case u.Scheme == "http" && !backend.Loopback(u.Hostname()):
		return "http:// is accepted on loopback only; use https://"
	}
	return ""
}

// Sizes of a signing key, in bytes.
const (
	leastKey = 24
	mostKey  = 64
)

// signingKey returns the key that a secret in the form of Standard Webhooks holds.
func signingKey(s backend.Secret) ([]byte, bool) {
	text, found := strings.CutPrefix(s.Reveal(), "whsec_")
	if !found {
		return nil, false
	}
	key, err := base64.StdEncoding.DecodeString(text)
	return key, err == nil && len(key) >= leastKey && len(key) <= mostKey
}
