package bridge

import (
	"fmt"
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/scim/config"
	"github.com/scimbridge/scimbridge/scim/console"
)

// credentials returns the tokens of the identity providers.
func (b *Bridge) credentials() ([]auth.Credential, error) {
	var all []auth.Credential
	for _, name := range slices.Sorted(maps.Keys(b.Config.IdentityProviders)) {
		some, err := credentials(name, b.Config.IdentityProviders[name].Tokens)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// used records that a credential was accepted now.
func (b *Bridge) used(who auth.Identity) { b.uses.Note(who.IdP, who.Token, b.now()) }

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
func (b *Bridge) signing() (names []string) {
	for name, c := range b.Config.IdentityProviders {
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
