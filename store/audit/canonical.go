package audit

import (
	"crypto/sha256"
	"time"
	"unicode/utf8"

	"github.com/scimbridge/scimbridge/store"
)

// digest chains an event to the one before.
func digest(previous [32]byte, e store.Event) [32]byte {
	return sha256.Sum256(appendCanonical(previous[:], e))
}

// appendCanonical appends the canonical form of an event: see doc.go. A later version may only add fields, each at its place in the order.
func appendCanonical(b []byte, e store.Event) []byte {
	o := object{append(b, '{')}
	o.text("account", e.Account)
	o.text("actor", e.Actor)
	o.list("added", e.Added)
	o.text("after", e.After)
	if !e.At.IsZero() {
		o.text("at", e.At.UTC().Format(time.RFC3339Nano))
	}
	o.text("backend", e.Backend)
	o.text("before", e.Before)
	o.list("causes", e.Causes)
	o.text("detail", e.Detail)
	o.text("evidence", e.Evidence)
	o.text("idp", e.IdP)
	o.text("initiator", e.Initiator)
	o.text("name", e.Name)
	o.text("reason", e.Reason)
	o.list("removed", e.Removed)
	o.text("request", e.Request)
	o.text("role", e.Role)
	o.text("subject", e.Subject)
	o.text("target", e.Target)
	o.text("token", e.Token)
	o.text("type", e.Type)
	return append(o.b, '}')
}

// object appends members to a JSON object that has been opened.
type object struct{ b []byte }

func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(appendText(o.b, name), ':')
}

func (o *object) text(name, value string) {
	if value != "" {
		o.key(name)
		o.b = appendText(o.b, value)
	}
}

func (o *object) list(name string, values []string) {
	if len(values) == 0 {
		return
	}
	o.key(name)
	for i, v := range values {
		o.b = append(o.b, "[,"[min(i, 1)])
		o.b = appendText(o.b, v)
	}
	o.b = append(o.b, ']')
}

// appendText writes a JSON string as RFC 8785 does: short escapes, \u00xx for other control characters, and
// no other escapes. Bytes that are no UTF-8 become the replacement character.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"', r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ':
			b = utf8.AppendRune(b, r)
		case r >= '\b' && r <= '\r' && r != '\v':
			b = append(b, '\\', "btn_fr"[r-'\b'])
		default:
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		}
	}
	return append(b, '"')
}
