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
func (b *Bridge) issuer(ctx, reading context.Context) (*auth.Issuer, error) {
	clients, err := b.clients(reading)
	if err != nil || len(clients) == 0 {
		return nil, err
	}
	i := &auth.Issuer{URL: strings.TrimSuffix(b.Config.Server.PublicURL, "/"), Clients: clients, Now: b.Now, Keys: b.keyring(), Spent: b.spent(),
		Failed: func(err error) { b.Log.Error("cannot issue a token", "error", err) }}
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
			client := auth.Client{ID: c.ID, IdP: name, Lifetime: o.TokenLifetime()}
			var err error
			if client.Secrets, err = credentials(name, c.Secrets); err != nil {
				return nil, err
			}
			if c.Federation.Configured() {
				if client.Assertions, err = b.signedBy(name, c.Federation.WithTenant()); err != nil {
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
	return &auth.Keyring{Now: b.Now, Load: func(ctx context.Context) ([]byte, error) { return b.setting(ctx, signingKeys) },
		Change: func(ctx context.Context, change func([]byte) ([]byte, error)) error {
			return b.change(ctx, signingKeys, change)
		}}
}

func (b *Bridge) spent() *auth.Spent {
	return &auth.Spent{Load: func(ctx context.Context, name string) ([]byte, error) { return b.setting(ctx, spentAssertions+name) },
		Change: func(ctx context.Context, name string, change func([]byte) ([]byte, error)) error {
			return b.change(ctx, spentAssertions+name, change)
		}}
}

// setting returns the value of a setting.
func (b *Bridge) setting(ctx context.Context, name string) (kept []byte, err error) {
	err = b.store.View(ctx, func(tx store.Tx) error {
		kept = tx.Setting(name)
		return nil
	})
	return kept, err
}

// change replaces the value of a setting in one transaction.
func (b *Bridge) change(ctx context.Context, name string, change func(kept []byte) ([]byte, error)) error {
	return b.store.Update(store.About(ctx, name), func(tx store.Tx) error {
		made, err := change(tx.Setting(name))
		if err != nil || made == nil {
			return err
		}
		return tx.SetSetting(name, made)
	})
}
