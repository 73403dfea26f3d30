package config

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// TokenConfig is a bearer token: a secret, or {value, expires}.
type Token struct {
	Secret  Secret
	Expires time.Time
}

// day is a date, or a moment as RFC 3339 writes it.
type Day time.Time

// UnmarshalYAML reads either form.
func (d *Day) UnmarshalYAML(n *yaml.Node) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, n.Value); err == nil && !t.IsZero() { // the zero time would be never
			*d = Day(t)
			return nil
		}
	}
	return wrongValue(n, "is not a date such as 2027-01-31")
}

// UnmarshalYAML reads either form.
func (t *Token) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return t.Secret.UnmarshalYAML(n)
	}
	var long struct {
		Value   Secret `yaml:"value"`
		Expires Day    `yaml:"expires"`
	}
	if err := decodeStrict(n, &long); err != nil {
		return err
	}
	t.Secret, t.Expires = long.Value, time.Time(long.Expires)
	return nil
}
