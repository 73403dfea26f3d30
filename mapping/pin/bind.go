package pin

import (
	"context"
	"fmt"
	"time"

	"github.com/scimbridge/scimbridge/mapping"
	"github.com/scimbridge/scimbridge/mapping/memory"
	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/record"
)

// Bind makes the bindings of a backend that rules need which are about to be in force: names that they pin and that are bound to
// no group are bound to the groups that have them. Names that they do not pin any more stay bound until the replica that delivers goes by them,
// since replicas with other rules may go on pinning them: see package delivery.
func Bind(ctx context.Context, s store.Store, rules *mapping.Rules, backend string, now time.Time) error {
	err := s.Update(ctx, func(tx store.Tx) error { return BindAll(tx, rules, backend, now) })
	if err != nil {
		return fmt.Errorf("binding names to groups: %w", err)
	}
	return nil
}

// BindAll is Bind in a transaction.
func BindAll(tx store.Tx, rules *mapping.Rules, backend string, now time.Time) error {
	claims, err := claims(tx, rules, backend)
	for _, c := range claims {
		if err == nil {
			err = c.took(tx, backend, c.IdP, c.group, c.free, store.Origin{Initiator: memory.ByRules, At: now})
		}
	}
	return err
}

// claimed is a group that has a name which rules pin.
type claimed struct {
	Of
	group store.Group
	free  bool
}

// claims lists the groups whose names are not decided about. Those of several identity providers that have one name now have it
// all.
func claims(tx store.Tx, rules *mapping.Rules, backend string) (out []claimed, err error) {
	for _, idp := range tx.IdPs() {
		for g, err := range tx.Directory(idp).Groups(store.From{}) {
			if err != nil {
				return nil, err
			}
			if pinned, _ := rules.Pinned(backend, idp, g); !pinned {
				continue
			}
			p, free, err := claim(tx, rules, backend, idp, g)
			if err != nil {
				return nil, err
			}
			if p.Held == nil || p.Held.Group != g.ID { // else it is held, or rejected, since it took the name
				out = append(out, claimed{Of{idp, p}, g, free})
			}
		}
	}
	return out, nil
}

// Unbind ends the bindings of names that rules do not pin.
func Unbind(tx store.Tx, rules *mapping.Rules, backend string) error {
	all, err := allPins(tx, backend)
	if err != nil {
		return err
	}
	for _, p := range all {
		if pinned, _ := rules.Pinned(backend, p.IdP, store.Group{DisplayName: p.Name}); pinned {
			continue
		}
		if err := record.Delete(tx, pinRow(backend, p.IdP, p.Name)); err != nil {
			return err
		}
	}
	return nil
}

// Of is a binding in the directory of an identity provider.
type Of struct {
	IdP string
	Binding
}

// allPins lists the bindings of a backend.
func allPins(tx store.Tx, backend string) (out []Of, err error) {
	for r, err := range record.List(tx, record.Pin{Backend: backend}) {
		if err != nil {
			return nil, fmt.Errorf("reading to which group a name is bound: %w", err)
		}
		out = append(out, Of{r.IdP, pinIn(r)})
	}
	return out, nil
}
