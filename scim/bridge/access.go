package bridge

import (
	"maps"
	"slices"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/access"
	"github.com/scimbridge/scimbridge/mapping/pin"
	"github.com/scimbridge/scimbridge/store"
)

// reportSource returns what a report of access is read from.
func reportSource(b *Bridge) *access.Source {
	s := &access.Source{
		Store: b.store, IdPs: slices.Sorted(maps.Keys(b.Config.IdentityProviders)),
		Rules: func(tx store.Tx) *mapping.Rules { return pin.Bound(tx, b.policy.Load().rules) },
	}
	for _, name := range slices.Sorted(maps.Keys(b.Config.Backends)) {
		c := b.policy.Load().backends[name]
		s.Backends = append(s.Backends, access.Backend{Name: name, Match: c.Match, Mode: c.Mode})
	}
	return s
}
