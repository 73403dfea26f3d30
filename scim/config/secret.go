package config

import (
	"fmt"
	"os"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
)

// Secret is a value that must not be shown: `env:NAME`, `file:/path` or, with a warning, the value
// itself. It prints as its source, or as <secret>.
type Secret struct {
	source string // env:NAME or file:/path
	text   backend.Secret
}

// NewSecret returns the secret that a file would write as text: env:NAME, file:/path or the value.
func NewSecret(text string) Secret {
	if strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:") {
		return Secret{source: text}
	}
	return Secret{text: backend.NewSecret(text)}
}

func (s *Secret) parse(text string) bool {
	*s = NewSecret(text)
	return true
}

func (*Secret) wrong() string { return "a secret is env:NAME, file:/path or a text" }

// MarshalYAML hides the value.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// IsZero reports whether nothing is configured.
func (s Secret) IsZero() bool { return s.source == "" && s.text.IsZero() }

// String hides the value.
func (s Secret) String() string {
	if s.Literal() {
		return s.text.String()
	}
	return s.source
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// Literal reports whether the file holds the value itself.
func (s Secret) Literal() bool { return !s.text.IsZero() }

// AbsentError says that a secret cannot be read on this machine. The rest of a configuration may be
// correct.
type AbsentError struct{ error }

func (e AbsentError) Unwrap() error { return e.error }

// Value reads the secret. An error is an AbsentError that names the source, never the value.
func (s Secret) Value() (backend.Secret, error) {
	if name, ok := strings.CutPrefix(s.source, "env:"); ok {
		v := os.Getenv(name)
		if v == "" {
			return backend.Secret{}, AbsentError{fmt.Errorf("environment variable %s is not set", name)}
		}
		return backend.NewSecret(v), nil
	}
	if path, ok := strings.CutPrefix(s.source, "file:"); ok {
		v, err := secretIn(path)
		if err != nil {
			err = AbsentError{err}
		}
		return v, err
	}
	return s.text, nil
}

func secretIn(path string) (backend.Secret, error) {
	data, err := ReadAtMost(path, 64<<10)
	if err != nil {
		return backend.Secret{}, fmt.Errorf("reading a secret: %w", err)
	}
	if len(data) > 64<<10 {
		return backend.Secret{}, fmt.Errorf("reading a secret: %s is larger than 64 KiB", path)
	}
	v := strings.TrimSpace(string(data))
	if v == "" {
		return backend.Secret{}, fmt.Errorf("reading a secret: %s is empty", path)
	}
	return backend.NewSecret(v), nil
}
