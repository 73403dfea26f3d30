package bridge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
)

// signingKeys names the setting with the keys that sign our tokens. It does not leave the store.
const signingKeys = store.Private + "signing-keys"

// spentAssertions begins the names of the settings with assertions that were used.
const spentAssertions = "assertions/"

// issuer returns the token endpoint; nil if no client may use it. It reads keys of others until ctx
// ends.
func (i identities) issuer(ctx, reading context.Context) (*auth.Issuer, error) {
	clients, err := i.clients(reading)
	if err != nil || len(clients) == 0 {
		return nil, err
	}
	issuer := &auth.Issuer{URL: strings.TrimSuffix(i.config.Server.PublicURL, "/"), Clients: clients, Now: i.now, Keys: i.keyring(), Spent: i.spent(),
		Failed: func(err error) { i.log.Error("cannot issue a token", "error", err) }}
	if err := issuer.Keys.Init(ctx); err != nil {
		return nil, err
	}
	return issuer, nil
}

func (i identities) clients(reading context.Context) ([]auth.Client, error) {
	var clients []auth.Client
	for _, name := range slices.Sorted(maps.Keys(i.config.IdentityProviders)) {
		o := i.config.IdentityProviders[name].OAuth
		for _, c := range o.Clients {
			client := auth.Client{ID: c.ID, IdP: name, Lifetime: o.TokenLifetime()}
			var err error
			if client.Secrets, err = credentials(name, c.Secrets); err != nil {
				return nil, err
			}
			if c.Federation.Configured() {
				if client.Assertions, err = i.signedBy(name, c.Federation.WithTenant()); err != nil {
					return nil, fmt.Errorf("identity provider %s: client %s: federation: %w", name, c.ID, err)
				}
				client.Assertions.Init(reading)
			}
			clients = append(clients, client)
		}
	}
	return clients, nil
}

func (i identities) keyring() *auth.Keyring {
	return &auth.Keyring{Now: i.now, Load: func(ctx context.Context) ([]byte, error) { return i.setting(ctx, signingKeys) },
		Change: func(ctx context.Context, change func([]byte) ([]byte, error)) error {
			return i.change(ctx, signingKeys, change)
		}}
}

func (i identities) spent() *auth.Spent {
	return &auth.Spent{Load: func(ctx context.Context, name string) ([]byte, error) { return i.setting(ctx, spentAssertions+name) },
		Change: func(ctx context.Context, name string, change func([]byte) ([]byte, error)) error {
			return i.change(ctx, spentAssertions+name, change)
		}}
}

// setting returns the value of a setting.
func (i identities) setting(ctx context.Context, name string) (kept []byte, err error) {
	err = i.store.View(ctx, func(tx store.Tx) error {
		kept = tx.Setting(name)
		return nil
	})
	return kept, err
}

// change replaces the value of a setting in one transaction.
func (i identities) change(ctx context.Context, name string, change func(kept []byte) ([]byte, error)) error {
	return i.store.Update(store.About(ctx, name), func(tx store.Tx) error {
		made, err := change(tx.Setting(name))
		if err != nil || made == nil {
			return err
		}
		return tx.SetSetting(name, made)
	})
}
