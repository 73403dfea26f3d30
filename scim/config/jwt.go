package config

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/legible"
)

// entraShared are the audiences of the tokens that Entra issues for a provisioning job without a
// secret: the public cloud's first, then the others'. Every tenant gets tokens with these
// audiences.
var entraShared = []string{"8adf8e6e-67b2-4cf2-a259-e3dc5476c621", "4602d0b4-76bb-404b-bca9-2652e1a39c6d", "5a532e38-1581-4918-9658-008dc27c1d68"}

// entraSync is the application id of Entra's provisioning service.
const entraSync = "00000014-0000-0000-c000-000000000000"

var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// WithPreset returns the configuration with the values of the preset for Entra's own tokens where a
// key is empty.
func (c JWT) WithPreset() JWT {
	if c.Preset == "entra" {
		c.AppID = cmp.Or(c.AppID, entraSync)
		c.fill("https://sts.windows.net/"+c.Tenant+"/", "https://login.microsoftonline.com/"+c.Tenant+"/discovery/keys", entraShared[0])
	}
	return c
}

// fill sets empty keys to the values that Entra uses for a tenant.
func (c *JWT) fill(issuer, jwksURL string, audience ...string) {
	c.Issuer, c.JWKSURL = cmp.Or(c.Issuer, issuer), cmp.Or(c.JWKSURL, jwksURL)
	if strings.Join(c.Audience, "") == "" {
		c.Audience = audience
	}
	claims := map[string]string{"tid": c.Tenant}
	maps.Copy(claims, c.Claims)
	c.Claims = claims
}

// jwt checks how tokens of an identity provider are verified. No key has a default that would
// accept more tokens.
func (v *validation) jwt(path []string, c JWT) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	if c.Preset != "" && c.Preset != "entra" {
		v.bad(at("preset"), "%q is not entra, the only preset", legible.Clip(c.Preset))
	}
	if v.tenant(path, c, c.Preset != ""); c.Preset != "" && (c.Preset != "entra" || c.Tenant == "") {
		return // the keys below depend on it
	}
	c = c.WithPreset()
	v.signed(path, c)
	v.distinct(path, c)
	if slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(entraShared, strings.ToLower(a)) }) {
		if c.Claims["tid"] == "" {
			v.bad(at("claims"), "this audience is shared by the custom applications of all Entra tenants: pin yours, claims: {tid: <tenant id>}")
		}
		v.warn(path, "Entra's own token is for trying out: its audience is the same for all custom applications, so another service to which your tenant provisions without a secret is given tokens that are good here. Prefer oauth with federation, or a token")
	}
}

// tenant checks the ids that other keys are derived from: a wrong one would pin nothing.
func (v *validation) tenant(path []string, c JWT, needed bool) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	for key, value := range map[string]string{"tenant": c.Tenant, "app_id": c.AppID} {
		if value != "" && !guid.MatchString(value) {
			v.bad(at(key), "is not an id such as 12345678-90ab-cdef-1234-567890abcdef, in small letters")
		}
	}
	if needed && c.Tenant == "" {
		v.bad(at("tenant"), "is missing: the id of your tenant")
	}
	if !needed && c.Tenant != "" {
		v.bad(at("tenant"), "belongs to a preset: name it, or pin the tenant by issuer and claims")
	}
	if c.Tenant != "" && c.Claims["tid"] != "" && c.Claims["tid"] != c.Tenant {
		v.bad(at("claims"), "tid is another tenant than `tenant`")
	}
}

// signed checks the keys that verify a token.
func (v *validation) signed(path []string, c JWT) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	audience := strings.Join(c.Audience, "")
	if slices.Contains(c.Audience, "") { // an empty audience matches no token
		audience = ""
	}
	for key, value := range map[string]string{"issuer": c.Issuer, "audience": audience, "jwks_url": c.JWKSURL} {
		if value == "" {
			v.bad(at(key), "is missing: issuer, audience and jwks_url are needed")
		}
	}
	v.outgoing(func(key ...string) []string { return append(slices.Clone(path), key...) }, c.Outgoing)
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
			v.bad(at("algorithms"), "%q is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA", legible.Clip(a))
		}
	}
	for name, value := range c.Claims {
		if slices.Contains([]string{"iss", "aud", "exp", "nbf", "iat"}, name) || value == "" {
			v.bad(at("claims"), "%q is checked by itself, or has no value", legible.Clip(name))
		}
	}
	if c.Subject != "" && c.Claims["sub"] != "" && c.Claims["sub"] != c.Subject {
		v.bad(at("claims"), "sub is another than `subject`")
	}
}

// trust is a set of tokens that one identity provider accepts.
type trust struct {
	idp string
	JWT
}

// distinct rejects two identity providers that accept the same token (RFC 8725 section 3.12). The
// path begins with identity_providers and a name.
func (v *validation) distinct(path []string, c JWT) {
	for _, other := range v.trusts {
		if other.idp != path[1] && other.overlaps(c) {
			v.bad(path, "accepts the same tokens as %s: give it an issuer, an audience or a claim that differs", other.idp)
		}
	}
	v.trusts = append(v.trusts, trust{path[1], c})
}

// overlaps reports whether one token could match both.
func (c JWT) overlaps(o JWT) bool {
	if c.Issuer != o.Issuer || c.Subject != "" && o.Subject != "" && c.Subject != o.Subject || c.AppID != "" && o.AppID != "" && c.AppID != o.AppID {
		return false
	}
	for name, value := range c.Claims {
		if other, pinned := o.Claims[name]; pinned && other != value {
			return false
		}
	}
	return slices.ContainsFunc(c.Audience, func(a string) bool { return slices.Contains(o.Audience, a) })
}

// JWT describes tokens that the identity provider signs. Preset, Tenant and AppID fill in empty
// keys.
type JWT struct {
	Preset     string            `yaml:"preset"`
	Tenant     string            `yaml:"tenant"`
	AppID      string            `yaml:"app_id"`
	Subject    string            `yaml:"subject"`
	Issuer     string            `yaml:"issuer"`
	Audience   Names             `yaml:"audience"`
	JWKSURL    string            `yaml:"jwks_url"`
	Algorithms []string          `yaml:"algorithms"`
	Claims     map[string]string `yaml:"claims"`

	Outgoing `yaml:",inline"`
}

// Configured reports whether any key is set.
func (c JWT) Configured() bool {
	return c.Preset != "" || c.Tenant != "" || c.AppID != "" || c.Subject != "" || c.Issuer != "" || c.JWKSURL != "" || strings.Join(c.Audience, "") != "" || len(c.Claims) > 0
}
