package notify

import (
	"encoding/base64"
	"net/mail"
	"net/url"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// The kinds of a Channel.
const (
	KindWebhook = "webhook"
	KindSlack   = "slack"
	KindEmail   = "email"
)

// Kinds lists the kinds of channels that a configuration may name.
func Kinds() []string { return []string{KindWebhook, KindSlack, KindEmail} }

// Channel is a way by which operators are notified, as it is configured.
type Channel struct {
	Name   string
	Kind   string
	URL    backend.Secret
	Secret backend.Secret
	Mail   Mail
	Way    backend.Outgoing
	On     []string // the types of conditions; empty: all
}

// Mail is how a channel sends e-mail.
type Mail struct {
	Host     string
	Port     int // 0: DefaultPort
	From     string
	To       []string
	Username string
	Password backend.Secret
}

// DefaultPort is the port of mail submission.
const DefaultPort = 587

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
	unused := func(has bool, key, kinds string) {
		if has {
			bad(key, "belongs to "+kinds+" only")
		}
	}
	switch c.Kind {
	case KindWebhook, KindSlack:
		if text := wrongURL(c.URL); text != "" {
			bad("url", text)
		}
		unused(c.Mail.Host != "", "host", KindEmail)
	case KindEmail:
		unused(!c.URL.IsZero(), "url", "webhook and slack")
		unused(c.Way.Proxy != nil, "proxy", "webhook and slack")
		out = append(out, c.Mail.problems()...)
	default:
		bad("kind", `"`+legible.Clip(c.Kind)+`" is not one of `+strings.Join(Kinds(), ", "))
	}
	if _, ok := signingKey(c.Secret); c.Kind == KindWebhook && !ok {
		bad("secret", "must be the signing secret of the receiver: whsec_ and 24 to 64 bytes in base64")
	}
	unused(c.Kind != KindWebhook && !c.Secret.IsZero(), "secret", KindWebhook)
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

func (m Mail) problems() (out []backend.Mistake) {
	bad := func(key, text string) { out = append(out, backend.Mistake{Key: key, Text: text}) }
	if m.Host == "" {
		bad("host", "is missing: the name of the mail server")
	}
	if m.Port < 0 || m.Port > 65535 {
		bad("port", "must be between 1 and 65535")
	}
	if !isAddress(m.From) {
		bad("from", "must be one e-mail address")
	}
	if len(m.To) == 0 {
		bad("to", "is missing: who is notified")
	}
	for _, to := range m.To {
		if !isAddress(to) {
			bad("to", "must be e-mail addresses")
		}
	}
	if (m.Username == "") != m.Password.IsZero() {
		bad("password", "needs both username and password, or neither")
	}
	return out
}

// isAddress reports whether a text is one plain e-mail address.
func isAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text
}
