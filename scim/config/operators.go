package config

import (
	"slices"
	"strconv"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// Operators is who may use the operator API, besides those who can read the key file of the server.
type Operators struct {
	Keys []OperatorKey `yaml:"keys"`
	// Approvals is how many operators must approve a hold: 1 or 2.
	Approvals int `yaml:"approvals"`
}

// OperatorKey is the key of an operator.
type OperatorKey struct {
	Name    string `yaml:"name"`
	Role    string `yaml:"role"`
	Key     Secret `yaml:"key"`
	Expires Day    `yaml:"expires"`
}

func (c Operators) check(v *validation) {
	var names []string
	approvers := 1 // local
	for i, k := range c.Keys {
		path := []string{"operators", "keys", strconv.Itoa(i)}
		at := func(key string) []string { return append(slices.Clone(path), key) }
		switch {
		case !plainName.MatchString(k.Name):
			v.bad(at("name"), "a name is 1 to 64 letters, digits, dots, dashes and underscores")
		case k.Name == auth.Local:
			v.bad(at("name"), "%q is the operator with the key file of the server; use another name", auth.Local)
		case slices.Contains(names, k.Name):
			v.bad(at("name"), "%q has a key already: a key names exactly one operator", k.Name)
		}
		names = append(names, k.Name)
		if role, _ := auth.ParseRole(k.Role); role >= auth.Approver {
			approvers++
		}
		if _, known := auth.ParseRole(k.Role); !known {
			v.bad(at("role"), "%q is not one of viewer, approver, admin", legible.Clip(k.Role))
		}
		if k.Key.IsZero() {
			v.bad(at("key"), "is missing; `scimbridge token operator %s` makes one", legible.Clip(k.Name))
			continue
		}
		v.token(at("key"), "the operator "+k.Name, Token{k.Key, k.Expires})
	}
	if at := []string{"operators", "approvals"}; c.Approvals < 1 || c.Approvals > 2 {
		v.bad(at, "is how many operators must approve a hold: 1 or 2")
	} else if c.Approvals > approvers {
		v.bad(at, "is 2, and only the operator %q could approve: give a key the role approver or admin", auth.Local)
	}
}

// List returns the keys by their hashes. The configuration was checked.
func (c Operators) List() (auth.Operators, error) {
	var out auth.Operators
	for _, k := range c.Keys {
		value, err := k.Key.Value()
		if err != nil {
			return nil, err
		}
		parsed, err := auth.Parse(k.Name, value.Reveal())
		if err != nil {
			return nil, err
		}
		parsed.Expires = k.Expires.Time
		role, _ := auth.ParseRole(k.Role)
		out = append(out, auth.OperatorKey{Credential: parsed, Role: role})
	}
	return out, nil
}

// ProposedOperators returns the operators of another file and how many must approve, checked against the credentials of c.
func (c *Config) ProposedOperators(file string, data []byte) (all auth.Operators, approvals int, err error) {
	proposed, v, err := decode(file, data, c.Kinds)
	if err != nil {
		return nil, 0, err
	}
	for name, idp := range c.IdentityProviders {
		for _, t := range idp.Tokens {
			if value, err := t.Secret.Value(); err == nil {
				if parsed, err := auth.Parse(name, value.Reveal()); err == nil {
					v.tokens[parsed.Hash] = name
				}
			}
		}
	}
	proposed.Operators.check(v)
	if err := v.err(file); err != nil {
		return nil, 0, err
	}
	all, err = proposed.Operators.List()
	return all, proposed.Operators.Approvals, err
}
