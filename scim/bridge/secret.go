package bridge

import (
	"fmt"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scimbridge/scimbridge/backend"
)

// Secret is a value of the configuration that must not be seen: `env:NAME`, `file:/path` or, with a warning, the
// value itself. It prints as where it comes from, or as <secret>.
type Secret struct {
	source string // env:NAME or file:/path
	text   backend.Secret
	line   int
}

// UnmarshalYAML keeps the source; the value is read by Value.
func (s *Secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: a secret is env:NAME, file:/path or a text", n.Line)}}
	}
	*s = Secret{line: n.Line}
	if strings.HasPrefix(n.Value, "env:") || strings.HasPrefix(n.Value, "file:") {
		s.source = n.Value
	} else {
		s.text = backend.NewSecret(n.Value)
	}
	return nil
}

// MarshalYAML hides the value.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// MarshalText hides the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// IsZero reports whether nothing is configured.
func (s Secret) IsZero() bool { return s.source == "" && s.text.IsZero() }

// String hides the value.
func (s Secret) String() string {
	if s.literal() {
		return s.text.String()
	}
	return s.source
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

func (s Secret) literal() bool { return !s.text.IsZero() }

// absentError says that a secret is not at hand here, which says nothing of the rest of a configuration.
type absentError struct{ error }

func (e absentError) Unwrap() error { return e.error }

// Value reads the secret. Errors name the source, never the value: an absentError.
func (s Secret) Value() (backend.Secret, error) {
	if name, ok := strings.CutPrefix(s.source, "env:"); ok {
		v := os.Getenv(name)
		if v == "" {
			return backend.Secret{}, absentError{fmt.Errorf("environment variable %s is not set", name)}
		}
		return backend.NewSecret(v), nil
	}
	if path, ok := strings.CutPrefix(s.source, "file:"); ok {
		v, err := secretIn(path)
		if err != nil {
			err = absentError{err}
		}
		return v, err
	}
	return s.text, nil
}

func secretIn(path string) (backend.Secret, error) {
	data, err := readAtMost(path, 64<<10)
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

// TokenConfig is a bearer token: a secret, or {value, expires}.
type TokenConfig struct {
	Secret  Secret
	Expires time.Time
}

// day is a date, or a moment as RFC 3339 writes it.
type day time.Time

// UnmarshalYAML reads either form.
func (d *day) UnmarshalYAML(n *yaml.Node) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, n.Value); err == nil && !t.IsZero() { // the zero time would be never
			*d = day(t)
			return nil
		}
	}
	return wrongValue(n, "is not a date such as 2027-01-31")
}

// UnmarshalYAML reads either form.
func (t *TokenConfig) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return t.Secret.UnmarshalYAML(n)
	}
	var long struct {
		Value   Secret `yaml:"value"`
		Expires day    `yaml:"expires"`
	}
	if err := decodeStrict(n, &long); err != nil {
		return err
	}
	t.Secret, t.Expires = long.Value, time.Time(long.Expires)
	t.Secret.line = n.Line
	return nil
}
