package bridge

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scimbridge/scimbridge/backend"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
)

// signingKeys names the setting with the keys of our own tokens. It does not leave the store.
const signingKeys = store.Private + "signing-keys"

// spentAssertions begins the names of the settings that say which assertions were used.
const spentAssertions = "assertions/"

// OAuthConfig is who may ask for tokens of ours as one identity provider.
type OAuthConfig struct {
	Lifetime Duration       `yaml:"lifetime"`
	Clients  []ClientConfig `yaml:"clients"`
}

// ClientConfig is one client: it has secrets, or somebody whom we trust signs for it.
type ClientConfig struct {
	ID         string        `yaml:"id"`
	Secrets    []TokenConfig `yaml:"secrets"`
	Federation JWTConfig     `yaml:"federation"`
}

// lifetime is how long a token is good: an hour, unless the configuration says otherwise.
func (c OAuthConfig) lifetime() time.Duration {
	if c.Lifetime == 0 {
		return time.Hour
	}
	return time.Duration(c.Lifetime)
}

// federated is the configuration with what a tenant and an application stand for in Entra's workload identity federation.
func (c JWTConfig) federated() JWTConfig {
	if c.Tenant != "" {
		audience := names{}
		if c.AppID != "" { // with and without the scheme: both are seen
			audience = names{"api://" + c.AppID, c.AppID}
		}
		c.fill("https://login.microsoftonline.com/"+c.Tenant+"/v2.0", "https://login.microsoftonline.com/"+c.Tenant+"/discovery/v2.0/keys", audience...)
	}
	return c
}

// oauth checks who may ask for tokens.
func (v *validation) oauth(c *Config, name string) {
	path := []string{"identity_providers", name, "oauth"}
	at := func(keys ...string) []string { return append(slices.Clone(path), keys...) }
	o := c.IdentityProviders[name].OAuth
	if life := o.lifetime(); life < auth.MinLifetime || life > auth.MaxLifetime {
		v.bad(at("lifetime"), "must be between %s and %s", Duration(auth.MinLifetime), Duration(auth.MaxLifetime))
	}
	if len(o.Clients) == 0 {
		if o.Lifetime != 0 {
			v.bad(at("clients"), "is missing: who may ask for tokens?")
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

func (v *validation) client(path []string, idp string, c ClientConfig) {
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
	case !f.configured() && len(c.Secrets) == 0:
		v.bad(path, "has neither secrets nor federation: it cannot ask for anything")
	case f.configured():
		v.federation(at("federation"), f)
	}
}

// federation checks whose assertions are accepted. Nothing of whom they are about may be open.
func (v *validation) federation(path []string, f JWTConfig) {
	at := func(key string) []string { return append(slices.Clone(path), key) }
	if f.Preset != "" {
		v.bad(at("preset"), "is for jwt; here `tenant` and `app_id` are enough")
	}
	v.tenant(path, f, f.Tenant != "")
	f = f.federated()
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

// issuer is the token endpoint, nil if nobody may ask there. It reads keys of others until ctx ends.
func (b *Bridge) issuer(ctx, reading context.Context) (*auth.Issuer, error) {
	clients, err := b.clients(reading)
	if err != nil || len(clients) == 0 {
		return nil, err
	}
	i := &auth.Issuer{URL: strings.TrimSuffix(b.Config.Server.PublicURL, "/"), Clients: clients, Now: b.Now, Keys: b.keyring(), Spent: b.spent(),
		Failed: func(err error) { b.Log.Error("no token can be given", "error", err) }}
	if err := i.Keys.Init(ctx); err != nil {
		return nil, err
	}
	return i, nil
}

func (b *Bridge) clients(reading context.Context) ([]auth.Client, error) {
	var clients []auth.Client
	for _, name := range slices.Sorted(maps.Keys(b.Config.IdentityProviders)) {
		o := b.Config.IdentityProviders[name].OAuth
		for _, c := range o.Clients {
			client := auth.Client{ID: c.ID, IdP: name, Lifetime: o.lifetime()}
			var err error
			if client.Secrets, err = credentials(name, c.Secrets); err != nil {
				return nil, err
			}
			if c.Federation.configured() {
				if client.Assertions, err = b.signedBy(name, c.Federation.federated()); err != nil {
					return nil, fmt.Errorf("identity provider %s: client %s: federation: %w", name, c.ID, err)
				}
				client.Assertions.Init(reading)
			}
			clients = append(clients, client)
		}
	}
	return clients, nil
}

func (b *Bridge) keyring() *auth.Keyring {
	return &auth.Keyring{Now: b.Now, Load: func(ctx context.Context) ([]byte, error) { return b.kept(ctx, signingKeys) },
		Change: func(ctx context.Context, change func([]byte) ([]byte, error)) error {
			return b.change(ctx, signingKeys, change)
		}}
}

func (b *Bridge) spent() *auth.Spent {
	return &auth.Spent{Load: func(ctx context.Context, name string) ([]byte, error) { return b.kept(ctx, spentAssertions+name) },
		Change: func(ctx context.Context, name string, change func([]byte) ([]byte, error)) error {
			return b.change(ctx, spentAssertions+name, change)
		}}
}

// kept is what the store keeps under a name.
func (b *Bridge) kept(ctx context.Context, name string) (kept []byte, err error) {
	err = b.store.View(ctx, func(tx store.Tx) error {
		kept = tx.Setting(name)
		return nil
	})
	return kept, err
}

// change replaces it, in one transaction.
func (b *Bridge) change(ctx context.Context, name string, change func(kept []byte) ([]byte, error)) error {
	return b.store.Update(store.About(ctx, name), func(tx store.Tx) error {
		made, err := change(tx.Setting(name))
		if err != nil || made == nil {
			return err
		}
		return tx.SetSetting(name, made)
	})
}
