package config

import "time"

// Token is a bearer token: a secret, or {value, expires}.
type Token struct {
	Secret  Secret `yaml:"value"`
	Expires Day    `yaml:"expires"`
}

func (t *Token) parseShort(text string) { t.Secret.parse(text) }

// Day is a date, or a moment as RFC 3339 writes it.
type Day struct{ time.Time }

func (d *Day) parse(text string) bool {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil && !t.IsZero() { // the zero time means that there is no end
			*d = Day{t}
			return true
		}
	}
	return false
}

func (*Day) wrong() string { return "is not a date such as 2027-01-31" }
