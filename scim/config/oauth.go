package config

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/auth"
)

// OAuth lists the clients of our token endpoint that belong to one identity provider.
type OAuth struct {
	Lifetime Duration `yaml:"lifetime"`
	Clients  []Client `yaml:"clients"`
}

// Client has secrets, or a trusted issuer signs assertions for it.
type Client struct {
	ID         string  `yaml:"id"`
	Secrets    []Token `yaml:"secrets"`
	Federation JWT     `yaml:"federation"`
}

// TokenLifetime returns how long a token is valid: one hour by default.
func (c OAuth) TokenLifetime() time.Duration {
	if c.Lifetime == 0 {
		return time.Hour
	}
	return time.Duration(c.Lifetime)
}

// WithTenant returns the configuration with the values that a tenant and an application stand for
// in Entra's workload identity federation.
func (c JWT) WithTenant() JWT {
	if c.Tenant != "" {
		audience := Names{}
		if c.AppID != "" { // with and without the scheme: both are seen
			audience = Names{"api://" + c.AppID, c.AppID}
		}
		c.fill("https://login.microsoftonline.com/"+c.Tenant+"/v2.0", "https://login.microsoftonline.com/"+c.Tenant+"/discovery/v2.0/keys", audience...)
	}
	return c
}

// oauth checks the clients of the token endpoint.
func (v *validation) oauth(c *Config, name string) {
	path := []string{"identity_providers", name, "oauth"}
	at := func(keys ...string) []string { return append(slices.Clone(path), keys...) }
	o := c.IdentityProviders[name].OAuth
	if life := o.TokenLifetime(); life < auth.MinLifetime || life > auth.MaxLifetime {
		v.bad(at("lifetime"), "must be between %s and %s", Duration(auth.MinLifetime), Duration(auth.MaxLifetime))
	}
	if len(o.Clients) == 0 {
		if o.Lifetime != 0 {
			v.bad(at("clients"), "is missing: name the clients that may request tokens")
		}
		return
	}
	if public, err := url.Parse(c.Server.PublicURL); c.Server.PublicURL == "" {
		v.bad(at(), "needs server.public_url: it is the issuer and the audience of the tokens")
	} else if err == nil && public.Scheme == "http" && !backend.Loopback(public.Hostname()) {
		v.bad(at(), "needs https: in server.public_url: secrets and tokens travel there")
	}
	for i, client := range o.Clients {
		v.client(at("clients", strconv.Itoa(i)), name, client)
	}
}

func (v *validation) client(path []string, idp string, c Client) {
	at := func(keys ...string) []string { return append(slices.Clone(path), keys...) }
	switch other, taken := v.clients[c.ID]; {
	case !plainName.MatchString(c.ID):
		v.bad(at("id"), "is 1 to 64 letters, digits, dots, dashes and underscores")
	case taken:
		v.bad(at("id"), "is a client of %s already", other)
	}
	v.clients[c.ID] = idp
	for i, secret := range c.Secrets {
		v.token(at("secrets", strconv.Itoa(i)), idp, secret)
	}
	f := c.Federation
	switch {
	case !f.Configured() && len(c.Secrets) == 0:
		v.bad(path, "has neither secrets nor federation: it cannot authenticate")
	case f.Configured():
		v.federation(at("federation"), f)
	}
}

// federation checks which assertions are accepted. Issuer, audience and subject must all be pinned.
func (v *validation) federation(path []string, f JWT) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	if f.Preset != "" {
		v.bad(at("preset"), "is for jwt; here `tenant` and `app_id` are enough")
	}
	v.tenant(path, f, f.Tenant != "")
	f = f.WithTenant()
	if f.Subject == "" {
		v.bad(at("subject"), "is missing: the object id of the workload identity, as Entra shows it")
	}
	if f.Tenant != "" && f.AppID == "" {
		v.bad(at("app_id"), "is missing: the application id of the workload identity")
		return
	}
	v.signed(path, f)
	v.distinct(path, f)
}

// TokenProofs returns how clients of the token endpoint authenticate; nil if there is no token
// endpoint.
func (c *Config) TokenProofs() []string {
	var secret, assertion bool
	for _, idp := range c.IdentityProviders {
		for _, client := range idp.OAuth.Clients {
			secret = secret || len(client.Secrets) > 0
			assertion = assertion || client.Federation.Configured()
		}
	}
	var out []string
	if secret {
		out = append(out, "its secret")
	}
	if assertion {
		out = append(out, "a signed assertion (private_key_jwt, RFC 7523)")
	}
	return out
}
