package bridge

import (
	"net/url"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/auth"
)

// entraShared are the audiences of the tokens that Entra makes by itself for a provisioning job without a secret: anybody with a
// tenant of their own gets such a token.
var entraShared = []string{"8adf8e6e-67b2-4cf2-a259-e3dc5476c621", "4602d0b4-76bb-404b-bca9-2652e1a39c6d", "5a532e38-1581-4918-9658-008dc27c1d68"}

// jwt checks how tokens that an identity provider signs are verified. Nothing is left to a default that would let more in.
func (v *validation) jwt(path []string, c JWTConfig) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	for key, value := range map[string]string{"issuer": c.Issuer, "audience": c.Audience, "jwks_url": c.JWKSURL} {
		if value == "" {
			v.bad(at(key), "is missing: issuer, audience and jwks_url are needed")
		}
	}
	v.outgoing(func(key ...string) []string { return append(slices.Clone(path), key...) }, c.OutgoingConfig)
	u, err := url.Parse(c.JWKSURL)
	switch {
	case c.JWKSURL == "":
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		v.bad(at("jwks_url"), "is not a URL")
	case u.Scheme == "http" && !backend.Loopback(u.Hostname()):
		v.bad(at("jwks_url"), "http:// is accepted on loopback only; use https://")
	case u.User != nil:
		v.bad(at("jwks_url"), "must not hold a user name or password")
	}
	for _, a := range c.Algorithms {
		if !auth.KnownAlgorithm(a) {
			v.bad(at("algorithms"), "%q is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA", clip(a))
		}
	}
	for name, value := range c.Claims {
		if slices.Contains([]string{"iss", "aud", "exp", "nbf", "iat"}, name) || value == "" {
			v.bad(at("claims"), "%q is checked by itself, or has no value", clip(name))
		}
	}
	if slices.Contains(entraShared, strings.ToLower(c.Audience)) && c.Claims["tid"] == "" {
		v.bad(at("claims"), "this audience is shared by the custom applications of all Entra tenants: pin yours, claims: {tid: <tenant id>}")
	}
}
