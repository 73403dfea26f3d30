package backend

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is what a secret looks like.
const hidden = "<secret>"

// Secret is a credential once it was read. However it is printed, encoded or logged, it shows as <secret>; only Reveal gives it
// away, to what sends it. The zero value is no credential; two are equal only if one is a copy of the other.
type Secret struct {
	value *string // fmt prints an unexported field of somebody else's struct past its methods, and of a pointer no more than where it points
}

// NewSecret keeps a credential; an empty one is none.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{&value}
}

// Reveal returns the credential.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return s.value == nil }

// Format hides the credential from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) } // fmt has nobody to tell

// String hides the credential.
func (s Secret) String() string { return hidden }

// MarshalText hides the credential from JSON, its keys, and whatever else writes texts.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalYAML hides the credential.
func (s Secret) MarshalYAML() (any, error) { return hidden, nil }

// LogValue hides the credential.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
