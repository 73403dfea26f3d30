package bridge

import (
	"context"
	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/scim/auth"
	"github.com/scimbridge/scimbridge/store"
	"slices"
)

// The tests of the whole program reach into a bridge with these.

// The names of settings.
const (
	SigningKeys     = signingKeys
	SpentAssertions = spentAssertions
)

// Use makes the bridge run over a store that is already open.
func (b *Bridge) Use(s store.Store) { b.given = s }

// Store returns the open store.
func (b *Bridge) Store() store.Store { return b.store }

// Keyring returns the keys that sign tokens.
func (b *Bridge) Keyring() *auth.Keyring { return b.identities().keyring() }

// SwapRules replaces the rules without a reload and returns those before.
func (b *Bridge) SwapRules(r *mapping.Rules) *mapping.Rules {
	return b.policy.Swap(newPolicy(r, b.Config.Backends)).rules
}

// Health returns the state of the worker of a backend.
func (b *Bridge) Health(backend string) (state, reason string) { return b.workers[backend].Health() }

// Self returns this replica.
func (b *Bridge) Self() store.Replica { return b.replicas.self }

// BrokeOff logs that a copy broke off.
func (b *Bridge) BrokeOff(path string, err error) { b.brokeOff(path, err) }

// Leads reports whether this replica has a lease.
func (b *Bridge) Leads(lease string) bool {
	all, err := b.replicas.shared.Leases(context.Background())
	return err == nil && slices.ContainsFunc(all, func(l store.Lease) bool {
		return l.Name == lease && l.Owner == b.replicas.self.ID && l.Until.After(l.Now)
	})
}
