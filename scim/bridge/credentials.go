package bridge

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
	"github.com/scimbridge/scimbridge/store"
)

// identities makes what authenticates clients, from the configuration and from what the store keeps.
type identities struct {
	config *config.Config
	store  store.Store
	log    *slog.Logger
	now    func() time.Time // nil: time.Now
}

func (b *Bridge) identities() identities {
	return identities{config: b.Config, store: b.store, log: b.Log, now: b.Now}
}

// credentials returns the tokens of the identity providers.
func (i identities) credentials() ([]auth.Credential, error) {
	var all []auth.Credential
	for _, name := range slices.Sorted(maps.Keys(i.config.IdentityProviders)) {
		some, err := credentials(name, i.config.IdentityProviders[name].Tokens)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// listed returns the configured credentials: tokens, and clients with their secrets.
func listed(credentials []auth.Credential, issuer *auth.Issuer) []console.Token {
	var all []console.Token
	for _, c := range credentials {
		all = append(all, console.Token{IdP: c.IdP, Token: c.Name(), Expires: c.Expires})
	}
	if issuer == nil {
		return all
	}
	for _, c := range issuer.Clients {
		all = append(all, console.Token{IdP: c.IdP, Token: c.Name(), Expires: c.Expires()})
	}
	return all
}

// signing returns the identity providers that sign tokens.
func signing(c *config.Config) (names []string) {
	for name, c := range c.IdentityProviders {
		if c.JWT.Configured() {
			names = append(names, name)
		}
	}
	return names
}

func credentials(idp string, tokens []config.Token) ([]auth.Credential, error) {
	var all []auth.Credential
	for _, t := range tokens {
		value, err := t.Secret.Value()
		if err != nil {
			return nil, fmt.Errorf("identity provider %s: %w", idp, err)
		}
		c, err := auth.Parse(idp, value.Reveal())
		if err != nil {
			return nil, fmt.Errorf("identity provider %s: %w", idp, err)
		}
		c.Expires = t.Expires.Time
		all = append(all, c)
	}
	return all, nil
}
