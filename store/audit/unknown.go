package audit

import (
	"context"

	"github.com/scimbridge/scimbridge/store"
	"github.com/scimbridge/scimbridge/store/nearest"
)

// explainNothing refuses an export without lines if a name of the filter is in no event: an empty file would say that
// nothing happened.
func (f Filter) explainNothing(ctx context.Context, w *writer) error {
	if w.lines > 0 || f.Person+f.Role+f.Backend+f.Type == "" {
		return nil
	}
	user, role := nearest.Names{Asked: f.Person}, nearest.Names{Asked: f.Role}
	backend, kind := nearest.Names{Asked: f.Backend}, nearest.Names{Asked: f.Type}
	seen := map[string]bool{}
	met := func(n *nearest.Names, of, name string) {
		if key := of + " " + name; name != "" && !seen[key] {
			seen[key] = true
			n.Add(name)
		}
	}
	known := Filter{Role: f.Role, Backend: f.Backend, Type: f.Type}
	var there struct{ role, backend, kind, user bool }
	err := w.store.View(ctx, func(tx store.Tx) error {
		for _, name := range tx.Backends() {
			there.backend = there.backend || name == f.Backend
			met(&backend, "backend", name)
		}
		for e, err := range tx.Events().Since(0) {
			if err != nil {
				return err
			}
			there.role = there.role || Filter{Role: known.Role}.has(e, nil)
			there.backend = there.backend || e.Backend == f.Backend
			there.kind = there.kind || Filter{Type: known.Type}.has(e, nil)
			there.user = there.user || w.person != nil && w.person.in(e)
			met(&role, "role", e.Role)
			met(&role, "role", e.Target)
			met(&backend, "backend", e.Backend)
			met(&kind, "type", e.Type)
		}
		if f.Person == "" || there.user {
			return nil
		}
		for _, idp := range tx.IdPs() {
			for u, err := range tx.Directory(idp).Users(store.From{By: store.ByUserName}) {
				if err != nil {
					return err
				}
				user.Add(u.UserName)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case f.Person != "" && !there.user && len(w.person.ids) == 0:
		return user.Unknown("user", false)
	case f.Role != "" && !there.role:
		return role.Unknown("role", true)
	case f.Backend != "" && !there.backend && !f.Configured:
		return backend.Unknown("backend", true)
	case f.Type != "" && !there.kind:
		return kind.Unknown("type of events", true)
	}
	return nil
}
