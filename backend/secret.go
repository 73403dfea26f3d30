package backend

import (
	"fmt"
	"io"
	"log/slog"
)

// hidden is printed in place of every secret.
const hidden = "<secret>"

// Secret is a credential that was read. Printed, encoded or logged it shows as <secret>; only Reveal
// returns it, to the code that sends it. The zero value is no credential. Two are equal only if one is a
// copy of the other.
type Secret struct {
	value *string // a pointer: fmt skips the methods of unexported fields, and would print the text
}

// NewSecret returns a secret; an empty text gives the zero value.
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

// IsZero reports whether there is no credential.
func (s Secret) IsZero() bool { return s.value == nil }

// Format hides the credential from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) } // fmt takes no error

// String hides the credential.
func (s Secret) String() string { return hidden }

// MarshalText hides the credential from JSON, its keys, and other encodings of text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalYAML hides the credential.
func (s Secret) MarshalYAML() (any, error) { return hidden, nil }

// LogValue hides the credential.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
